//! From one set of tables to another: a pure function.

use std::collections::HashSet;

use super::change::Change;
use super::shape::{ColumnShape, ForeignKeyShape, KeyShape, TableName, TableShape};

/// What is called otherwise from now on: tables first, then columns (with the table's new name).
#[derive(Debug, Clone, Default)]
pub(crate) struct Renames {
    pub(crate) tables: Vec<(TableName, TableName)>,
    pub(crate) columns: Vec<(TableName, String, String)>,
}

impl Renames {
    /// The way back.
    pub(crate) fn reversed(&self) -> Self {
        let before = |table: &TableName| {
            self.tables.iter().find(|(_, to)| to == table).map_or_else(|| table.clone(), |(from, _)| from.clone())
        };
        Renames {
            tables: self.tables.iter().map(|(from, to)| (to.clone(), from.clone())).collect(),
            columns: self.columns.iter().map(|(table, from, to)| (before(table), to.clone(), from.clone())).collect(),
        }
    }

    /// The tables under their new names.
    pub(crate) fn apply(&self, tables: &mut [TableShape]) {
        for (from, to) in &self.tables {
            for table in tables.iter_mut() {
                if table.name == *from {
                    table.name = to.clone();
                    let texts = table.triggers.iter_mut();
                    let indexes = table.indexes.iter_mut().filter_map(|index| index.foreign.as_mut());
                    for text in texts.chain(indexes) {
                        *text = super::token::renamed(text, &from.name, &to.name);
                    }
                }
                for key in table.foreign_keys.iter_mut().filter(|key| key.target == *from) {
                    key.target = to.clone();
                }
            }
        }
        for (name, from, to) in &self.columns {
            for table in tables.iter_mut() {
                for key in table.foreign_keys.iter_mut().filter(|key| key.target == *name) {
                    for column in key.target_columns.iter_mut().filter(|column| *column == from) {
                        to.clone_into(column);
                    }
                }
                if table.name == *name {
                    table.rename_column(from, to);
                }
            }
        }
    }
}

/// The changes that make `to` of `from`, in the order in which they can be made.
pub(crate) fn plan(from: &[TableShape], to: &[TableShape], renames: &Renames) -> Vec<Change> {
    let mut changes: Vec<Change> =
        renames.tables.iter().map(|(from, to)| Change::RenameTable { from: from.clone(), to: to.clone() }).collect();
    changes.extend(renames.columns.iter().map(|(table, from, to)| Change::RenameColumn {
        table: table.clone(),
        from: from.clone(),
        to: to.clone(),
    }));
    let mut old = from.to_vec();
    renames.apply(&mut old);

    let retyped = retyped(&old, to);
    for table in to {
        if let Some(before) = find(&old, &table.name) {
            alter(before, table, &mut changes);
            compare_foreign_keys(before, table, &retyped, &mut changes);
        }
    }
    drop_tables(old.iter().filter(|table| find(to, &table.name).is_none()).collect(), &mut changes);
    create_tables(to.iter().filter(|table| find(&old, &table.name).is_none()).collect(), &mut changes);
    changes.sort_by_key(Change::turn);
    changes
}

fn find<'t>(tables: &'t [TableShape], name: &TableName) -> Option<&'t TableShape> {
    tables.iter().find(|table| table.name == *name)
}

/// Columns whose type changes, or whose table gets another key: foreign keys between such are made anew.
fn retyped(old: &[TableShape], new: &[TableShape]) -> HashSet<(TableName, String)> {
    let mut found = HashSet::new();
    for table in new {
        let Some(before) = find(old, &table.name) else { continue };
        let columns = |key: &Option<KeyShape>| key.as_ref().map(|key| key.columns.clone());
        let rekeyed = columns(&before.key) != columns(&table.key);
        for column in &table.columns {
            let changed = before.column(&column.name).is_none_or(|before| before.ty != column.ty);
            if changed || rekeyed {
                found.insert((table.name.clone(), column.name.clone()));
            }
        }
    }
    found
}

