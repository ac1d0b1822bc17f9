//! Rows as diesel reads them.

use std::ops::Range;
use std::sync::Arc;

use diesel::pg::{Pg, PgValue};
use diesel::row::{Field, PartialRow, Row, RowIndex, RowSealed};

use super::super::rows::{Columns, RawRow, cells};

/// One row of a result.
pub struct PgRow {
    columns: Arc<Columns>,
    body: Box<[u8]>,
    /// Where in the body each column's bytes are.
    cells: Box<[Option<Range<usize>>]>,
}

impl PgRow {
    pub(super) fn new(row: RawRow) -> Self {
        let RawRow { columns, body } = row;
        // Behind the count, each cell has its length in front of it.
        let mut at = 2;
        let places = cells(&body).map(|cell| {
            at += 4;
            let start = at;
            at += cell.map_or(0, <[u8]>::len);
            cell.map(|_| start..at)
        });
        let cells = places.collect();
        PgRow { columns, body, cells }
    }

    fn cell(&self, position: usize) -> Option<&[u8]> {
        self.body.get(self.cells.get(position)?.clone()?)
    }
}

impl RowSealed for PgRow {}

impl<'a> Row<'a, Pg> for PgRow {
    type Field<'f>
        = PgField<'f>
    where
        'a: 'f,
        Self: 'f;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        self.columns.len()
    }

    fn get<'b, I>(&'b self, index: I) -> Option<PgField<'b>>
    where
        'a: 'b,
        Self: RowIndex<I>,
    {
        let position = self.idx(index)?;
        Some(PgField { row: self, position })
    }

    fn partial_row(&self, range: std::ops::Range<usize>) -> PartialRow<'_, Self> {
        PartialRow::new(self, range)
    }
}

impl RowIndex<usize> for PgRow {
    fn idx(&self, index: usize) -> Option<usize> {
        (index < self.columns.len()).then_some(index)
    }
}

impl<'a> RowIndex<&'a str> for PgRow {
    fn idx(&self, name: &'a str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// One column of a row.
pub struct PgField<'a> {
    row: &'a PgRow,
    position: usize,
}

impl<'a> Field<'a, Pg> for PgField<'a> {
    fn field_name(&self) -> Option<&str> {
        self.row.columns.get(self.position).map(|column| &*column.name)
    }

    fn value(&self) -> Option<PgValue<'_>> {
        let raw = self.row.cell(self.position)?;
        Some(PgValue::new(raw, &self.row.columns.get(self.position)?.oid))
    }
}

impl std::fmt::Debug for PgRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgRow").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PgField<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgField").field("name", &self.field_name()).finish_non_exhaustive()
    }
}
