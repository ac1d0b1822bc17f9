//! Which Rust types a column with a role may have.
//!
//! Derived code reaches a role column through these traits alone, so that a wrong type is one error.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::mappable::Revision;
use crate::value::{ColumnType, ColumnValue, Value, ValueError};

/// The type of a `#[table(version)]` column.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the version of a row",
    label = "not a version",
    note = "a `#[table(version)]` field is an `i64`"
)]
pub trait VersionColumn: Sized {
    /// [`ColumnValue::TYPE`].
    const TYPE: ColumnType;

    /// [`ColumnValue::to_value`].
    ///
    /// # Errors
    /// Never.
    fn to_value(&self) -> Result<Value, ValueError>;

    /// [`ColumnValue::from_value`].
    ///
    /// # Errors
    /// When the stored value is no integer.
    fn from_value(value: Value) -> Result<Self, ValueError>;

    /// The version of a row that is not stored yet; the runtime writes the first one.
    fn initial() -> Self;

    /// The version as a domain value carries it.
    fn to_revision(&self) -> Revision;

    /// The version that a domain value carries; that of a new row if it carries none.
    fn from_revision(revision: &Revision) -> Self;
}

impl VersionColumn for i64 {
    const TYPE: ColumnType = <i64 as ColumnValue>::TYPE;

    fn to_value(&self) -> Result<Value, ValueError> {
        ColumnValue::to_value(self)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        ColumnValue::from_value(value)
    }

    fn initial() -> Self {
        0
    }

    fn to_revision(&self) -> Revision {
        crate::mappable::VersionField::to_revision(self)
    }

    fn from_revision(revision: &Revision) -> Self {
        revision.version().unwrap_or_default()
    }
}

/// The type of a `#[table(created_at)]` or `#[table(updated_at)]` column.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the time stamp of a row",
    label = "not a time stamp",
    note = "a `#[table(created_at)]` or `#[table(updated_at)]` field is a `DateTime<Utc>` or a `NaiveDateTime`"
)]
pub trait StampColumn: Sized {
    /// [`ColumnValue::TYPE`].
    const TYPE: ColumnType;

    /// [`ColumnValue::to_value`].
    ///
    /// # Errors
    /// When the year cannot be stored.
    fn to_value(&self) -> Result<Value, ValueError>;

    /// [`ColumnValue::from_value`].
    ///
    /// # Errors
    /// When the stored value is no time stamp.
    fn from_value(value: Value) -> Result<Self, ValueError>;

    /// The stamp of a row that is not stored yet; the runtime writes the database's clock.
    fn initial() -> Self;
}

macro_rules! stamp {
    ($($ty:ty)+) => {$(
        impl StampColumn for $ty {
            const TYPE: ColumnType = <$ty as ColumnValue>::TYPE;

            fn to_value(&self) -> Result<Value, ValueError> {
                ColumnValue::to_value(self)
            }

            fn from_value(value: Value) -> Result<Self, ValueError> {
                ColumnValue::from_value(value)
            }

            fn initial() -> Self {
                // The default of both types is 1970-01-01.
                Self::default()
            }
        }
    )+};
}

stamp!(DateTime<Utc> NaiveDateTime);

/// The key of a table that a column may refer to: one column's value.
#[diagnostic::on_unimplemented(
    message = "a column cannot refer to a table whose key is `{Self}`",
    label = "the key has several columns",
    note = "`references(..)` names a table with one `#[table(id)]` field"
)]
pub trait SingleKey {
    /// The key column's type.
    const TYPE: ColumnType;
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> SingleKey for T {
    const TYPE: ColumnType = <T as ColumnValue>::TYPE;
}

/// Compile-time checks of a column's type. Each panics in a constant, at the field's type.
pub mod check {
    use crate::schema::Column;
    use crate::schema::spec::ColumnName;
    use crate::value::{ColumnType, ColumnValue, ScalarType};

    /// An id is never NULL.
    #[track_caller]
    pub const fn id(ty: ColumnType) {
        assert!(!ty.nullable, "an `#[table(id)]` field cannot be an `Option`; a key is never NULL");
        assert!(!ty.array, "an `#[table(id)]` field cannot be an array");
    }

    /// NULL can be one `None` alone.
    #[track_caller]
    pub const fn optional(ty: ColumnType) {
        assert!(
            !ty.twice_nullable,
            "an `Option` of what is an `Option` itself cannot be stored: NULL cannot say which `None` it is; use one `Option`"
        );
    }

