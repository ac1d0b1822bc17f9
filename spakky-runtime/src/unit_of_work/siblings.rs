//! The rows of a relation, found by their keys.

use std::cell::OnceCell;
use std::hash::{Hash, Hasher};

use super::aggregate::is_unassigned;
use crate::hash::FastMap;
use crate::schema::{Record, TableDescriptor};

/// As many rows are looked through one by one; for more an index is made.
const FEW: usize = 8;

/// The rows of a relation. Most aggregates keep their children in the order in which they were loaded, so that a row is
/// mostly found where another of its key is in its own list, and no key is copied or hashed.
pub(super) struct Siblings<'r> {
    table: &'r TableDescriptor,
    rows: &'r [Record],
    /// The database gives rows their keys: some may have none yet.
    draws_keys: bool,
    index: OnceCell<FastMap<Key<'r>, usize>>,
}

impl<'r> Siblings<'r> {
    pub(super) fn new(table: &'r TableDescriptor, rows: &'r [Record]) -> Self {
        Siblings { table, rows, draws_keys: table.generates_key(), index: OnceCell::new() }
    }

    /// The position of the row with the key of `row`, which most likely is `likely`. A row without a key has none.
    pub(super) fn position(&self, row: &Record, likely: usize) -> Option<usize> {
        let key = Key { table: self.table, row };
        let is_same = |other: &Record| Key { table: self.table, row: other } == key;
        if self.is_unassigned(row) {
            None
        } else if self.rows.get(likely).is_some_and(is_same) {
            Some(likely)
        } else if self.rows.len() <= FEW {
            self.rows.iter().position(is_same)
        } else {
            let keyed = |(at, row)| (Key { table: self.table, row }, at);
            self.index.get_or_init(|| self.rows.iter().enumerate().map(keyed).collect()).get(&key).copied()
        }
    }

    fn is_unassigned(&self, row: &Record) -> bool {
        self.draws_keys && is_unassigned(self.table, row)
    }

    /// The row with the key of `row`.
    pub(super) fn get(&self, row: &Record, likely: usize) -> Option<&'r Record> {
        self.position(row, likely).map(|at| &self.rows[at])
    }

    /// A row with the same key as one before it.
    pub(super) fn repeated(&self) -> Option<&'r Record> {
        let mut rows = self.rows.iter().enumerate();
        if self.rows.len() <= FEW {
            let is_same = |row: &Record, other: &Record| {
                Key { table: self.table, row } == Key { table: self.table, row: other } && !self.is_unassigned(row)
            };
            return rows.find(|(at, row)| self.rows[..*at].iter().any(|other| is_same(row, other))).map(|(_, row)| row);
        }
        let mut seen = FastMap::with_capacity_and_hasher(self.rows.len(), Default::default());
        rows.map(|(_, row)| row)
            .filter(|row| !self.is_unassigned(row))
            .find(|&row| seen.insert(Key { table: self.table, row }, ()).is_some())
    }
}

/// The key in a row.
struct Key<'r> {
    table: &'r TableDescriptor,
    row: &'r Record,
}

impl PartialEq for Key<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match *self.table.key.as_slice() {
            // Not by a loop where there is but one.
            [at] => self.row[at] == other.row[at],
            // Siblings most often have the first column in common, which says whose they are.
            ref key => key.iter().rev().all(|&at| self.row[at] == other.row[at]),
        }
    }
}

impl Eq for Key<'_> {}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.key.iter().for_each(|&at| self.row[at].hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::customers;
    use crate::value::Value;

    fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<Record> {
        ids.into_iter().map(|id| Record::from(vec![Value::I64(id), Value::Null, Value::Null])).collect()
    }

    #[test]
    fn rows_are_found_wherever_they_are() {
        for count in [1, 8, 9, 50] {
            let known = rows(1..=count);
            let siblings = Siblings::new(customers(), &known);
            for (at, row) in known.iter().enumerate() {
                for likely in [at, 0, 100] {
                    assert_eq!(siblings.position(row, likely), Some(at), "{count}");
                    assert_eq!(siblings.get(row, likely), Some(row));
                }
            }
            assert_eq!(siblings.position(&rows([count + 1])[0], 0), None);
            assert_eq!(siblings.repeated(), None);
        }
    }

    #[test]
    fn the_second_of_a_key_is_told() {
        for count in [2, 8, 9, 50] {
            let mut known = rows(1..count);
            known.extend(rows([1]));
            assert_eq!(Siblings::new(customers(), &known).repeated(), known.last(), "{count}");
        }
    }
}
