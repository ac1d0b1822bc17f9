//! Defaults: values, the time, and of SQL the few forms that are understood without a database.

use crate::error::{Error, ErrorKind};
use crate::schema::{ColumnDescriptor, Constant, TableDescriptor};
use crate::value::{ColumnType, ScalarType, Value, now_micros};

/// What a column gets that is not given.
pub(super) type Fallback = Constant;

/// The default of each column.
///
/// # Errors
/// [`ErrorKind::Schema`] for one that is not understood.
pub(super) fn fallbacks(table: &TableDescriptor) -> Result<Vec<Option<Fallback>>, Error> {
    let each = table.columns.iter().map(|column| match &column.default {
        None => Ok(None),
        Some(default) => match default.constant(column.ty) {
            Some(Ok(fallback)) => Ok(Some(fallback)),
            Some(Err(_)) | None => Err(not_understood(table, column, default.given_sql().unwrap_or_default())),
        },
    });
    each.collect()
}

/// The database's time, for a column that holds one.
pub(super) fn clock(ty: ColumnType) -> Value {
    let now = now_micros();
    match ty.scalar {
        ScalarType::Timestamp => Value::Timestamp(now.naive_utc()),
        ScalarType::Date => Value::Date(now.date_naive()),
        ScalarType::Time => Value::Time(now.time()),
        _ => Value::TimestampTz(now),
    }
}

fn not_understood(table: &TableDescriptor, column: &ColumnDescriptor, default: &str) -> Error {
    let message = format!(
        "create table `{}` in memory: the default `{default}` of column `{}` is SQL, which the in-memory database does \
         not run; it understands numbers, 'text', true, false, NULL, now() and CURRENT_TIMESTAMP",
        table.name, column.name
    );
    Error::new(ErrorKind::Schema, message).with_table(table.name).with_columns(vec![column.name.clone()])
}
