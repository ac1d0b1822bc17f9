//! Conditions as text.

use super::SqlWriter;
use super::list::{push_in_list, push_key_list};
use crate::backend::Backend;
use crate::error::{Error, ErrorKind};
use crate::query::NullsPlace;
use crate::query::{Comparison, Condition, Ordering, Pattern, Term};
use crate::schema::{ColumnDescriptor, Lineage, TableDescriptor, Way};
use crate::value::{ColumnType, ScalarType, Value, rank_of};

/// How many parts are written one behind the other on SQLite.
const LONGEST_CHAIN: usize = 100;

impl SqlWriter {
    /// Appends ` WHERE …`, or nothing for the condition that always holds.
    ///
    /// # Errors
    /// When the condition holds a value that cannot be stored, or makes no sense.
    pub(crate) fn push_where(&mut self, table: &TableDescriptor, condition: &Condition) -> Result<&mut Self, Error> {
        match condition {
            Condition::Constant(true) => {}
            Condition::All(parts) if parts.is_empty() => {}
            condition => {
                self.push_sql(" WHERE ");
                self.push_condition(table, condition)?;
            }
        }
        Ok(self)
    }

    /// Appends a condition.
    ///
    /// # Errors
    /// When it holds a value that cannot be stored, or makes no sense.
    pub(crate) fn push_condition(&mut self, table: &TableDescriptor, condition: &Condition) -> Result<(), Error> {
        match condition {
            Condition::Constant(always) => {
                self.push_sql(if *always { "TRUE" } else { "FALSE" });
            }
            Condition::Compare { column, comparison, term } => {
                self.push_comparison(table, find(table, column)?, *comparison, term)?;
            }
            Condition::In { column, values, negated } => {
                push_in_list(self, table, find(table, column)?, values, *negated)?;
            }
            Condition::Keys(keys) => push_key_list(self, table, keys)?,
            Condition::InSelect { column, table: other, condition } => {
                self.push_column(find(table, column)?).push_sql(" IN (SELECT ");
                self.push_list(other.key_columns(), |sql, column| {
                    sql.push_column(column);
                });
                self.push_sql(" FROM ").push_table(other).push_where(other, condition)?;
                self.push_sql(")");
            }
            Condition::Null { column, negated } => {
                let test = if *negated { " IS NOT NULL" } else { " IS NULL" };
                self.push_column(find(table, column)?).push_sql(test);
            }
            Condition::Like { column, pattern } => self.push_pattern(table, find(table, column)?, pattern)?,
            Condition::Row { columns, comparison, values } => self.push_row(table, columns, *comparison, values)?,
            Condition::Exists { way, condition } => self.push_exists(table, way, condition)?,
            Condition::DeletedWith(lineage) => {
                let at = table.deleted_at().ok_or_else(|| no_deletion(table))?;
                self.push_column(&table.columns[at]).push_sql(" = ");
                self.push_stamp_above(table, &table.columns[at], lineage)?;
            }
            Condition::All(parts) => self.push_parts(table, parts, " AND ", "TRUE")?,
            Condition::Any(parts) => self.push_parts(table, parts, " OR ", "FALSE")?,
            Condition::Not(inner) => {
                self.push_sql("NOT (");
                self.push_condition(table, inner)?;
                self.push_sql(")");
            }
            Condition::Unstorable { column, error } => {
                let position = position(table, column)?;
                return Err(Error::unstorable_value(table, position, error.clone()));
            }
            Condition::Invalid(reason) => return Err(invalid(table, reason)),
        }
        Ok(())
    }

    /// Appends a term that meets `column`.
    ///
    /// # Errors
    /// When it names a column that the table does not have, or calculates with decimals on SQLite.
    pub(crate) fn push_term(
        &mut self,
        table: &TableDescriptor,
        column: &ColumnDescriptor,
        term: &Term,
    ) -> Result<(), Error> {
        match term {
            Term::Value(value) => {
                self.check_storable(table, column, value)?;
                self.push_bind(column.ty, value.clone());
            }
            Term::Column(name) => {
                self.push_column(find(table, name)?);
            }
            Term::Arithmetic(left, operator, right) => {
                if self.backend() == Backend::Sqlite && column.ty.scalar == ScalarType::Decimal {
                    let reason = format!(
                        "column `{}` is a decimal, which SQLite stores as text and cannot calculate with; calculate in \
                         the program",
                        column.name
                    );
                    return Err(invalid(table, &reason));
                }
                self.push_sql("(");
                self.push_term(table, column, left)?;
                self.push_sql(" ").push_sql(operator.sql()).push_sql(" ");
                self.push_term(table, column, right)?;
                self.push_sql(")");
            }
        }
        Ok(())
    }

