//! Changes as SQLite's statements.
//!
//! `ALTER TABLE` can rename and add a plain column; for the rest a table is made anew beside the old one, filled from
//! it and put in its place. Dropping the old one would delete its rows one by one, and with them the rows that refer
//! to them, so this needs foreign keys to be off, which SQLite refuses inside a transaction: such a migration begins
//! its transaction itself (see [`needs_foreign_keys_off`]).

use super::super::change::Change;
use super::super::plan::Renames;
use super::super::shape::{ColumnShape, TableName, TableShape};
use super::define::{create_index, create_table, define_plain_column, table_name};
use super::{Block, comment};
use crate::backend::Backend;
use crate::schema::ddl::{list, quoted};

/// Whether the changes make a table anew.
pub(crate) fn rebuilds_any(changes: &[Change]) -> bool {
    changes.iter().any(|change| rebuilds(change, changes))
}

/// Whether the changes drop a table, if only to make it anew: tables that are not looked at may refer to it.
pub(crate) fn needs_foreign_keys_off(changes: &[Change]) -> bool {
    changes.iter().any(|change| matches!(change, Change::DropTable(_)) || rebuilds(change, changes))
}

/// The blocks of these changes, which make `after` of `before`.
pub(crate) fn blocks(
    changes: &[Change],
    before: &[TableShape],
    after: &[TableShape],
    renames: &Renames,
    marked: bool,
) -> Vec<Block> {
    let mut before = before.to_vec();
    renames.apply(&mut before);
    let find = |tables: &[TableShape], name: &TableName| tables.iter().find(|table| table.name == *name).cloned();
    let rebuilt: Vec<&TableName> = after
        .iter()
        .map(|table| &table.name)
        .filter(|name| changes.iter().any(|change| change.table() == Some(*name) && rebuilds(change, changes)))
        .collect();

    let mut blocks = Vec::new();
    let mut rebuilds_written = false;
    for change in changes {
        // Tables are made anew once all that is simple in other tables is done, before new ones come.
        if change.turn() >= CREATE_TURN && !rebuilds_written {
            blocks.extend(
                rebuilt.iter().filter_map(|name| rebuild(&find(&before, name)?, &find(after, name)?, changes, marked)),
            );
            rebuilds_written = true;
        }
        let renames = matches!(change, Change::RenameTable { .. } | Change::RenameColumn { .. });
        if !renames && change.table().is_some_and(|table| rebuilt.contains(&table)) {
            continue;
        }
        let statements = statements(change, after);
        if !statements.is_empty() {
            blocks.push(Block {
                comments: vec![comment(change, Backend::Sqlite, marked)],
                notes: Vec::new(),
                statements,
            });
        }
    }
    if !rebuilds_written {
        blocks.extend(
            rebuilt.iter().filter_map(|name| rebuild(&find(&before, name)?, &find(after, name)?, changes, marked)),
        );
    }
    blocks
}

/// When new tables come.
const CREATE_TURN: u8 = 20;

/// Whether the change takes making the table anew.
fn rebuilds(change: &Change, changes: &[Change]) -> bool {
    match change {
        Change::DropForeignKey { table, .. } => !drops(changes, table),
        Change::AddForeignKey { table, .. } => !creates(changes, table),
        Change::DropCheck { .. }
        | Change::DropUnique { .. }
        | Change::DropKey { .. }
        | Change::RenameConstraint { .. }
        | Change::DropColumn { .. }
        | Change::DropDefault { .. }
        | Change::DropIdentity { .. }
        | Change::AlterType { .. }
        | Change::SetDefault { .. }
        | Change::SetNotNull { .. }
        | Change::DropNotNull { .. }
        | Change::AddIdentity { .. }
        | Change::MakeStrict { .. }
        | Change::AddKey { .. }
        | Change::AddUnique { .. }
        | Change::AddCheck { .. } => true,
        Change::AddColumn { column, .. } => !is_plain(column),
        Change::CreateSchema(_)
        | Change::InstallRaise
        | Change::CreateType { .. }
        | Change::AddLabel { .. }
        | Change::DropType(_)
        | Change::RenameTable { .. }
        | Change::RenameColumn { .. }
        | Change::DropIndex { .. }
        | Change::DropTable(_)
        | Change::RenameIndex { .. }
        | Change::CreateTable(_)
        | Change::AddIndex { .. } => false,
    }
}