fn alter(before: &TableShape, after: &TableShape, changes: &mut Vec<Change>) {
    let table = &after.name;
    for column in before.columns.iter().filter(|column| after.column(&column.name).is_none()) {
        changes.push(Change::DropColumn { table: table.clone(), column: column.clone() });
    }
    for column in &after.columns {
        match before.column(&column.name) {
            None => changes.push(Change::AddColumn { table: table.clone(), column: column.clone() }),
            Some(old) => alter_column(table, old, column, changes),
        }
    }
    if before.strict != after.strict {
        changes.push(Change::MakeStrict { table: table.clone(), strict: after.strict });
    }

    let keys: Vec<KeyShape> = before.key.iter().cloned().collect();
    let keys = compare(&keys, &Vec::from_iter(after.key.clone()), |key| &key.name, |a, b| a.columns == b.columns);
    keys.push(changes, table, |table, key| Change::DropKey { table, key }, |table, key| Change::AddKey { table, key });

    let uniques = compare(&before.uniques, &after.uniques, |key| &key.name, |a, b| a.columns == b.columns);
    uniques.push(
        changes,
        table,
        |table, key| Change::DropUnique { table, key },
        |table, key| Change::AddUnique { table, key },
    );
    let checks = compare(&before.checks, &after.checks, |check| &check.name, |a, b| a.condition == b.condition);
    checks.push(
        changes,
        table,
        |table, check| Change::DropCheck { table, check },
        |table, check| Change::AddCheck { table, check },
    );
    let indexes = compare(
        &before.indexes,
        &after.indexes,
        |index| &index.name,
        |a, b| a.columns == b.columns && a.filter == b.filter && a.unique == b.unique && a.foreign == b.foreign,
    );
    for (from, to) in &indexes.renamed {
        let (from, to) = (from.name.clone(), to.clone());
        changes.push(Change::RenameIndex { table: table.clone(), from, to });
    }
    let rest = Comparison { renamed: Vec::new(), ..indexes };
    rest.push(
        changes,
        table,
        |table, index| Change::DropIndex { table, index },
        |table, index| Change::AddIndex { table, index },
    );
}

fn alter_column(table: &TableName, old: &ColumnShape, new: &ColumnShape, changes: &mut Vec<Change>) {
    let table = || table.clone();
    if old.computed.is_some() && old.computed == new.computed {
        return;
    }
    let retyped = old.ty != new.ty;
    if old.generated && !new.generated {
        changes.push(Change::DropIdentity { table: table(), column: old.clone() });
    }
    // A default of the old type may not be one of the new.
    if old.default.is_some() && (retyped || new.default.is_none()) {
        changes.push(Change::DropDefault { table: table(), column: old.clone() });
    }
    if retyped {
        changes.push(Change::AlterType { table: table(), from: old.clone(), to: new.clone() });
    }
    if new.default.is_some() && (retyped || old.default != new.default) {
        changes.push(Change::SetDefault { table: table(), column: new.clone() });
    }
    match (old.nullable, new.nullable) {
        (true, false) => changes.push(Change::SetNotNull { table: table(), column: new.clone() }),
        (false, true) => changes.push(Change::DropNotNull { table: table(), column: new.clone() }),
        _ => {}
    }
    if new.generated && !old.generated {
        changes.push(Change::AddIdentity { table: table(), column: new.clone() });
    }
}

/// Things with names, compared.
struct Comparison<T> {
    dropped: Vec<T>,
    renamed: Vec<(T, T)>,
    added: Vec<T>,
}

/// What has the same name is the same if it says the same. Of the rest, what says the same was given another name,
/// unless that name is still taken.
fn compare<T: Clone>(
    before: &[T],
    after: &[T],
    name: impl Fn(&T) -> &String,
    same: impl Fn(&T, &T) -> bool,
) -> Comparison<T> {
    let mut dropped: Vec<&T> = before.iter().collect();
    let mut added: Vec<&T> = after.iter().collect();
    added.retain(|new| match dropped.iter().position(|old| name(old) == name(new) && same(old, new)) {
        Some(position) => {
            dropped.remove(position);
            false
        }
        None => true,
    });
    let mut renamed = Vec::new();
    added.retain(|new| {
        let taken = before.iter().any(|old| name(old) == name(new) && !name(new).is_empty());
        let old = dropped.iter().position(|old| same(old, new));
        match old.filter(|_| !taken) {
            Some(position) => {
                renamed.push((dropped.remove(position).clone(), (*new).clone()));
                false
            }
            None => true,
        }
    });
    Comparison { dropped: dropped.into_iter().cloned().collect(), renamed, added: added.into_iter().cloned().collect() }
}

