//! Queries in terms of columns: what rows to find, in which order, what to set.
//!
//! ```
//! # use spakky_runtime::query::{Order, Predicate};
//! # use spakky_runtime::schema::Column;
//! # struct OrderRow;
//! # struct Columns { note: Column<OrderRow, Option<String>>, total: Column<OrderRow, i64> }
//! # let o = Columns { note: Column::new("", "note"), total: Column::new("", "total") };
//! let wanted: Predicate<OrderRow> = o.total.gt(100).and(o.note.contains("50%").or(o.note.is_null()));
//! let order: Order<OrderRow> = o.total.desc();
//! let change = o.total.set(o.total + 5);
//! ```
//!
//! A value that cannot be stored makes no panic and no early error: the query that uses it fails when it is run.

mod assignment;
mod condition;
mod operand;
mod order;
mod pattern;
mod predicate;
mod related;

pub(crate) use assignment::{AssignedValue, Operator};
pub use assignment::{Assignment, Expression, Number};
pub(crate) use condition::{Comparison, Condition};
pub use operand::Operand;
pub(crate) use operand::Term;
pub use order::Order;
pub(crate) use order::{NullsPlace, Ordering};
pub(crate) use pattern::Pattern;
pub use pattern::escape_like;
pub use predicate::Predicate;
pub use related::LeadsTo;
