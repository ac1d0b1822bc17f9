//! SQLite takes names that differ in case alone for one: what the database calls `Orders` is the program's `orders`.

use crate::migrations::shape::TableShape;

/// Gives the database's tables, and what is in them, the program's spelling of their names.
pub(super) fn respell(tables: &mut [TableShape], wanted: &[TableShape]) {
    for table in tables.iter_mut() {
        take(&mut table.name.name, wanted.iter().map(|table| &table.name.name));
        if let Some(wanted) = wanted.iter().find(|wanted| wanted.name == table.name) {
            respell_columns(table, wanted);
            respell_constraints(table, wanted);
        }
    }
    let spelled: Vec<(String, Vec<String>)> = tables
        .iter()
        .map(|table| (table.name.name.clone(), table.columns.iter().map(|column| column.name.clone()).collect()))
        .collect();
    for key in tables.iter_mut().flat_map(|table| &mut table.foreign_keys) {
        take(&mut key.target.name, spelled.iter().map(|(name, _)| name));
        if let Some((_, columns)) = spelled.iter().find(|(name, _)| *name == key.target.name) {
            key.target_columns.iter_mut().for_each(|name| take(name, columns));
        }
    }
}

fn respell_columns(table: &mut TableShape, wanted: &TableShape) {
    for position in 0..table.columns.len() {
        let from = table.columns[position].name.clone();
        let mut to = from.clone();
        take(&mut to, wanted.columns.iter().map(|column| &column.name));
        if from != to {
            table.rename_column(&from, &to);
        }
    }
    // Where the table itself spells them in several ways.
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let keys = table.key.iter_mut().chain(&mut table.uniques).flat_map(|key| &mut key.columns);
    let references = table.foreign_keys.iter_mut().flat_map(|key| &mut key.columns);
    let indexes = table.indexes.iter_mut().flat_map(|index| &mut index.columns).map(|(name, _)| name);
    keys.chain(references).chain(indexes).for_each(|name| take(name, &names));
}

fn respell_constraints(table: &mut TableShape, wanted: &TableShape) {
    let keys = table.key.iter_mut().chain(&mut table.uniques).map(|key| &mut key.name);
    let checks = table.checks.iter_mut().map(|check| &mut check.name);
    let references = table.foreign_keys.iter_mut().map(|key| &mut key.name);
    let indexes = table.indexes.iter_mut().map(|index| &mut index.name);
    let spelled = || {
        let keys = wanted.key.iter().chain(&wanted.uniques).map(|key| &key.name);
        let checks = wanted.checks.iter().map(|check| &check.name);
        let references = wanted.foreign_keys.iter().map(|key| &key.name);
        keys.chain(checks).chain(references).chain(wanted.indexes.iter().map(|index| &index.name))
    };
    keys.chain(checks).chain(references).chain(indexes).for_each(|name| take(name, spelled()));
}

/// Takes the spelling of the name that is the same one.
fn take<'a>(name: &mut String, spelled: impl IntoIterator<Item = &'a String>) {
    if let Some(other) = spelled.into_iter().find(|other| other.eq_ignore_ascii_case(name)) {
        name.clone_from(other);
    }
}