    /// Appends ` ORDER BY …`, or nothing without keys, for rows of `table`, which the statement calls `name`. A column of a
    /// native type is read back as another, under its own name, which an order by the bare name would mean; so it is named
    /// with its table.
    ///
    /// # Errors
    /// When the backend cannot order by one of the columns.
    pub(crate) fn push_order_of(
        &mut self,
        table: &TableDescriptor,
        order: &[Ordering],
        name: &str,
    ) -> Result<&mut Self, Error> {
        for (number, ordering) in order.iter().enumerate() {
            let column = find(table, &ordering.column)?;
            self.check_ordered(table, column)?;
            self.push_sql(if number == 0 { " ORDER BY " } else { ", " });
            if self.backend() == Backend::Postgres && column.ty.pg_type.is_some() {
                self.push_identifier(name).push_sql(".");
            }
            self.push_ordered(column);
            if ordering.descending {
                self.push_sql(" DESC");
            }
            // The defaults of PostgreSQL, which SQLite has the other way round.
            let sqlite = self.backend() == Backend::Sqlite && column.ty.nullable;
            let default = if ordering.descending { NullsPlace::First } else { NullsPlace::Last };
            match ordering.nulls.or(sqlite.then_some(default)) {
                Some(NullsPlace::First) => self.push_sql(" NULLS FIRST"),
                Some(NullsPlace::Last) => self.push_sql(" NULLS LAST"),
                None => self,
            };
        }
        Ok(self)
    }

    fn push_comparison(
        &mut self,
        table: &TableDescriptor,
        column: &ColumnDescriptor,
        comparison: Comparison,
        term: &Term,
    ) -> Result<(), Error> {
        if comparison.is_ordering() {
            self.check_ordered(table, column)?;
        }
        if is_decimal_text(self.backend(), column.ty) {
            push_decimal_text(self, |sql| {
                sql.push_column(column);
            });
            self.push_sql(" ").push_sql(comparison.sql()).push_sql(" ");
            match term {
                Term::Value(value) => {
                    self.push_bind(column.ty, shortest_decimal(value));
                }
                Term::Column(name) => {
                    let other = find(table, name)?;
                    push_decimal_text(self, |sql| {
                        sql.push_column(other);
                    });
                }
                term @ Term::Arithmetic(..) => self.push_term(table, column, term)?,
            }
            return Ok(());
        }
        if comparison.is_ordering() && self.ranks(column.ty).is_some() {
            self.push_ordered(column).push_sql(" ").push_sql(comparison.sql()).push_sql(" ");
            match term {
                Term::Value(value) => {
                    self.check_storable(table, column, value)?;
                    self.push_ordered_bind(column.ty, value);
                }
                Term::Column(name) => {
                    self.push_ordered(find(table, name)?);
                }
                term @ Term::Arithmetic(..) => self.push_term(table, column, term)?,
            }
            return Ok(());
        }
        self.push_column(column).push_sql(" ").push_sql(comparison.sql()).push_sql(" ");
        self.push_term(table, column, term)
    }

    fn push_row(
        &mut self,
        table: &TableDescriptor,
        columns: &[String],
        comparison: Comparison,
        values: &[Value],
    ) -> Result<(), Error> {
        let columns = columns.iter().map(|name| find(table, name)).collect::<Result<Vec<_>, _>>()?;
        self.push_sql("(").push_list(&columns, |sql, column| {
            sql.push_ordered(column);
        });
        self.push_sql(") ").push_sql(comparison.sql()).push_sql(" (");
        self.push_list(columns.iter().zip(values), |sql, (column, value)| {
            sql.push_ordered_bind(column.ty, value);
        });
        self.push_sql(")");
        Ok(())
    }

    /// The column of the row outside is written with the name of its table, all others are those of the table inside.
    fn push_exists(&mut self, table: &TableDescriptor, way: &Way, condition: &Condition) -> Result<(), Error> {
        let column = find(table, &way.column)?;
        let target = (way.target)();
        let target_column = find(target, &way.target_column)?;
        let outside = self.enter();
        self.push_sql("EXISTS (SELECT 1 FROM ").push_table(target).push_sql(" AS ").push_inner_name();
        self.push_sql(" WHERE ").push_inner_name().push_sql(".").push_column(target_column).push_sql(" = ");
        match outside {
            0 => self.push_table(table),
            depth => self.push_related_name(depth),
        };
        self.push_sql(".").push_column(column);
        match condition {
            Condition::Constant(true) => {}
            Condition::All(parts) if parts.is_empty() => {}
            condition => {
                self.push_sql(" AND (");
                self.push_condition(target, condition)?;
                self.push_sql(")");
            }
        }
        self.push_sql(")").leave();
        Ok(())
    }

