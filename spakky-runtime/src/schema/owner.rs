//! Which Rust types the columns may have that say whose a row is, who wrote it and when it was deleted.
//!
//! Derived code reaches each of these columns through one trait alone, so that a wrong type is one error.

use uuid::Uuid;

use super::StampColumn;
use crate::value::{ColumnType, ColumnValue, Value, ValueError};

/// What can name a tenant or an actor: text, a `Uuid`, an integer, or a newtype of one that derives `ColumnValue`.
pub trait Identity: ColumnValue {
    /// The value of a row that has not got one yet: the empty text, the nil UUID, zero. It stands for none.
    fn blank() -> Self;
}

macro_rules! identity {
    ($($ty:ty => $blank:expr;)+) => {$(
        impl Identity for $ty {
            fn blank() -> Self {
                $blank
            }
        }
    )+};
}

identity! {
    String => String::new();
    Uuid => Uuid::nil();
    i16 => 0;
    i32 => 0;
    i64 => 0;
}

/// A trait for the types of one kind of column: what storing needs, and the value of a row that is not stored yet.
macro_rules! role_column {
    ($(
        $(#[$doc:meta])*
        $name:ident: $(<$param:ident: $bound:path> $ty:ty => $initial:expr;)+
    )+) => {$(
        $(#[$doc])*
        pub trait $name: Sized {
            /// [`ColumnValue::TYPE`].
            const TYPE: ColumnType;

            /// [`ColumnValue::to_value`].
            ///
            /// # Errors
            /// When the value cannot be stored.
            fn to_value(&self) -> Result<Value, ValueError>;

            /// [`ColumnValue::from_value`].
            ///
            /// # Errors
            /// When the stored value is of another type.
            fn from_value(value: Value) -> Result<Self, ValueError>;

            /// The value of a row that is not stored yet; the runtime writes its own.
            fn initial() -> Self;
        }

        $(
            #[diagnostic::do_not_recommend]
            impl<$param: $bound> $name for $ty {
                const TYPE: ColumnType = <$ty as ColumnValue>::TYPE;

                fn to_value(&self) -> Result<Value, ValueError> {
                    ColumnValue::to_value(self)
                }

                fn from_value(value: Value) -> Result<Self, ValueError> {
                    ColumnValue::from_value(value)
                }

                fn initial() -> Self {
                    $initial
                }
            }
        )+
    )+};
}

/// A time stamp that can be stored by itself, which every [`StampColumn`] is.
pub trait StoredStamp: StampColumn + ColumnValue {}

impl<T: StampColumn + ColumnValue> StoredStamp for T {}

role_column! {
    /// The type of a `#[table(tenant)]` column.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be the tenant of a row",
        label = "not a tenant",
        note = "a `#[table(tenant)]` field is a `String`, a `Uuid`, an integer, or a newtype of one that derives \
                `ColumnValue`"
    )]
    TenantColumn: <T: Identity> T => T::blank();

    /// The type of a `#[table(created_by)]` or `#[table(updated_by)]` column.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot say who wrote a row",
        label = "not an actor",
        note = "a `#[table(created_by)]` or `#[table(updated_by)]` field is a `String`, a `Uuid`, an integer, a newtype of \
                one that derives `ColumnValue`, or an `Option` of one"
    )]
    ActorColumn: <T: Identity> T => T::blank(); <T: Identity> Option<T> => None;

    /// The type of a `#[table(deleted_by)]` column: nobody deleted a row that lives.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot say who deleted a row",
        label = "not an actor that may be missing",
        note = "a `#[table(deleted_by)]` field is an `Option` of a `String`, a `Uuid`, an integer, or a newtype of one that \
                derives `ColumnValue`"
    )]
    DeleterColumn: <T: Identity> Option<T> => None;

    /// The type of a `#[table(deleted_at)]` column.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot say when a row was deleted",
        label = "not a time stamp that may be missing",
        note = "a `#[table(deleted_at)]` field is an `Option<DateTime<Utc>>` or an `Option<NaiveDateTime>`"
    )]
    DeletedAtColumn: <T: StoredStamp> Option<T> => None;
}

/// A row type with a `#[table(deleted_at)]` column, whose rows can be soft-deleted. Written by `#[derive(Table)]`.
#[diagnostic::on_unimplemented(
    message = "rows of `{Self}` cannot be soft-deleted",
    label = "has no column that says when a row was deleted",
    note = "mark a field of type `Option<DateTime<Utc>>` with `#[table(deleted_at)]`, or delete the row with `delete`"
)]
pub trait SoftDelete {}