/// What has a constraint's name.
trait Named {
    fn name(&self) -> &str;
}

macro_rules! named {
    ($($ty:ty),+) => {$(
        impl Named for $ty {
            fn name(&self) -> &str {
                &self.name
            }
        }
    )+};
}

named!(KeyShape, super::shape::CheckShape, super::shape::IndexShape, ForeignKeyShape);

impl<T: Named> Comparison<T> {
    fn push(
        self,
        changes: &mut Vec<Change>,
        table: &TableName,
        drop: impl Fn(TableName, T) -> Change,
        add: impl Fn(TableName, T) -> Change,
    ) {
        changes.extend(self.dropped.into_iter().map(|old| drop(table.clone(), old)));
        changes.extend(self.renamed.into_iter().map(|(from, to)| Change::RenameConstraint {
            table: table.clone(),
            from: from.name().to_owned(),
            to: to.name().to_owned(),
        }));
        changes.extend(self.added.into_iter().map(|new| add(table.clone(), new)));
    }
}

fn compare_foreign_keys(
    before: &TableShape,
    after: &TableShape,
    retyped: &HashSet<(TableName, String)>,
    changes: &mut Vec<Change>,
) {
    let touched = |key: &ForeignKeyShape| {
        let own = key.columns.iter().map(|column| (after.name.clone(), column.clone()));
        let target = key.target_columns.iter().map(|column| (key.target.clone(), column.clone()));
        own.chain(target).any(|column| retyped.contains(&column))
    };
    let same = |a: &ForeignKeyShape, b: &ForeignKeyShape| {
        let plain = |key: &ForeignKeyShape| ForeignKeyShape { name: String::new(), ..key.clone() };
        plain(a) == plain(b) && !touched(a)
    };
    compare(&before.foreign_keys, &after.foreign_keys, |key| &key.name, same).push(
        changes,
        &after.name,
        |table, key| Change::DropForeignKey { table, key },
        |table, key| Change::AddForeignKey { table, key },
    );
}

/// Tables go before those they refer to; of a ring, the keys go first.
fn drop_tables(mut tables: Vec<&TableShape>, changes: &mut Vec<Change>) {
    while !tables.is_empty() {
        let refers = |table: &TableShape, to: &TableShape| {
            table.name != to.name && table.foreign_keys.iter().any(|key| key.target == to.name)
        };
        let free = tables.iter().position(|table| !tables.iter().any(|other| refers(other, table)));
        let table = tables.remove(free.unwrap_or(0));
        for other in tables.iter().filter(|other| refers(other, table)) {
            for key in other.foreign_keys.iter().filter(|key| key.target == table.name) {
                changes.push(Change::DropForeignKey { table: other.name.clone(), key: key.clone() });
            }
        }
        changes.push(Change::DropTable(table.clone()));
    }
}

/// Tables come after those they refer to; the keys of a ring come last.
fn create_tables(mut tables: Vec<&TableShape>, changes: &mut Vec<Change>) {
    while !tables.is_empty() {
        let waits = |table: &TableShape, key: &ForeignKeyShape| {
            key.target != table.name && tables.iter().any(|other| other.name == key.target)
        };
        let early = |table: &TableShape| table.foreign_keys.iter().all(|key| key.deferred || !waits(table, key));
        let free = tables.iter().position(|table| early(table)).unwrap_or(0);
        let mut table = tables[free].clone();
        let (late, inside): (Vec<_>, Vec<_>) = table
            .foreign_keys
            .drain(..)
            .partition(|key| key.target != tables[free].name && (key.deferred || waits(tables[free], key)));
        table.foreign_keys = inside;
        tables.remove(free);
        let name = table.name.clone();
        changes.push(Change::CreateTable(table));
        changes.extend(late.into_iter().map(|key| Change::AddForeignKey { table: name.clone(), key }));
    }
}
