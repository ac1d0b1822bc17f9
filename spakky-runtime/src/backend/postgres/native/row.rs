//! Rows as diesel reads them.

use std::num::NonZeroU32;
use std::sync::Arc;

use diesel::pg::{Pg, PgValue};
use diesel::row::{Field, PartialRow, Row, RowIndex, RowSealed};

use super::super::tap::column_oid;
use super::super::wire::raw_column;

/// The types of a result's columns, worked out at its first row.
#[derive(Default)]
pub(super) struct ColumnTypes(Option<Arc<[NonZeroU32]>>);

/// One row of a result.
pub struct PgRow {
    row: tokio_postgres::Row,
    types: Arc<[NonZeroU32]>,
}

impl PgRow {
    pub(super) fn new(row: tokio_postgres::Row, types: &mut ColumnTypes) -> Self {
        let types = types.0.get_or_insert_with(|| {
            // No type has the number 0.
            row.columns().iter().map(|column| NonZeroU32::new(column_oid(column)).unwrap_or(NonZeroU32::MAX)).collect()
        });
        PgRow { types: types.clone(), row }
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
        self.row.len()
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
        (index < self.row.len()).then_some(index)
    }
}

impl<'a> RowIndex<&'a str> for PgRow {
    fn idx(&self, name: &'a str) -> Option<usize> {
        self.row.columns().iter().position(|column| column.name() == name)
    }
}

/// One column of a row.
pub struct PgField<'a> {
    row: &'a PgRow,
    position: usize,
}

impl<'a> Field<'a, Pg> for PgField<'a> {
    fn field_name(&self) -> Option<&str> {
        self.row.row.columns().get(self.position).map(|column| column.name())
    }

    fn value(&self) -> Option<PgValue<'_>> {
        let raw = raw_column(&self.row.row, self.position)?;
        Some(PgValue::new(raw, self.row.types.get(self.position)?))
    }
}

impl std::fmt::Debug for PgRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgRow").field("columns", &self.row.columns()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PgField<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgField").field("name", &self.field_name()).finish_non_exhaustive()
    }
}
