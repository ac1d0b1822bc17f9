//! Drawing ids ahead of the rows that get them.

use super::SqlWriter;
use super::sql::quote_identifier;
use crate::backend::{Backend, Draw};
use crate::schema::TableDescriptor;
use crate::value::{ColumnType, ScalarType, Value};

/// Draws `count` ids for a column that the database assigns. Later statements know them by `number`.
pub(crate) fn draw(
    backend: Backend,
    table: &'static TableDescriptor,
    column: usize,
    number: usize,
    count: usize,
) -> Draw {
    let mut sql = SqlWriter::new(backend);
    match backend {
        Backend::Postgres => push_draw(&mut sql, table, column, number, count),
        Backend::Sqlite => {
            sql.push_sql("SELECT max(").push_column(&table.columns[column]).push_sql(") FROM ").push_table(table);
        }
    }
    Draw { number, table, column, count, statement: sql.finish() }
}

/// One text for all tables. The column's own sequence gives the ids (`serial`, identity); without one its default does,
/// which a query can only evaluate by [`query_to_xml`]; and without that they are NULL, for a trigger to replace.
///
/// [`query_to_xml`]: https://www.postgresql.org/docs/current/functions-xml.html#FUNCTIONS-XML-MAPPING
fn push_draw(sql: &mut SqlWriter, table: &TableDescriptor, column: usize, number: usize, count: usize) {
    let text = ColumnType::scalar(ScalarType::Text);
    let mut name = String::new();
    if let Some(schema) = table.schema {
        quote_identifier(&mut name, schema);
        name.push('.');
    }
    quote_identifier(&mut name, table.name);
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    sql.push_sql("SELECT set_config(").push_bind(text, Value::Text(setting(number)));
    sql.push_sql(
        ", CASE WHEN spakky_s.sequence IS NOT NULL THEN (SELECT array_agg(n.id) FROM (SELECT nextval(spakky_s.sequence) AS id \
         FROM generate_series(1, spakky_s.wanted) OFFSET 0) AS n) ELSE coalesce((SELECT array_agg(found.id[1]::bigint) \
         FROM pg_attribute AS a JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum, \
         regexp_matches(query_to_xml(format('SELECT %s AS id FROM generate_series(1, %s)', \
         pg_get_expr(d.adbin, d.adrelid), spakky_s.wanted), false, true, '')::text, '<id>(-?[0-9]+)</id>', 'g') AS found(id) \
         WHERE a.attrelid = to_regclass(spakky_s.relation) AND a.attname = spakky_s.attribute), \
         array_fill(NULL::bigint, ARRAY[spakky_s.wanted::int])) END::text, true) \
         FROM (SELECT pg_get_serial_sequence(i.relation, i.attribute)::regclass AS sequence, i.* FROM (SELECT ",
    );
    sql.push_bind(text, Value::Text(name)).push_sql("::text AS relation, ");
    sql.push_bind(text, Value::Text(table.columns[column].name.clone())).push_sql("::text AS attribute, ");
    sql.push_bind(ColumnType::scalar(ScalarType::I64), Value::I64(count))
        .push_sql("::bigint AS wanted) AS i OFFSET 0)");
    sql.push_sql(" AS spakky_s");
}

/// The setting of the transaction that holds drawn ids (PostgreSQL).
pub(super) fn setting(number: usize) -> String {
    format!("spakky.ids_{number}")
}