    /// Appends when the row at the end of the lineage was soft-deleted, in the type of `column` of `table`, whose row the
    /// lineage begins at.
    ///
    /// # Errors
    /// When the table at its end knows no soft deletion, or a column is not there.
    pub(super) fn push_stamp_above(
        &mut self,
        table: &TableDescriptor,
        column: &ColumnDescriptor,
        lineage: &Lineage,
    ) -> Result<(), Error> {
        let Some((_, last)) = lineage.steps.last() else { return Err(no_deletion(table)) };
        let at = last.deleted_at().ok_or_else(|| no_deletion(last))?;
        let (stamp, wanted) = (last.columns[at].ty.scalar, column.ty.scalar);
        let (before, behind) = match (self.backend(), wanted) {
            _ if stamp == wanted => ("", ""),
            (Backend::Postgres, _) => ("", " AT TIME ZONE 'UTC'"),
            (Backend::Sqlite, ScalarType::TimestampTz) => ("", " || 'Z'"),
            (Backend::Sqlite, _) => ("rtrim(", ", 'Z')"),
        };
        self.push_sql(before);
        self.push_above(table, &lineage.steps, &last.columns[at].name)?;
        self.push_sql(behind);
        Ok(())
    }

    /// `(SELECT "orders"."deleted_at" FROM "orders" WHERE "orders"."id" = "lines"."order_id")`
    fn push_above(
        &mut self,
        table: &TableDescriptor,
        steps: &[(String, &'static TableDescriptor)],
        wanted: &str,
    ) -> Result<(), Error> {
        let Some(((refers, above), below)) = steps.split_last() else { return Ok(()) };
        let key = above.key_columns().next().ok_or_else(|| invalid(above, "the table has no key"))?;
        self.push_sql("(SELECT ").push_identifier(above.name).push_sql(".").push_column(find(above, wanted)?);
        self.push_sql(" FROM ").push_table(above).push_sql(" WHERE ").push_identifier(above.name).push_sql(".");
        self.push_column(key).push_sql(" = ");
        match below {
            [] => {
                self.push_identifier(table.name).push_sql(".").push_column(find(table, refers)?);
            }
            below => self.push_above(table, below, refers)?,
        }
        self.push_sql(")");
        Ok(())
    }

    fn push_pattern(
        &mut self,
        table: &TableDescriptor,
        column: &ColumnDescriptor,
        pattern: &Pattern,
    ) -> Result<(), Error> {
        if column.ty.scalar != ScalarType::Text || column.ty.array {
            return Err(invalid(table, &format!("column `{}` holds no text to match with a pattern", column.name)));
        }
        self.push_column(column);
        // Matched as text, whatever native type the column has on PostgreSQL.
        if let (Backend::Postgres, Some(_)) = (self.backend(), column.ty.pg_type) {
            self.push_sql("::text");
        }
        let text = ColumnType::scalar(ScalarType::Text);
        match (self.backend(), pattern.ignores_case()) {
            (Backend::Sqlite, false) => {
                self.push_sql(" GLOB ").push_bind(text, Value::Text(pattern.glob()));
            }
            (backend, ignores_case) => {
                let ilike = ignores_case && backend == Backend::Postgres;
                self.push_sql(if ilike { " ILIKE " } else { " LIKE " });
                self.push_bind(text, Value::Text(pattern.like().to_owned()));
                // PostgreSQL escapes by a backslash unless it is told otherwise, and reads one in a text by a setting.
                if backend == Backend::Sqlite {
                    self.push_sql(r" ESCAPE '\'");
                }
            }
        }
        Ok(())
    }

    fn push_parts(
        &mut self,
        table: &TableDescriptor,
        parts: &[Condition],
        between: &str,
        empty: &str,
    ) -> Result<(), Error> {
        if parts.is_empty() {
            self.push_sql(empty);
        }
        // SQLite counts how deep an expression is, and to it each part of a chain is one deeper.
        if self.backend() == Backend::Sqlite && parts.len() > LONGEST_CHAIN {
            let (first, second) = parts.split_at(parts.len() / 2);
            self.push_sql("(");
            self.push_parts(table, first, between, empty)?;
            self.push_sql(")").push_sql(between).push_sql("(");
            self.push_parts(table, second, between, empty)?;
            self.push_sql(")");
            return Ok(());
        }
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                self.push_sql(between);
            }
            if part.is_compound() && parts.len() > 1 {
                self.push_sql("(");
                self.push_condition(table, part)?;
                self.push_sql(")");
            } else {
                self.push_condition(table, part)?;
            }
        }
        Ok(())
    }

