//! Rows that belong to others: those that a third table links, and the first few of each.

use super::SqlWriter;
use super::operation::{Operation, Output, Selection, names};
use super::select::Select;
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::query::Condition;
use crate::schema::TableDescriptor;
use crate::value::{ColumnType, ScalarType, Value};

/// The name of the column that counts the rows of each.
const PLACE: &str = "__place";

impl Select<'_> {
    /// The first rows for each value of a column, by the order.
    ///
    /// ```text
    /// SELECT "id" FROM (SELECT *, row_number() OVER (PARTITION BY "order_id" ORDER BY "at" DESC) AS "__place"
    /// FROM "lines" WHERE …) AS "lines" WHERE "__place" <= $2 ORDER BY "at" DESC
    /// ```
    ///
    /// # Errors
    /// When the condition or the order cannot be written.
    pub(crate) fn first_of_each(
        &self,
        backend: Backend,
        positions: &[usize],
        by: usize,
        limit: u64,
    ) -> Result<Statement, Error> {
        let table = self.table;
        let mut sql = SqlWriter::new(backend);
        sql.push_sql("SELECT ").push_list(positions, |sql, &position| {
            sql.push_read_column(&table.columns[position]);
        });
        sql.push_sql(" FROM (SELECT *, row_number() OVER (PARTITION BY ").push_column(&table.columns[by]);
        sql.push_order_of(table, &self.order, table.name)?.push_sql(") AS ").push_identifier(PLACE);
        self.push_from(&mut sql)?;
        sql.push_sql(") AS ").push_identifier(table.name);
        push_first(&mut sql, limit);
        sql.push_order_of(table, &self.order, table.name)?;
        sql.means(|| Operation::Linked {
            link: None,
            by: table.columns[by].name.clone(),
            limit: Some(limit),
            target: self.columns_of(positions),
        });
        Ok(sql.finish())
    }

    fn columns_of(&self, positions: &[usize]) -> Selection {
        self.selected(Output::Columns(names(self.table, positions)))
    }
}

fn push_first(sql: &mut SqlWriter, limit: u64) {
    let limit = Value::I64(i64::try_from(limit).unwrap_or(i64::MAX));
    sql.push_sql(" WHERE ").push_identifier(PLACE).push_sql(" <= ");
    sql.push_bind(ColumnType::scalar(ScalarType::I64), limit);
}

/// The rows of a table that links others.
pub(crate) struct Linked {
    pub(crate) link: &'static TableDescriptor,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) condition: Condition,
    /// How many of the others for each.
    pub(crate) limit: Option<u64>,
}

impl Linked {
    /// The rows of `target` that are linked, in its order, each behind what it is linked to. A row that is linked to several
    /// comes several times.
    ///
    /// ```text
    /// SELECT "link"."__from", "target"."id", "target"."name"
    /// FROM (SELECT "order_id" AS "__from", "tag_id" AS "__to" FROM "order_tags" WHERE "order_id" = ANY($1)) AS "link"
    /// JOIN (SELECT * FROM "tags" WHERE "deleted_at" IS NULL) AS "target" ON "target"."id" = "link"."__to"
    /// ORDER BY "name", "id"
    /// ```
    ///
    /// # Errors
    /// When a condition or the order cannot be written.
    pub(crate) fn rows(&self, backend: Backend, target: &Select<'_>, positions: &[usize]) -> Result<Statement, Error> {
        let (link, table) = (self.link, target.table);
        let mut sql = SqlWriter::new(backend);
        let of = if self.limit.is_some() { "target" } else { "link" };
        sql.push_sql("SELECT ").push_identifier(of).push_sql(".\"__from\", ");
        sql.push_list(positions, |sql, &position| {
            sql.push_sql("\"target\".").push_read_column(&table.columns[position]);
        });
        sql.push_sql(" FROM (");
        if self.limit.is_some() {
            sql.push_sql(
                "SELECT \"link\".\"__from\", \"target\".*, row_number() OVER (PARTITION BY \"link\".\"__from\"",
            );
            sql.push_order_of(table, &target.order, "target")?.push_sql(") AS ").push_identifier(PLACE);
            sql.push_sql(" FROM (");
        }
        sql.push_sql("SELECT ").push_read_column(&link.columns[self.from]).push_sql(" AS \"__from\", ");
        sql.push_column(&link.columns[self.to]).push_sql(" AS \"__to\" FROM ").push_table(link);
        sql.push_where(link, &self.condition)?;
        sql.push_sql(") AS \"link\" JOIN (SELECT * FROM ").push_table(table).push_where(table, &target.condition)?;
        sql.push_sql(") AS \"target\" ON \"target\".");
        sql.push_list(table.key_columns().take(1), |sql, column| {
            sql.push_column(column);
        });
        sql.push_sql(" = \"link\".\"__to\"");
        if let Some(limit) = self.limit {
            sql.push_sql(") AS \"target\"");
            push_first(&mut sql, limit);
        }
        sql.push_order_of(table, &target.order, "target")?;
        sql.means(|| Operation::Linked {
            link: Some((link.name, self.condition.clone(), link.columns[self.to].name.clone())),
            by: link.columns[self.from].name.clone(),
            limit: self.limit,
            target: target.columns_of(positions),
        });
        Ok(sql.finish())
    }
}
