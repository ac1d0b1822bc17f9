//! All rows of a query, a chunk at a time, each behind the last row of the one before.

use super::Keyset;
use crate::error::Error;
use crate::query::{Condition, Ordering};
use crate::statement::Select;
use crate::value::Value;

/// How many rows are read at a time.
const SIZE: u64 = 500;

/// Which rows are read next, and which are left.
pub(crate) struct Chunks {
    /// The next rows, without a limit.
    next: Select<'static>,
    /// What all of them fulfil.
    condition: Condition,
    keyset: Keyset,
    /// How many rows are left to read, if that is known.
    left: Option<u64>,
}

impl Chunks {
    /// The rows of `select`, sorted by `order` and then by their key.
    ///
    /// # Errors
    /// For a sort key that no place can be told by.
    pub(crate) fn new(select: Select<'static>, order: &[Ordering]) -> Result<Self, Error> {
        let keyset = Keyset::new(select.table, order)?;
        let (condition, left) = (select.condition.clone(), select.limit);
        let next = Select { order: keyset.order(false), ..select };
        Ok(Chunks { next, condition, keyset, left })
    }

    /// The positions of the columns that make a row's place in the order.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> {
        self.keyset.positions()
    }

    /// The query for the next chunk.
    pub(crate) fn select(&self) -> Select<'static> {
        Select { limit: Some(self.size()), ..self.next.clone() }
    }

    /// What comes behind a chunk of `count` rows, whose last one is at `place`; `None` if nothing does.
    pub(crate) fn behind(mut self, count: usize, place: Option<Vec<Value>>) -> Option<Self> {
        let size = self.size();
        self.left = self.left.map(|left| left - size);
        let place = place.filter(|_| count as u64 == size && self.left != Some(0))?;
        self.next.condition = self.condition.clone().and(self.keyset.behind(&place, false, false));
        self.next.offset = None;
        Some(self)
    }

    fn size(&self) -> u64 {
        self.left.map_or(SIZE, |left| left.min(SIZE))
    }
}
