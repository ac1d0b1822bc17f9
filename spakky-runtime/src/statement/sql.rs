//! The writer that every statement's text goes through.
//!
//! * [`push_sql`](SqlWriter::push_sql) appends text as it is: keywords and punctuation, never a name or a value.
//! * [`push_identifier`](SqlWriter::push_identifier), [`push_table`](SqlWriter::push_table) and
//!   [`push_column`](SqlWriter::push_column) append names, always quoted.
//! * [`push_bind`](SqlWriter::push_bind) appends a placeholder and keeps the value for it. A value of a native type of
//!   PostgreSQL is cast to it: `$1::order_status`.
//! * [`push_bind_list`](SqlWriter::push_bind_list) binds any number of values as one array (`$1::order_status[]`); it
//!   is PostgreSQL's alone.
//! * [`push_read_list`](SqlWriter::push_read_list) appends the columns of a table as they are read back, native types
//!   cast to what the library reads: `"status"::text`.
//! * [`push_clock`](SqlWriter::push_clock) appends the database's time.
//! * [`push_list`](SqlWriter::push_list) puts a comma between items.
//! * [`finish`](SqlWriter::finish) gives the [`Statement`].
//!
//! ```text
//! let mut sql = SqlWriter::new(backend);
//! sql.push_sql("DELETE FROM ").push_table(table).push_sql(" WHERE ");
//! sql.push_column(column).push_sql(" = ").push_bind(column.ty, value);
//! let statement = sql.finish();      // DELETE FROM "orders" WHERE "id" = $1
//! ```

use std::sync::Arc;

use super::operation::Operation;
use crate::backend::{Backend, Bind, Statement};
use crate::schema::{ColumnDescriptor, Record, TableDescriptor};
use crate::value::{ColumnType, RowColumn, ScalarType, Value};

/// Text under construction, with the values bound in it.
#[derive(Debug)]
pub(crate) struct SqlWriter {
    backend: Backend,
    sql: String,
    /// How many subqueries are open.
    depth: usize,
    binds: Vec<Bind>,
    meaning: Option<Arc<Operation>>,
}

impl SqlWriter {
    /// An empty text for `backend`.
    pub(crate) fn new(backend: Backend) -> Self {
        // Room for most statements, which are written anew for each use.
        SqlWriter { backend, sql: String::with_capacity(256), depth: 0, binds: Vec::with_capacity(8), meaning: None }
    }

    /// The backend whose spelling is written.
    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// How many values one statement may bind.
    pub(crate) fn bind_limit(backend: Backend) -> usize {
        match backend {
            Backend::Postgres => 65_535,
            Backend::Sqlite => 32_766,
        }
    }

    /// Appends text as it is.
    pub(crate) fn push_sql(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Appends text as it is, and a number behind it.
    pub(crate) fn push_numbered(&mut self, sql: &str, number: usize) -> &mut Self {
        self.sql.push_str(sql);
        push_number(&mut self.sql, number);
        self
    }

    /// Appends a quoted name.
    pub(crate) fn push_identifier(&mut self, name: &str) -> &mut Self {
        quote_identifier(&mut self.sql, name);
        self
    }

    /// Appends a table's name, with its schema where there is one.
    pub(crate) fn push_table(&mut self, table: &TableDescriptor) -> &mut Self {
        if let (Backend::Postgres, Some(schema)) = (self.backend, table.schema) {
            self.push_identifier(schema).push_sql(".");
        }
        self.push_identifier(table.name)
    }

    /// Appends a column's name.
    pub(crate) fn push_column(&mut self, column: &ColumnDescriptor) -> &mut Self {
        self.push_identifier(&column.name)
    }

    /// Goes into a subquery, and answers how deep it was before.
    pub(super) fn enter(&mut self) -> usize {
        self.depth += 1;
        self.depth - 1
    }

    /// Goes out of a subquery.
    pub(super) fn leave(&mut self) -> &mut Self {
        self.depth -= 1;
        self
    }

    /// Appends the name that the table of this subquery has inside it.
    pub(super) fn push_inner_name(&mut self) -> &mut Self {
        self.push_related_name(self.depth)
    }

    /// Appends the name that the table of a subquery around this one has.
    pub(super) fn push_related_name(&mut self, depth: usize) -> &mut Self {
        self.push_identifier(&format!("related_{depth}"))
    }

    /// Appends a placeholder for `value`.
    pub(crate) fn push_bind(&mut self, ty: ColumnType, value: Value) -> &mut Self {
        self.binds.push(Bind { ty, value });
        self.sql.push(match self.backend {
            Backend::Postgres => '$',
            Backend::Sqlite => '?',
        });
        push_number(&mut self.sql, self.binds.len());
        self.push_native_cast(ty)
    }

    /// Appends a placeholder for a PostgreSQL array of `values`, each of type `ty`. An array cannot be an element.
    pub(crate) fn push_bind_list(&mut self, ty: ColumnType, values: Vec<Value>) -> &mut Self {
        debug_assert!(self.backend == Backend::Postgres && !ty.array);
        self.push_bind(ty.array(), Value::Array(values))
    }

    /// Appends a placeholder for a PostgreSQL array of what these rows have in the column at `at`, none of which is an array.
    pub(crate) fn push_bind_column(&mut self, ty: ColumnType, rows: Arc<[Arc<Record>]>, at: usize) -> &mut Self {
        debug_assert!(self.backend == Backend::Postgres && !ty.array);
        self.push_bind(ty.array(), Value::Column(RowColumn::new(rows, at)))
    }

    /// Appends the cast that a placeholder of this type needs.
    pub(crate) fn push_native_cast(&mut self, ty: ColumnType) -> &mut Self {
        if self.backend == Backend::Postgres && (ty.pg_type.is_some() || ty.is_native()) {
            self.sql.push_str("::");
            self.sql.push_str(&ty.postgres_cast_name());
        }
        self
    }

    /// Appends a column as it is read back.
    pub(crate) fn push_read_column(&mut self, column: &ColumnDescriptor) -> &mut Self {
        self.push_column(column);
        if self.backend == Backend::Postgres && column.ty.pg_type.is_some() && !column.ty.is_native() {
            let plain = ColumnType { pg_type: None, ..column.ty };
            self.sql.push_str("::");
            self.sql.push_str(&plain.postgres_name());
        }
        self
    }

    /// Appends every column of a table, in the order of its descriptor, as it is read back.
    pub(crate) fn push_read_list(&mut self, table: &TableDescriptor) -> &mut Self {
        self.push_list(&table.columns, |sql, column| {
            sql.push_read_column(column);
        })
    }

    /// Appends the database's time, for a column that holds a timestamp.
    pub(crate) fn push_clock(&mut self, scalar: ScalarType) -> &mut Self {
        self.push_sql(clock(scalar, self.backend))
    }

    /// Appends items with commas between them.
    pub(crate) fn push_list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut push: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (position, item) in items.into_iter().enumerate() {
            if position > 0 {
                self.push_sql(", ");
            }
            push(self, item);
        }
        self
    }

