//! The version that a write gives a row.

use crate::error::Error;
use crate::schema::TableDescriptor;
use crate::value::ValueError;

/// The version behind this one, if the row `changes`.
///
/// # Errors
/// When there is none: the row is at the last one.
pub(crate) fn raised(table: &TableDescriptor, version: i64, changes: bool) -> Result<i64, Error> {
    version.checked_add(i64::from(changes)).ok_or_else(|| {
        let error = ValueError::new("the row is at the last version that there is; set it back by plain SQL");
        Error::unstorable_value(table, table.version.unwrap_or_default(), error).with_given(false)
    })
}
