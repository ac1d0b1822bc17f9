//! Children to which the database gave their keys, in copies that do not know these.
//!
//! A queued save does not tell its aggregate the keys of new children, since the aggregate is the caller's and the keys come
//! later. When such a copy is saved again, its children without a key are the ones that were inserted, or new. They are told
//! apart by what they hold; where that is not possible the save is refused. A copy that holds one of the keys of a write was told
//! all of that write.

use super::aggregate::{adopt, is_unassigned, key_of};
use super::identity_map::{Drawn, DrawnChild};
use crate::error::{Error, ErrorKind};
use crate::mappable::Mapping;
use crate::schema::{Record, Relation, Role, TableDescriptor};

/// Gives the children of a copy the keys that the database gave them.
///
/// # Errors
/// [`StaleCopy`](ErrorKind::StaleCopy) if some of the children may be ones that were inserted, or new ones.
pub(crate) fn recognize(
    table: &'static TableDescriptor,
    mapping: Mapping,
    record: &mut Record,
    drawn: &Drawn,
) -> Result<(), Error> {
    let Some(own_key) = table.key.first().map(|&at| record[at].clone()) else { return Ok(()) };
    for (at, relation) in table.relations.iter().enumerate() {
        let Some(mapping) = mapping.child(at) else { continue };
        let child = relation.child();
        let Some(rows) = record.children_mut().get_mut(at) else { continue };
        let unknown: Vec<usize> = (0..rows.len()).filter(|&at| is_unassigned(child, &rows[at])).collect();
        if !unknown.is_empty() && drawn.is_waiting {
            return Err(unknown_child(table, relation));
        }
        let of_row = |candidate: &&DrawnChild| candidate.row_type == child.row_type && candidate.parent == own_key;
        let is_held = |candidate: &&DrawnChild| rows.iter().any(|row| key_of(child, row) == candidate.key);
        let (held, mut missing): (Vec<&DrawnChild>, Vec<&DrawnChild>) =
            drawn.children.iter().filter(of_row).partition(is_held);
        // What a copy lacks of those that it was told was taken out of it.
        missing.retain(|candidate| held.iter().all(|held| held.write != candidate.write));
        let mut new = 0;
        for at in unknown {
            match missing.iter().position(|candidate| is_alike(relation, mapping, &candidate.sent, &rows[at])) {
                Some(found) => {
                    let found = missing.remove(found);
                    for (&column, value) in child.key.iter().zip(&found.key) {
                        rows[at][column] = value.clone();
                    }
                    adopt(child, &mut rows[at]);
                }
                None => new += 1,
            }
        }
        if new > 0 && !missing.is_empty() {
            return Err(unknown_child(table, relation));
        }
        rows.iter_mut().try_for_each(|row| recognize(child, mapping, row, drawn))?;
    }
    Ok(())
}

/// Whether a child holds what another does, as far as the domain type tells.
fn is_alike(relation: &Relation, mapping: Mapping, one: &Record, other: &Record) -> bool {
    relation.child().columns.iter().enumerate().all(|(at, column)| {
        column.role != Role::Plain || !mapping.holds(at) || column.name == relation.column || one[at] == other[at]
    })
}

fn unknown_child(table: &TableDescriptor, relation: &Relation) -> Error {
    let child = relation.child().name;
    let message = format!(
        "save to `{}`: this session has inserted rows of `{}` into `{child}` whose ids this copy does not have, so that they cannot \
         be told from new ones; save with `save_now`, which tells the ids, or load the aggregate again",
        table.name, relation.field
    );
    Error::new(ErrorKind::StaleCopy, message).with_table(table.name)
}
