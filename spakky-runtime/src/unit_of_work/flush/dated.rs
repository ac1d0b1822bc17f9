//! The versions and stamps of children that were saved in view of others than those that the flush finds.
//!
//! A save in a nested scope is made in view of what the database has, while writes of the same rows may wait in the scopes around
//! it. By the time it is sent these have raised the versions of children, have made them or have deleted them.

use std::sync::Arc;

use super::moves::Moves;
use super::write::Write;
use crate::error::Error;
use crate::mappable::Mapping;
use crate::schema::{Record, TableDescriptor};
use crate::scope::Scope;
use crate::unit_of_work::aggregate::differs;
use crate::unit_of_work::pending::Change;
use crate::unit_of_work::siblings::Siblings;
use crate::unit_of_work::{raised, version_of};
use crate::value::Value;

/// Gives the children of a row the versions and stamps that they have behind the flush. The row is read again.
///
/// # Errors
/// When one is at the last version that there is, and as those of [`Scope::stamp_new`].
pub(super) fn date_children(write: &mut Write, moves: &Moves, scope: &Scope) -> Result<(), Error> {
    let (table, base) = (write.table, write.base.clone());
    if let (Change::Update { record, columns }, Some(base)) = (&mut write.change, base) {
        date_below(table, *columns, Some(&base), Arc::make_mut(record), moves, scope)?;
        write.children_partial = true;
    }
    Ok(())
}

fn date_below(
    table: &'static TableDescriptor,
    mapping: Mapping,
    before: Option<&Record>,
    after: &mut Record,
    moves: &Moves,
    scope: &Scope,
) -> Result<(), Error> {
    let before = before.and_then(Record::children);
    for (at, relation) in table.relations.iter().enumerate() {
        let Some(mapping) = mapping.child(at) else { continue };
        let (child, owner) = (relation.child(), relation.column_position());
        let siblings = Siblings::new(child, before.map(|before| before[at].as_slice()).unwrap_or_default());
        let Some(rows) = after.children_mut().get_mut(at) else { continue };
        for (likely, row) in rows.iter_mut().enumerate() {
            let moved = moves.get(child, row).cloned();
            let before = siblings.get(row, likely).or(moved.as_deref());
            let version = match before {
                Some(before) => {
                    let changes = before[owner] != row[owner] || differs(child, mapping, before, row, true);
                    if changes {
                        scope.touch(child, row)?;
                    }
                    raised(child, version_of(child, before).unwrap_or_default(), changes)?
                }
                None => {
                    scope.stamp_new(child, row)?;
                    1
                }
            };
            if let Some(position) = child.version {
                row[position] = Value::I64(version);
            }
            date_below(child, mapping, before, row, moves, scope)?;
        }
    }
    Ok(())
}
