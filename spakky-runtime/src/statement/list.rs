//! Lists of values of any length: one bound array on PostgreSQL, one bound JSON text on SQLite.
//!
//! The text of a statement is thus the same for every length, and no limit on bound values is met.

use serde_json::Value as Document;

use super::SqlWriter;
use super::condition::{invalid, is_decimal_text, push_decimal_text, shortest_decimal};
use crate::backend::Backend;
use crate::error::Error;
use crate::schema::{ColumnDescriptor, TableDescriptor};
use crate::value::{ColumnType, ScalarType, Value, ValueError, sequence, temporal_text};

/// Appends `column IN (…)`. An empty list holds no value.
pub(super) fn push_in_list(
    sql: &mut SqlWriter,
    table: &TableDescriptor,
    column: &ColumnDescriptor,
    values: &[Value],
    negated: bool,
) -> Result<(), Error> {
    if values.is_empty() {
        sql.push_sql(if negated { "TRUE" } else { "FALSE" });
        return Ok(());
    }
    match sql.backend() {
        Backend::Postgres if column.ty.array => {
            // PostgreSQL knows no arrays of arrays.
            let limit = SqlWriter::bind_limit(sql.backend());
            if values.len() > limit / 2 {
                return Err(invalid(table, &format!("a list of more than {} arrays is too long", limit / 2)));
            }
            sql.push_column(column).push_sql(if negated { " NOT IN (" } else { " IN (" });
            sql.push_list(values, |sql, value| {
                sql.push_bind(column.ty, value.clone());
            });
            sql.push_sql(")");
        }
        Backend::Postgres => {
            sql.push_column(column).push_sql(if negated { " <> ALL(" } else { " = ANY(" });
            sql.push_bind_list(element(column.ty), values.to_vec()).push_sql(")");
        }
        Backend::Sqlite => {
            let items = values
                .iter()
                .map(|value| to_json(&shortest_decimal(value)))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| unstorable(table, column, error))?;
            if is_decimal_text(sql.backend(), column.ty) {
                push_decimal_text(sql, |sql| {
                    sql.push_column(column);
                });
            } else {
                sql.push_column(column);
            }
            sql.push_sql(if negated { " NOT IN (SELECT " } else { " IN (SELECT " });
            push_json_item(sql, column.ty, "value");
            sql.push_sql(" FROM json_each(");
            push_json(sql, items);
            sql.push_sql("))");
        }
    }
    Ok(())
}

/// Appends `key IN (…)`, for a key of one column or several.
pub(super) fn push_key_list(sql: &mut SqlWriter, table: &TableDescriptor, keys: &[Vec<Value>]) -> Result<(), Error> {
    let columns: Vec<&ColumnDescriptor> = table.key_columns().collect();
    if keys.iter().any(|key| key.len() != columns.len()) {
        return Err(invalid(table, &format!("a key has {} columns", columns.len())));
    }
    if let [key] = keys {
        for (number, (column, value)) in columns.iter().zip(key).enumerate() {
            sql.push_sql(if number > 0 { " AND " } else { "" });
            sql.push_column(column).push_sql(" = ").push_bind(column.ty, value.clone());
        }
        return Ok(());
    }
    if let [column] = columns[..] {
        let values: Vec<Value> = keys.iter().flatten().cloned().collect();
        return push_in_list(sql, table, column, &values, false);
    }
    if keys.is_empty() {
        sql.push_sql("FALSE");
        return Ok(());
    }
    sql.push_sql("(").push_list(&columns, |sql, column| {
        sql.push_column(column);
    });
    match sql.backend() {
        Backend::Postgres => {
            sql.push_sql(") IN (SELECT * FROM UNNEST(");
            sql.push_list(columns.iter().enumerate(), |sql, (position, column)| {
                let values = keys.iter().map(|key| key[position].clone()).collect();
                sql.push_bind_list(element(column.ty), values);
            });
            sql.push_sql("))");
        }
        Backend::Sqlite => {
            let mut items = Vec::with_capacity(keys.len());
            for key in keys {
                let parts = key
                    .iter()
                    .zip(&columns)
                    .map(|(value, column)| to_json(value).map_err(|error| unstorable(table, column, error)));
                items.push(Document::Array(parts.collect::<Result<_, _>>()?));
            }
            sql.push_sql(") IN (SELECT ");
            sql.push_list(columns.iter().enumerate(), |sql, (position, column)| {
                push_json_item(sql, column.ty, &format!("value ->> {position}"));
            });
            sql.push_sql(" FROM json_each(");
            push_json(sql, items);
            sql.push_sql("))");
        }
    }
    Ok(())
}