    /// Says what the statement does, for a database that reads no SQL. Such a one spells as SQLite does.
    pub(crate) fn means(&mut self, operation: impl FnOnce() -> Operation) -> &mut Self {
        #[cfg(feature = "testing")]
        if self.backend == Backend::Sqlite && crate::backend::memory::is_in_use() {
            self.meaning = Some(Arc::new(operation()));
        }
        #[cfg(not(feature = "testing"))]
        drop(operation);
        self
    }

    /// The statement, as one whose text recurs and that guards nothing.
    pub(crate) fn finish(self) -> Statement {
        Statement {
            sql: self.sql.into(),
            binds: self.binds,
            cached: true,
            guard: None,
            meaning: self.meaning,
            by_user: false,
        }
    }
}

/// The database's time as an expression: that of the transaction on PostgreSQL, that of the statement on SQLite.
pub(crate) fn clock(scalar: ScalarType, backend: Backend) -> &'static str {
    match (backend, scalar) {
        (Backend::Postgres, ScalarType::Timestamp) => "(now() AT TIME ZONE 'UTC')",
        (Backend::Postgres, _) => "now()",
        (Backend::Sqlite, ScalarType::Timestamp) => "strftime('%Y-%m-%dT%H:%M:%f000', 'now')",
        (Backend::Sqlite, _) => "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
    }
}

/// Appends a name in double quotes.
pub(crate) fn quote_identifier(sql: &mut String, name: &str) {
    sql.reserve(name.len() + 2);
    sql.push('"');
    if !name.as_bytes().contains(&b'"') {
        // Every statement writes its names, and hardly any name has a quote in it.
        sql.push_str(name);
        sql.push('"');
        return;
    }
    for (position, part) in name.split('"').enumerate() {
        if position > 0 {
            sql.push_str("\"\"");
        }
        sql.push_str(part);
    }
    sql.push('"');
}

/// Appends a number. Every statement holds some, and formatting them by their width, sign and base takes its time.
fn push_number(sql: &mut String, number: usize) {
    if number >= 10 {
        push_number(sql, number / 10);
    }
    sql.push(char::from(b'0' + u8::try_from(number % 10).unwrap_or_default()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_values_numbered_as_each_backend_spells_them() {
        let status = ColumnType::scalar(ScalarType::Text).with_pg_type("order_status");
        let written = |backend| {
            let mut sql = SqlWriter::new(backend);
            sql.push_identifier("odd\"name").push_sql(" = ").push_bind(status, Value::Text("paid".into()));
            sql.push_sql(" AND ")
                .push_identifier("n")
                .push_sql(" = ")
                .push_bind(ColumnType::scalar(ScalarType::I64), Value::I64(1));
            sql.finish()
        };

        let Statement { sql, binds, .. } = written(Backend::Postgres);
        assert_eq!(&*sql, r#""odd""name" = $1::order_status AND "n" = $2"#);
        assert_eq!(
            binds.iter().map(|bind| bind.value.clone()).collect::<Vec<_>>(),
            [Value::Text("paid".into()), Value::I64(1)]
        );
        assert_eq!(&*written(Backend::Sqlite).sql, r#""odd""name" = ?1 AND "n" = ?2"#);
    }

    #[test]
    fn a_list_is_one_array_of_the_native_type() {
        let status = ColumnType::scalar(ScalarType::Text).with_pg_type("order_status");
        let mut sql = SqlWriter::new(Backend::Postgres);
        sql.push_bind_list(status, vec![Value::Text("paid".into()), Value::Text("draft".into())]);
        let Statement { sql, binds, .. } = sql.finish();
        assert_eq!(&*sql, "$1::order_status[]");
        assert_eq!(binds[0].ty, status.array());
        assert_eq!(binds.len(), 1);
    }
}