    /// A database assigns integers.
    #[track_caller]
    pub const fn generated(ty: ColumnType) {
        assert!(
            matches!(ty.scalar, ScalarType::I16 | ScalarType::I32 | ScalarType::I64) && !ty.array,
            "a `#[table(generated)]` field is an `i16`, `i32`, `i64` or a newtype of one"
        );
    }

    /// Only text has a length.
    #[track_caller]
    pub const fn length(ty: ColumnType) {
        assert!(matches!(ty.scalar, ScalarType::Text) && !ty.array, "`length` needs a field that is stored as text");
    }

    /// The time is the default of columns that hold a time.
    #[track_caller]
    pub const fn default_now(ty: ColumnType) {
        let is_time =
            matches!(ty.scalar, ScalarType::TimestampTz | ScalarType::Timestamp | ScalarType::Date | ScalarType::Time);
        assert!(is_time && !ty.array, "`default = now` needs a field that holds a time or a date");
    }

    /// An empty list is the default of lists.
    #[track_caller]
    pub const fn default_list(ty: ColumnType) {
        assert!(
            ty.array || matches!(ty.scalar, ScalarType::Json),
            "`default = []` needs a field that holds a list: a `Vec` of scalars, or one stored as JSON"
        );
    }

    /// A truth value is the default of its like.
    #[track_caller]
    pub const fn default_bool(ty: ColumnType) {
        let is_bool = matches!(ty.scalar, ScalarType::Bool) && !ty.array;
        assert!(is_bool, "the default is `true` or `false`, but the field is not stored as a `bool`");
    }

    /// A whole number is the default of numbers that have room for it.
    #[track_caller]
    pub const fn default_integer(ty: ColumnType, value: i128) {
        let (least, most) = match ty.scalar {
            ScalarType::I16 => (i16::MIN as i128, i16::MAX as i128),
            ScalarType::I32 => (i32::MIN as i128, i32::MAX as i128),
            ScalarType::I64 => (i64::MIN as i128, i64::MAX as i128),
            ScalarType::F32 | ScalarType::F64 | ScalarType::Decimal => (i128::MIN, i128::MAX),
            _ => panic!("the default is a number, but the field is not stored as one"),
        };
        assert!(!ty.array, "the default is a number, but the field is not stored as one");
        assert!(least <= value && value <= most, "the default is out of the range of the field's type");
    }

    /// A number with a fraction is the default of those that have one.
    #[track_caller]
    pub const fn default_float(ty: ColumnType) {
        let has_fraction = matches!(ty.scalar, ScalarType::F32 | ScalarType::F64 | ScalarType::Decimal) && !ty.array;
        assert!(has_fraction, "the default is a number with a fraction, but the field is not stored as one");
    }

    /// A text is the default of texts.
    #[track_caller]
    pub const fn default_text(ty: ColumnType) {
        assert!(
            matches!(ty.scalar, ScalarType::Text) && !ty.array,
            "the default is a text, but the field is not stored as one"
        );
    }

    /// A foreign key is stored as the key it refers to.
    #[track_caller]
    pub const fn references(ty: ColumnType, key: ColumnType) {
        assert!(
            ty.scalar.number() == key.scalar.number() && !ty.array,
            "the field is not stored as the key of the table that `references(..)` names"
        );
    }

    /// Children hold the key of the row that they belong to, in this column.
    #[track_caller]
    pub const fn by<Row, T: ColumnValue>(column: &Column<Row, T>, key: ColumnType) -> ColumnName {
        assert!(
            T::TYPE.scalar.number() == key.scalar.number() && !T::TYPE.array,
            "the children's field that `by` names is not stored as the key of this table"
        );
        column.parts()
    }

    /// `SET NULL` needs a place for NULL.
    #[track_caller]
    pub const fn set_null(ty: ColumnType) {
        assert!(ty.nullable, "`on_delete = set_null` needs a field that is an `Option`");
    }

    /// What requests from outside name must have a form that they can write.
    #[track_caller]
    pub const fn filterable(ty: ColumnType) {
        assert!(
            is_plain(ty),
            "`filterable` takes fields stored as bool, number, text, uuid, date or time; this one is an array, JSON, \
             bytes or a type that only the database knows"
        );
    }

    /// What is sorted by must have an order, and a form that a cursor can hold.
    #[track_caller]
    pub const fn sortable(ty: ColumnType) {
        assert!(
            is_plain(ty),
            "`sortable` takes fields stored as bool, number, text, uuid, date or time; this one is an array, JSON, \
             bytes or a type that only the database knows"
        );
    }

    const fn is_plain(ty: ColumnType) -> bool {
        !ty.array && !matches!(ty.scalar, ScalarType::Json | ScalarType::Bytes | ScalarType::Native(_))
    }
}