/// Appends a table `spakky_asked` of these values, with their positions.
pub(super) fn push_asked(
    sql: &mut SqlWriter,
    table: &TableDescriptor,
    column: &ColumnDescriptor,
    values: &[Value],
) -> Result<(), Error> {
    match sql.backend() {
        Backend::Postgres => {
            sql.push_sql("UNNEST(").push_bind_list(element(column.ty), values.to_vec());
            sql.push_sql(") WITH ORDINALITY AS spakky_asked(spakky_wanted, spakky_position)");
        }
        Backend::Sqlite => {
            let items = values.iter().map(to_json).collect::<Result<Vec<_>, _>>();
            sql.push_sql("(SELECT ");
            push_json_item(sql, column.ty, "value");
            sql.push_sql(" AS spakky_wanted, key AS spakky_position FROM json_each(");
            push_json(sql, items.map_err(|error| unstorable(table, column, error))?);
            sql.push_sql(")) AS spakky_asked");
        }
    }
    Ok(())
}

/// The type of one value in a list.
fn element(ty: ColumnType) -> ColumnType {
    ColumnType { nullable: false, ..ty }
}

fn unstorable(table: &TableDescriptor, column: &ColumnDescriptor, error: ValueError) -> Error {
    Error::unstorable_value(table, table.position(&column.name).unwrap_or_default(), error)
}

fn push_json(sql: &mut SqlWriter, items: Vec<Document>) {
    let text = Document::Array(items).to_string();
    sql.push_bind(ColumnType::scalar(ScalarType::Text), Value::Text(text));
}

/// Appends what turns one item of the JSON text back into what the column stores.
fn push_json_item(sql: &mut SqlWriter, ty: ColumnType, item: &str) {
    match ty.sqlite_name() {
        "BLOB" => sql.push_sql("unhex(").push_sql(item).push_sql(")"),
        "REAL" => sql.push_sql("CAST(").push_sql(item).push_sql(" AS REAL)"),
        _ => sql.push_sql(item),
    };
}

/// A value as JSON that SQLite reads back as exactly what it stores for it.
fn to_json(value: &Value) -> Result<Document, ValueError> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    Ok(match value {
        Value::Null => Document::Null,
        Value::Bool(value) => i64::from(*value).into(),
        Value::I16(value) => (*value).into(),
        Value::I32(value) => (*value).into(),
        Value::I64(value) => (*value).into(),
        Value::F32(value) => real(f64::from(*value))?,
        Value::F64(value) => real(*value)?,
        Value::Text(text) | Value::Decimal(text) => text.as_str().into(),
        Value::Bytes(bytes) => hex(bytes),
        Value::Uuid(uuid) => hex(uuid.as_bytes()),
        Value::Json(document) => document.to_string().into(),
        Value::Array(items) => sequence::to_text(items)?.into(),
        Value::TimestampTz(_) | Value::Timestamp(_) | Value::Date(_) | Value::Time(_) => temporal_text(value).into(),
        Value::Native(value) => to_json(value.sqlite()?)?,
        Value::Unreadable(reason) => return Err(reason.clone()),
        Value::Drawn(_) => return Err(ValueError::new("an id that is yet to be drawn has no text")),
        Value::Column(_) => return Err(ValueError::new("SQLite has no arrays")),
    })
}

/// A float as text, which SQLite casts: JSON has no infinities.
fn real(value: f64) -> Result<Document, ValueError> {
    Backend::Sqlite.check(&Value::F64(value))?;
    if value.is_infinite() {
        return Ok(if value > 0.0 { "9e999" } else { "-9e999" }.into());
    }
    Ok(format!("{value:e}").into())
}
