//! One page by cursor: which rows to read for it, and the cursors that lead on from them.

use super::{Cursor, CursorRequest, Direction, Keyset, binding};
use crate::backend::Backend;
use crate::config::CursorKeys;
use crate::error::Error;
use crate::query::{Condition, Ordering};
use crate::statement::Select;
use crate::value::Value;

/// A page by cursor, of whatever is made of the rows.
pub(crate) struct Walk<'k> {
    keys: &'k CursorKeys,
    keyset: Keyset,
    binding: [u8; 32],
    cursor: Option<Cursor>,
    size: u64,
}

impl<'k> Walk<'k> {
    /// Narrows `select`, which is sorted by `order`, to the `size` rows of the page and one more.
    ///
    /// # Errors
    /// For a request that makes no sense, a cursor that is none of this query, and a sort key that a cursor cannot hold.
    pub(crate) fn begin(
        request: &CursorRequest,
        size: u64,
        select: &mut Select<'_>,
        order: &[Ordering],
        keys: &'k CursorKeys,
        backend: Backend,
    ) -> Result<Self, Error> {
        let keyset = Keyset::new(select.table, order)?;
        select.order = keyset.order(false);
        let binding = binding(select.table, &select.question(backend)?);
        let cursor = match &request.cursor {
            Some(text) => Some(Cursor::open(text, keys.accepted()?, &binding)?),
            None => None,
        };
        if let Some(cursor) = &cursor {
            keyset.check(&cursor.values)?;
            let backward = cursor.direction.is_backward();
            let behind = keyset.behind(&cursor.values, backward, cursor.direction.includes_place());
            select.condition = std::mem::replace(&mut select.condition, Condition::Constant(true)).and(behind);
            select.order = keyset.order(backward);
        }
        (select.limit, select.literal_limit) = (Some(size + 1), true);
        Ok(Walk { keys, keyset, binding, cursor, size })
    }

    /// The positions of the columns that make a row's place in the order.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> {
        self.keyset.positions()
    }

    /// Brings the rows that were read into the order of the query, and answers whether there are more.
    pub(crate) fn arrange<T>(&self, rows: &mut Vec<T>) -> bool {
        let more = rows.len() as u64 > self.size;
        rows.truncate(usize::try_from(self.size).unwrap_or(usize::MAX));
        if self.is_backward() {
            rows.reverse();
        }
        more
    }

    /// The cursors to the page behind these rows and to the one before them, as far as there are any.
    ///
    /// # Errors
    /// When there is no key to sign them with.
    pub(crate) fn ends(
        &self,
        first: Option<Vec<Value>>,
        last: Option<Vec<Value>>,
        more: bool,
    ) -> Result<(Option<String>, Option<String>), Error> {
        let (behind, before) = if self.is_backward() { (true, more) } else { (more, self.cursor.is_some()) };
        let next = if behind { self.end(last, Direction::After)? } else { None };
        let previous = if before { self.end(first, Direction::Before)? } else { None };
        Ok((next, previous))
    }

    fn end(&self, place: Option<Vec<Value>>, direction: Direction) -> Result<Option<String>, Error> {
        let seal = |direction, values| {
            let cursor = Cursor { direction, values };
            self.keys.signing().map(|key| Some(cursor.seal(key, &self.binding)))
        };
        match (place, &self.cursor) {
            (Some(place), _) => seal(direction, place),
            // Nothing is left on this side: the row at the cursor itself is on the other, unless it was asked for here.
            (None, Some(cursor)) => {
                seal(direction.with_place(!cursor.direction.includes_place()), cursor.values.clone())
            }
            (None, None) => Ok(None),
        }
    }

    fn is_backward(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| cursor.direction.is_backward())
    }
}