fn drops(changes: &[Change], name: &TableName) -> bool {
    changes.iter().any(|change| matches!(change, Change::DropTable(table) if table.name == *name))
}

fn creates(changes: &[Change], name: &TableName) -> bool {
    changes.iter().any(|change| matches!(change, Change::CreateTable(table) if table.name == *name))
}

/// What `ADD COLUMN` takes whatever rows there are.
fn is_plain(column: &ColumnShape) -> bool {
    column.nullable && column.default.is_none() && !column.generated && column.computed.is_none()
}

fn statements(change: &Change, after: &[TableShape]) -> Vec<String> {
    match change {
        Change::RenameTable { from, to } => {
            vec![format!("ALTER TABLE {} RENAME TO {}", table_name(from), quoted(&to.name))]
        }
        Change::RenameColumn { table, from, to } => {
            vec![format!("ALTER TABLE {} RENAME COLUMN {} TO {}", table_name(table), quoted(from), quoted(to))]
        }
        Change::DropIndex { index, .. } => vec![format!("DROP INDEX {}", quoted(&index.name))],
        Change::RenameIndex { table, from, to } => {
            vec![format!("DROP INDEX {}", quoted(from)), create_index(table, to)]
        }
        Change::DropTable(table) => vec![format!("DROP TABLE {}", table_name(&table.name))],
        Change::AddColumn { table, column } => {
            vec![format!("ALTER TABLE {} ADD COLUMN {}", table_name(table), define_plain_column(column))]
        }
        Change::CreateTable(created) => {
            // With all its keys: SQLite permits references to tables that come later.
            let table = after.iter().find(|table| table.name == created.name).unwrap_or(created);
            let mut statements = vec![create_table(table, Backend::Sqlite, None)];
            statements.extend(table.indexes.iter().map(|index| create_index(&table.name, index)));
            statements.extend(table.triggers.iter().cloned());
            statements
        }
        Change::AddIndex { table, index } => vec![create_index(table, index)],
        _ => Vec::new(),
    }
}

/// The table made anew, filled and put in its place, with all that was dropped with the old one.
fn rebuild(before: &TableShape, after: &TableShape, changes: &[Change], marked: bool) -> Option<Block> {
    let concerned = changes.iter().filter(|change| change.table() == Some(&after.name));
    let said = concerned.filter(|change| !matches!(change, Change::RenameTable { .. } | Change::RenameColumn { .. }));
    let comments: Vec<_> = said.map(|change| comment(change, Backend::Sqlite, marked)).collect();
    if comments.is_empty() {
        return None;
    }
    let old = table_name(&after.name);
    let new_name = format!("spakky_new_{}", after.name.name);
    let new = quoted(&new_name);
    let kept: Vec<_> = after.columns.iter().filter(|column| column.computed.is_none()).collect();
    let (columns, values): (Vec<_>, Vec<_>) = kept
        .iter()
        .filter_map(|column| {
            let old = before.column(&column.name)?;
            let name = quoted(&column.name);
            let value = match &column.default {
                Some(default) if old.nullable && !column.nullable => format!("coalesce({name}, {})", default.sql),
                _ => name,
            };
            Some((column.name.clone(), value))
        })
        .unzip();
    let mut statements = vec![create_table(after, Backend::Sqlite, Some(&new_name))];
    if !columns.is_empty() {
        statements.push(format!("INSERT INTO {new} ({}) SELECT {} FROM {old}", list(&columns), values.join(", ")));
    }
    let generates = |table: &TableShape| table.columns.iter().any(|column| column.generated);
    if generates(before) && generates(after) {
        let literal = |name: &str| format!("'{}'", name.replace('\'', "''"));
        let (old, new) = (literal(&after.name.name), literal(&new_name));
        statements.push(format!("DELETE FROM sqlite_sequence WHERE name = {new}"));
        statements.push(format!(
            "INSERT INTO sqlite_sequence (name, seq) SELECT {new}, seq FROM sqlite_sequence WHERE name = {old}"
        ));
    }
    statements.push(format!("DROP TABLE {old}"));
    statements.push("PRAGMA legacy_alter_table = ON".to_owned());
    statements.push(format!("ALTER TABLE {new} RENAME TO {old}"));
    statements.push("PRAGMA legacy_alter_table = OFF".to_owned());
    statements.extend(after.indexes.iter().map(|index| create_index(&after.name, index)));
    statements.extend(after.triggers.iter().cloned());
    Some(Block { comments, notes: Vec::new(), statements })
}
