//! Rows as the server sends them.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::types::TypeCatalog;
use super::wire::{RowReader, UnknownTypes};
use crate::value::Value;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) oid: NonZeroU32,
}

/// The columns of a result.
pub(super) type Columns = [Column];

/// Reads a `RowDescription`: a count, then per column its name, table (4), attribute (2), type (4), size (2), modifier (4),
/// format (2). `None` for one that promises more than it holds.
pub(super) fn read_columns(body: &[u8]) -> Option<Arc<Columns>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut columns = Vec::with_capacity(usize::from(u16::from_be_bytes(*count)));
    for _ in 0..u16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let field = rest.get(end + 1..end + 19)?;
        let oid = NonZeroU32::new(u32::from_be_bytes(*field[6..].first_chunk()?))?;
        columns.push(Column { name: String::from_utf8_lossy(&rest[..end]).into_owned(), oid });
        rest = &rest[end + 19..];
    }
    Some(columns.into())
}

/// The cells of a `DataRow`: a count, then each after its length, which is negative for NULL.
pub(super) fn cells(body: &[u8]) -> Cells<'_> {
    Cells { rest: body.get(2..).unwrap_or_default() }
}

/// The cells of a row, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        let Ok(length) = usize::try_from(length) else {
            self.rest = rest;
            return Some(None);
        };
        let (cell, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Some(cell))
    }
}

/// A row that is read later.
pub(super) struct RawRow {
    pub(super) columns: Arc<Columns>,
    /// The body of its message.
    pub(super) body: Box<[u8]>,
}

/// What a step answered.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) records: Vec<Vec<Value>>,
    pub(super) affected: u64,
    /// Rows with a type that was not known when they came.
    pub(super) unread: Vec<RawRow>,
}

impl Rows {
    /// Takes a row in; answers how rows like it are read, if that was not known.
    pub(super) fn take(
        &mut self,
        body: &[u8],
        columns: &Arc<Columns>,
        reader: Option<&RowReader>,
        types: &TypeCatalog,
    ) -> Option<RowReader> {
        if let Some(reader) = reader.filter(|_| self.unread.is_empty()) {
            self.records.push(reader.read(body));
            return None;
        }
        match RowReader::of(columns, types) {
            Ok(reader) if self.unread.is_empty() => {
                self.records.push(reader.read(body));
                Some(reader)
            }
            unfit => {
                if let Err(UnknownTypes(oids)) = unfit {
                    types.note_missed(oids);
                }
                self.unread.push(RawRow { columns: columns.clone(), body: body.into() });
                None
            }
        }
    }

    /// Reads what had to wait for its types.
    pub(super) fn read_again(&mut self, types: &TypeCatalog) {
        let unread = std::mem::take(&mut self.unread);
        if let Some(reader) = unread.first().map(|row| RowReader::of_known(&row.columns, types)) {
            self.records.extend(unread.iter().map(|row| reader.read(&row.body)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_end_where_the_message_does() {
        let body = [0, 3, 0, 0, 0, 1, b'a', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert_eq!(cells(&body).collect::<Vec<_>>(), [Some(&b"a"[..]), None, Some(&b""[..])]);
        // One that promises more than it holds has fewer cells, and no panic.
        assert_eq!(cells(&body[..6]).count(), 0);
        assert_eq!(cells(&[]).count(), 0);
    }

    #[test]
    fn columns_are_named_with_their_types() {
        let mut body = vec![0, 1];
        body.extend(b"id\0");
        body.extend([0; 6]);
        body.extend(20_u32.to_be_bytes());
        body.extend([0; 8]);
        assert_eq!(
            read_columns(&body).as_deref(),
            Some(&[Column { name: "id".into(), oid: NonZeroU32::new(20).unwrap() }][..])
        );
        for end in 0..body.len() {
            assert_eq!(read_columns(&body[..end]), None, "{end}");
        }
    }
}
