//! A row and the rows of its relations: what belongs together, and what became of it.

use std::any::TypeId;

use super::flush::changed;
use super::siblings::Siblings;
use super::{raised, show_key, version_of};
use crate::error::{Error, ErrorKind};
use crate::mappable::Mapping;
use crate::mutant::Mutant;
use crate::schema::{Record, Relation, Role, TableDescriptor};
use crate::scope::{Mark, Scope, is_deleted};
use crate::value::Value;

/// The key in a record.
pub(crate) fn key_of(table: &TableDescriptor, record: &Record) -> Vec<Value> {
    table.key.iter().map(|&at| record[at].clone()).collect()
}

/// Whether the database has yet to assign the row's key.
pub(crate) fn is_unassigned(table: &TableDescriptor, record: &Record) -> bool {
    table.generates_key()
        && table.key.iter().filter(|&&at| table.columns[at].generated).any(|&at| {
            matches!(record[at], Value::I16(0) | Value::I32(0) | Value::I64(0) | Value::Null | Value::Drawn(_))
        })
}

/// Each relation of the table with its rows in the record, if they are known.
fn relations<'r>(
    table: &'static TableDescriptor,
    record: &'r Record,
) -> impl Iterator<Item = (usize, &'static Relation, &'r [Record])> {
    let children = record.children().unwrap_or_default();
    table.relations.iter().zip(children).enumerate().map(|(at, (relation, rows))| (at, relation, rows.as_slice()))
}

/// A row by its type and its key.
pub(crate) type Id = (TypeId, Vec<Value>);

/// Takes note of the children of a row that have keys, at any depth. One that has the key of its row for its own has none while
/// that is not assigned.
pub(super) fn note_keyed(table: &'static TableDescriptor, record: &Record, ids: &mut Vec<Id>) {
    let is_new = is_unassigned(table, record);
    for (_, relation, rows) in relations(table, record) {
        let child = relation.child();
        let is_keyed_by_parent = child.key.contains(&relation.column_position());
        for row in rows {
            let has_none = is_unassigned(child, row) || is_new && is_keyed_by_parent;
            if !has_none {
                ids.push((child.row_type, key_of(child, row)));
            }
            note_keyed(child, row, ids);
        }
    }
}

/// Gives children the key of the row they belong to.
pub(crate) fn adopt(table: &'static TableDescriptor, record: &mut Record) {
    let Some(&key) = table.key.first() else { return };
    let key = record[key].clone();
    for (relation, rows) in table.relations.iter().zip(record.children_mut()) {
        let (child, column) = (relation.child(), relation.column_position());
        for row in rows {
            row[column] = key.clone();
            adopt(child, row);
        }
    }
}

/// Whether the database assigns the key of the row, or of one that may be part of it.
pub(crate) fn draws_keys(table: &TableDescriptor) -> bool {
    table.generates_key() || table.relations.iter().any(|relation| draws_keys(relation.child()))
}

/// Refuses children that could not be told apart.
///
/// # Errors
/// [`ErrorKind::UniqueViolation`].
pub(crate) fn check(table: &'static TableDescriptor, record: &Record) -> Result<(), Error> {
    for (_, relation, rows) in relations(table, record) {
        let child = relation.child();
        rows.iter().try_for_each(|row| check(child, row))?;
        if let Some(row) = Siblings::new(child, rows).repeated() {
            let shown = show_key(&key_of(child, row));
            let message = format!("write `{}`: two rows of `{}` have the id {shown}", table.name, child.name);
            return Err(Error::new(ErrorKind::UniqueViolation, message)
                .with_table(child.name)
                .with_constraint(Some(child.key_name.to_owned()))
                .with_ids(vec![shown]));
        }
    }
    Ok(())
}

/// Takes the columns over that the domain type says nothing of.
pub(crate) fn keep_unmapped(table: &TableDescriptor, mapping: Mapping, record: &mut Record, known: &Record) {
    for (at, column) in table.columns.iter().enumerate() {
        if column.role == Role::Plain && !mapping.holds(at) {
            record[at] = known[at].clone();
        }
    }
}

/// Brings the children of a record that is to be written in line with those known: what the domain type says nothing of
/// stays as it is, versions and stamps too.
pub(crate) fn keep(table: &'static TableDescriptor, mapping: Mapping, record: &mut Record, known: &Record) {
    let Some(known) = known.children() else { return };
    for (at, relation) in table.relations.iter().enumerate() {
        let Some(rows) = record.children_mut().get_mut(at) else { continue };
        let Some(mapping) = mapping.child(at) else {
            rows.clone_from(&known[at]);
            continue;
        };
        let child = relation.child();
        let known = Siblings::new(child, &known[at]);
        for (at, row) in rows.iter_mut().enumerate() {
            if let Some(before) = known.get(row, at) {
                keep_child(relation, mapping, row, before);
            }
        }
    }
}

