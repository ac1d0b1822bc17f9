//! Which writes can share a statement.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Write;
use super::draw::drawn_columns;
use crate::mappable::Mapping;
use crate::mutation::MutationKind;
use crate::schema::{Record, Role, TableDescriptor};
use crate::scope::{Mark, is_deleted};
use crate::statement::{Kinship, Rise, Within};
use crate::unit_of_work::pending::Change;

/// How many sets of changed columns per table get an UPDATE of their own. Beyond that all mapped columns are written, so
/// that the statement caches stay bounded.
const MAX_VARIANTS: usize = 16;

/// What sets statements of one table and kind apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Insert {
        columns: Vec<usize>,
        /// Soft-deleted again before it was sent.
        deleted: bool,
        /// The columns whose values are drawn, each with its draw.
        drawn: Vec<(usize, usize)>,
        /// Somebody wants to know the row as it was stored.
        told: bool,
    },
    Upsert {
        columns: Vec<usize>,
        update: Vec<usize>,
        within: Within,
        /// A row that is there lives again.
        restores: bool,
        /// A row that is there starts anew.
        renews: bool,
        kinship: Kinship,
    },
    /// `based`: what the database has of the row is known.
    Update {
        columns: Vec<usize>,
        versioned: bool,
        based: bool,
        version: Rise,
        within: Within,
        mark: Option<Mark>,
    },
    Delete {
        versioned: bool,
        must_exist: bool,
        within: Within,
    },
}

impl Shape {
    /// The shape of a write; `None` if it would change nothing.
    pub(super) fn of(write: &Write) -> Option<Self> {
        let table = write.table;
        Some(match &write.change {
            Change::Insert { record, columns } => {
                let columns = insertable(table, *columns);
                let deleted = is_deleted(table, record);
                Shape::Insert { columns, deleted, drawn: drawn_columns(record), told: write.told.is_some() }
            }
            Change::Upsert { columns, .. } => {
                let mut update: Vec<usize> = writable(table, *columns).collect();
                update.extend(write.owner.filter(|at| !write.kinship.is_direct() && !update.contains(at)));
                let restores = write.reach.mark == Some(Mark::Restored);
                let mut columns = insertable(table, *columns);
                // A row that is found by another key keeps its id, and nobody knows yet whether one is found.
                columns.retain(|&at| write.reach.by.is_none() || !table.columns[at].generated);
                let (renews, kinship) = (write.reach.renewed, write.kinship.clone());
                Shape::Upsert { columns, update, within: write.within(), restores, renews, kinship }
            }
            Change::Update { record, columns } => {
                let version = match table.version.is_some() && write.bumps {
                    true if write.starts_anew() => Rise::First,
                    true => Rise::Next,
                    false => Rise::Stays,
                };
                let mut columns: Vec<usize> = match &write.base {
                    Some(base) => changed(table, *columns, base, record).collect(),
                    None => writable(table, *columns).collect(),
                };
                if let (Some(base), Some(owner)) = (&write.base, write.owner)
                    && base[owner] != record[owner]
                    && !columns.contains(&owner)
                {
                    columns.push(owner);
                    columns.sort_unstable();
                }
                let mark = write.reach.mark;
                if columns.is_empty() && version == Rise::Stays && mark.is_none() && !write.touches {
                    return None;
                }
                let (versioned, based) = (write.expected.is_some(), write.base.is_some());
                Shape::Update { columns, versioned, based, version, within: write.within(), mark }
            }
            Change::Delete { must_exist } => {
                let (versioned, must_exist) = (write.expected.is_some(), *must_exist);
                Shape::Delete { versioned, must_exist, within: write.within() }
            }
        })
    }

    /// What a statement of this shape does, and to which columns.
    pub(super) fn does(&self) -> (MutationKind, Vec<usize>) {
        match self {
            Shape::Insert { columns, .. } => (MutationKind::Insert, columns.clone()),
            Shape::Upsert { update, .. } => (MutationKind::Upsert, update.clone()),
            Shape::Update { columns, mark: None, .. } => (MutationKind::Update, columns.clone()),
            Shape::Update { columns, mark: Some(Mark::Deleted), .. } => (MutationKind::SoftDelete, columns.clone()),
            Shape::Update { columns, mark: Some(Mark::Restored), .. } => (MutationKind::Restore, columns.clone()),
            Shape::Delete { .. } => (MutationKind::Delete, Vec::new()),
        }
    }