    /// The values of a native enum, in order, where the backend stores it as text, whose order is another.
    fn ranks(&self, ty: ColumnType) -> Option<&'static [&'static str]> {
        ty.ranks().filter(|_| self.backend() == Backend::Sqlite)
    }

    /// Appends a column as its order wants it: `CASE "size" WHEN 'small' THEN 0 WHEN 'large' THEN 1 ELSE "size" END`.
    fn push_ordered(&mut self, column: &ColumnDescriptor) -> &mut Self {
        let Some(labels) = self.ranks(column.ty) else { return self.push_column(column) };
        self.push_sql("CASE ").push_column(column);
        for (place, label) in labels.iter().enumerate() {
            self.push_sql(&format!(" WHEN '{}' THEN {place}", label.replace('\'', "''")));
        }
        self.push_sql(" ELSE ").push_column(column).push_sql(" END")
    }

    /// Appends a value that the order of a column is compared with.
    fn push_ordered_bind(&mut self, ty: ColumnType, value: &Value) -> &mut Self {
        let Some(labels) = self.ranks(ty) else { return self.push_bind(ty, value.clone()) };
        match rank_of(labels, value) {
            place @ Value::I64(_) => self.push_bind(ColumnType::scalar(ScalarType::I64), place),
            other => self.push_bind(ty, other),
        }
    }

    /// What the backend cannot hold, it cannot compare with either.
    fn check_storable(&self, table: &TableDescriptor, column: &ColumnDescriptor, value: &Value) -> Result<(), Error> {
        let position = table.position(&column.name).unwrap_or_default();
        self.backend().check(value).map_err(|error| Error::unstorable_value(table, position, error))
    }

    /// Text on SQLite whose order is not that of what it stands for.
    fn check_ordered(&self, table: &TableDescriptor, column: &ColumnDescriptor) -> Result<(), Error> {
        let unordered = match (self.backend(), column.ty.scalar) {
            (Backend::Postgres, _) => return Ok(()),
            (Backend::Sqlite, _) if column.ty.array => "an array",
            (Backend::Sqlite, ScalarType::Decimal) => "a decimal",
            (Backend::Sqlite, ScalarType::Json) => "JSON",
            (Backend::Sqlite, _) => return Ok(()),
        };
        let reason = format!(
            "column `{}` is {unordered}, which SQLite stores as text whose order is another; compare and sort in the \
             program, or store an integer",
            column.name
        );
        Err(invalid(table, &reason))
    }
}

/// Whether equality must look past the spelling: `12.5` and `12.50` are two texts of one number.
pub(super) fn is_decimal_text(backend: Backend, ty: ColumnType) -> bool {
    backend == Backend::Sqlite && ty.scalar == ScalarType::Decimal && !ty.array
}

/// Appends an expression of decimal text without the zeros that end its fraction.
pub(super) fn push_decimal_text(sql: &mut SqlWriter, push: impl Fn(&mut SqlWriter)) {
    sql.push_sql("CASE WHEN instr(");
    push(sql);
    sql.push_sql(", '.') THEN rtrim(rtrim(");
    push(sql);
    sql.push_sql(", '0'), '.') ELSE ");
    push(sql);
    sql.push_sql(" END");
}

/// The value without the zeros that end its fraction.
pub(super) fn shortest_decimal(value: &Value) -> Value {
    match value {
        Value::Decimal(text) if text.contains('.') => {
            Value::Decimal(text.trim_end_matches('0').trim_end_matches('.').to_owned())
        }
        other => other.clone(),
    }
}

/// A table without the column that soft deletion needs.
pub(super) fn no_deletion(table: &TableDescriptor) -> Error {
    invalid(table, "the table has no column that says when a row was deleted")
}

pub(super) fn find<'a>(table: &'a TableDescriptor, name: &str) -> Result<&'a ColumnDescriptor, Error> {
    Ok(&table.columns[position(table, name)?])
}

pub(super) fn invalid(table: &TableDescriptor, reason: &str) -> Error {
    Error::new(ErrorKind::InvalidQuery, format!("query `{}`: {reason}", table.name)).with_table(table.name)
}

fn position(table: &TableDescriptor, name: &str) -> Result<usize, Error> {
    table.position(name).ok_or_else(|| invalid(table, &format!("the table has no column `{name}`")))
}