/// Brings a child that is to be written in line with what it was.
pub(crate) fn keep_child(relation: &Relation, mapping: Mapping, row: &mut Record, before: &Record) {
    let child = relation.child();
    for (position, column) in child.columns.iter().enumerate() {
        let given = match column.role {
            Role::Id => true,
            Role::Plain => mapping.holds(position) || column.name == relation.column,
            _ => false,
        };
        if !given {
            row[position] = before[position].clone();
        }
    }
    keep(child, mapping, row, before);
}

/// Stamps the children that are new or changed, and sets the versions that they will have.
///
/// # Errors
/// As those of [`Scope::stamp_new`] and [`Scope::touch`].
pub(crate) fn stamp_children(
    scope: &Scope,
    table: &'static TableDescriptor,
    mapping: Mapping,
    stored: Option<&Record>,
    record: &mut Record,
) -> Result<(), Error> {
    let stored = stored.and_then(Record::children);
    for (at, relation) in table.relations.iter().enumerate() {
        let Some(mapping) = mapping.child(at) else { continue };
        let child = relation.child();
        let before = Siblings::new(child, stored.map(|stored| stored[at].as_slice()).unwrap_or_default());
        let Some(rows) = record.children_mut().get_mut(at) else { continue };
        for (at, row) in rows.iter_mut().enumerate() {
            let before = before.get(row, at);
            let version = match before {
                Some(before) => {
                    let next = differs(child, mapping, before, row, true);
                    if next {
                        scope.touch(child, row)?;
                    }
                    raised(child, version_of(child, before).unwrap_or_default(), next)?
                }
                None => {
                    scope.stamp_new(child, row)?;
                    1
                }
            };
            if let Some(position) = child.version {
                row[position] = Value::I64(version);
            }
            stamp_children(scope, child, mapping, before, row)?;
        }
    }
    Ok(())
}

/// Stamps what is soft-deleted or restored with a row: `stamp` is when the row is deleted, or was.
///
/// # Errors
/// As those of [`Scope::mark`].
pub(crate) fn mark_children(
    scope: &Scope,
    table: &'static TableDescriptor,
    mark: Mark,
    stamp: &Value,
    record: &mut Record,
) -> Result<(), Error> {
    for (relation, rows) in table.relations.iter().zip(record.children_mut()) {
        let child = relation.child();
        for row in rows {
            mark_children(scope, child, mark, stamp, row)?;
            let Some(at) = child.deleted_at() else { continue };
            let own = stamp.clone().at_same_instant(child.columns[at].ty.scalar);
            match mark {
                Mark::Deleted if row[at].is_null() => {
                    scope.mark(child, row, mark)?;
                    row[at] = own;
                }
                Mark::Restored if row[at] == own => scope.mark(child, row, mark)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// The row without those of its children whose keys the database has yet to tell, or those of rows below them.
pub(super) fn without_unassigned(table: &'static TableDescriptor, record: &Record) -> Record {
    let mut known = record.clone();
    for (relation, rows) in table.relations.iter().zip(known.children_mut()) {
        let child = relation.child();
        rows.retain(|row| !is_unassigned(child, row) && !has_unassigned(child, row));
    }
    known
}

fn has_unassigned(table: &'static TableDescriptor, record: &Record) -> bool {
    relations(table, record).any(|(_, relation, rows)| {
        let child = relation.child();
        rows.iter().any(|row| is_unassigned(child, row) || has_unassigned(child, row))
    })
}

/// Leaves out the children that `goes` picks, at any depth.
pub(crate) fn leave_out(
    table: &'static TableDescriptor,
    record: &mut Record,
    goes: &impl Fn(&TableDescriptor, &Record) -> bool,
) {
    for (relation, rows) in table.relations.iter().zip(record.children_mut()) {
        let child = relation.child();
        rows.retain(|row| !goes(child, row));
        rows.iter_mut().for_each(|row| leave_out(child, row, goes));
    }
}

/// Whether the row or one of its children is another than it was. With `versioned`, only what raises the row's version.
/// `true` where it is not known what the children were.
pub(crate) fn differs(
    table: &'static TableDescriptor,
    mapping: Mapping,
    before: &Record,
    after: &Record,
    versioned: bool,
) -> bool {
    if changed(table, mapping, before, after).next().is_some() {
        return true;
    }
    if versioned && Mutant::ChildrenDoNotCount.is_on() {
        return false;
    }
    let Some(known) = before.children() else {
        return table.relations.iter().any(|relation| relation.versioned || !versioned);
    };
    relations(table, after).any(|(at, relation, rows)| {
        let Some(mapping) = mapping.child(at).filter(|_| relation.versioned || !versioned) else { return false };
        let child = relation.child();
        let siblings = Siblings::new(child, &known[at]);
        let mut left = vec![true; known[at].len()];
        rows.iter().enumerate().any(|(likely, row)| {
            let before = siblings.position(row, likely).filter(|&before| std::mem::take(&mut left[before]));
            before.is_none_or(|before| differs(child, mapping, &known[at][before], row, versioned))
        }) || known[at].iter().zip(left).any(|(row, left)| left && !is_deleted(child, row))
    })
}
