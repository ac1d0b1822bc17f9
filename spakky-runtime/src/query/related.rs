//! Conditions on rows of another table.

use super::{Condition, Predicate};
use crate::schema::{Column, Table, Way};

/// Columns of these two types can hold the same value.
#[diagnostic::on_unimplemented(
    message = "a column of type `{T}` does not lead to one of type `{Self}`",
    label = "expected a column of type `{T}`, or an `Option` of it"
)]
pub trait LeadsTo<T> {}

impl<T> LeadsTo<T> for T {}
impl<T> LeadsTo<Option<T>> for T {}
impl<T> LeadsTo<T> for Option<T> {}

impl<Row, T> Column<Row, T> {
    /// There is a row of another table whose column `other` equals this column and that fulfils `predicate`. The row
    /// itself is found once, however many there are.
    ///
    /// ```
    /// # use spakky_runtime::query::Predicate;
    /// # use spakky_runtime::schema::{Column, Table};
    /// # fn example<OrderRow, CustomerRow: Table>(
    /// #     o_customer_id: Column<OrderRow, i64>, c_id: Column<CustomerRow, i64>, c_name: Column<CustomerRow, String>,
    /// # ) -> Predicate<OrderRow> {
    /// // o.customer_id.exists_in(c.id, c.name.eq("Ann"))
    /// o_customer_id.exists_in(c_id, c_name.eq("Ann"))
    /// # }
    /// ```
    pub fn exists_in<Other: Table, U: LeadsTo<T>>(
        self,
        other: Column<Other, U>,
        predicate: Predicate<Other>,
    ) -> Predicate<Row> {
        let way = Way { column: self.name(), target: Other::descriptor, target_column: other.name() };
        Predicate::new(Condition::Exists { way, condition: Box::new(predicate.condition) })
    }
}