    /// Whether a write of shape `new` can go into a statement of this one, which is widened for it if need be. With a
    /// version as guard, and the whole row known, columns that did not change in one row can be written along with those that changed in another:
    /// nobody else has changed them either. Without one they are left alone.
    pub(super) fn takes(&mut self, new: &Shape) -> bool {
        if let (
            Shape::Update { columns, versioned: true, based: true, version, within, mark },
            Shape::Update {
                columns: others,
                versioned: true,
                based: true,
                version: others_version,
                within: others_within,
                mark: others_mark,
            },
        ) = (&mut *self, new)
        {
            if version != others_version || within != others_within || mark != others_mark {
                return false;
            }
            for other in others {
                if !columns.contains(other) {
                    columns.push(*other);
                }
            }
            columns.sort_unstable();
            return true;
        }
        self == new
    }
}

/// The columns that the domain type gives and a save may write.
fn writable(table: &TableDescriptor, columns: Mapping) -> impl Iterator<Item = usize> {
    table
        .columns
        .iter()
        .enumerate()
        .filter(move |(at, column)| columns.holds(*at) && column.role == Role::Plain)
        .map(|(at, _)| at)
}

/// The columns that a save of `record` has to write.
pub(crate) fn changed(
    table: &TableDescriptor,
    columns: Mapping,
    base: &Record,
    record: &Record,
) -> impl Iterator<Item = usize> {
    writable(table, columns).filter(|&at| !table.columns[at].ty.is_same(&base[at], &record[at]))
}

/// The columns of a new row that are given: not those the database assigns, unless they are part of the key, which is drawn
/// before; nor those with a default that the domain type says nothing about.
pub(crate) fn insertable(table: &TableDescriptor, columns: Mapping) -> Vec<usize> {
    (0..table.columns.len())
        .filter(|&at| {
            let column = &table.columns[at];
            let mapped = columns.holds(at);
            // What the runtime writes is its own business, whatever default others get.
            match column.generated {
                true => table.key.contains(&at),
                false => mapped || column.default.is_none() || column.role != Role::Plain,
            }
        })
        .collect()
}

/// The columns that the runtime binds in an UPDATE.
pub(super) fn stamped(table: &TableDescriptor, mark: Option<Mark>) -> impl Iterator<Item = usize> {
    table.columns.iter().enumerate().filter_map(move |(at, column)| match column.role {
        Role::UpdatedBy => Some(at),
        Role::DeletedBy => mark.map(|_| at),
        _ => None,
    })
}

/// The columns to write, all that are mapped once a table has shown too many combinations.
pub(super) fn bounded(table: &TableDescriptor, columns: &[usize], writes: &[Write]) -> Vec<usize> {
    static VARIANTS: Mutex<Option<HashMap<TypeId, Vec<Vec<usize>>>>> = Mutex::new(None);
    let mut variants = VARIANTS.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = variants.get_or_insert_default().entry(table.row_type).or_default();
    if seen.iter().any(|variant| variant == columns) {
        return columns.to_vec();
    }
    if seen.len() < MAX_VARIANTS {
        seen.push(columns.to_vec());
        return columns.to_vec();
    }
    let every = writes.iter().filter_map(|write| match &write.change {
        Change::Update { columns, .. } => Some(*columns),
        _ => None,
    });
    // What one of the rows does not map, it may not write; what has changed in any of them it must.
    let mapped = |at: usize| every.clone().all(|mapping| mapping.holds(at));
    writable(table, Mapping::WHOLE).filter(|at| columns.contains(at) || mapped(*at)).collect()
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::sync::Arc;

    use super::*;
    use crate::unit_of_work::row_key::RowKey;
    use crate::value::Value;

    /// A row of this table, all of it or only the first two columns given by the domain type.
    fn write(table: &'static TableDescriptor, columns: Mapping) -> Write {
        let record = Record::from(vec![Value::I64(1), Value::I64(2), Value::I64(3)]);
        let change = Change::Update { record: Arc::new(record), columns };
        Write::of_child(table, Some(RowKey::new(table, [Value::I64(1)])), change, Location::caller())
    }

    #[test]
    fn what_changed_in_any_row_is_written_however_many_variants_there_were() {
        struct WideRow;
        let mut table = TableDescriptor::fixture::<WideRow>("wide").id::<i64>("id");
        for number in 0..20 {
            table = table.column::<i64>(&format!("c{number}"));
        }
        let table: &'static TableDescriptor = Box::leak(Box::new(table));
        for at in 1..=MAX_VARIANTS {
            assert_eq!(bounded(table, &[at], &[]), [at]);
        }
        let first_two = Mapping::of(&[true, true, false]);
        let writes = [write(table, first_two), write(table, Mapping::WHOLE)];
        assert_eq!(bounded(table, &[18], &writes), [1, 18]);
        assert_eq!(bounded(table, &[18], &writes[..1]), [1, 18]);
        assert_eq!(bounded(table, &[18], &writes[1..]), (1..=20).collect::<Vec<_>>());
    }
}
