//! The versions that units of work gave to values and that never came to be, because the units were undone.
//!
//! A value that holds its version as a number keeps it when its unit of work is undone. Another writer may reach that number
//! meanwhile, so that a save of the value would pass its guard and overwrite what it has not seen. The manager therefore
//! remembers such versions, and saves of values that have them and were not loaded in the session are refused. A load
//! of the row at such a version ends that: from then on values have it by right.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::hash::FastSet;
use crate::schema::TableDescriptor;
use crate::unit_of_work::RowKey;
use crate::value::Value;

/// How many are remembered; the oldest go first.
const MOST: usize = 10_000;

/// The versions that values may have though the database never had them.
#[derive(Debug, Default)]
pub(crate) struct UndoneVersions {
    count: AtomicUsize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    versions: FastSet<(RowKey, i64)>,
    oldest_first: VecDeque<(RowKey, i64)>,
}

impl UndoneVersions {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers versions that were given to values by a unit of work that is undone.
    pub(crate) fn remember(&self, given: impl IntoIterator<Item = (RowKey, i64)>) {
        let mut given = given.into_iter().peekable();
        if given.peek().is_none() {
            return;
        }
        let mut known = self.known();
        for version in given {
            if known.versions.insert(version.clone()) {
                known.oldest_first.push_back(version);
            }
        }
        while known.oldest_first.len() > MOST {
            if let Some(oldest) = known.oldest_first.pop_front() {
                known.versions.remove(&oldest);
            }
        }
        self.count.store(known.versions.len(), Ordering::Release);
    }

    /// Whether a version of a row was given to values though the database never had it.
    pub(crate) fn holds(&self, row: &RowKey, version: i64) -> bool {
        !self.is_empty() && self.known().versions.contains(&(row.clone(), version))
    }

    /// Whether none is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// The row was read at this version.
    pub(crate) fn forget(&self, table: &TableDescriptor, key: &[Value], version: i64) {
        if self.is_empty() {
            return;
        }
        let mut known = self.known();
        let version = (RowKey::new(table, key.to_vec()), version);
        if known.versions.remove(&version) {
            known.oldest_first.retain(|other| *other != version);
        }
        self.count.store(known.versions.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::customers;

    fn row(id: i64) -> RowKey {
        RowKey::new(customers(), [Value::I64(id)])
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let undone = UndoneVersions::default();
        let most = i64::try_from(MOST).unwrap();
        undone.remember((0..=most).map(|id| (row(id), 3)));
        assert!(!undone.holds(&row(0), 3));
        assert!(undone.holds(&row(1), 3) && undone.holds(&row(most), 3));
        assert!(!undone.holds(&row(1), 2));
    }

    #[test]
    fn a_version_that_was_read_is_one_by_right() {
        let undone = UndoneVersions::default();
        undone.remember([(row(1), 3), (row(2), 3)]);
        undone.forget(customers(), &[Value::I64(1)], 3);
        assert!(!undone.holds(&row(1), 3) && undone.holds(&row(2), 3));
    }
}
