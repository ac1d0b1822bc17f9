//! What `#[derive(ColumnValue)]` calls for enums.

use crate::value::{ColumnValue, Value, ValueError};

/// A variant's text as a value.
///
/// # Errors
/// When the text, that of a catch-all variant, has a NUL character.
pub fn text(variant: &str) -> Result<Value, ValueError> {
    variant.to_owned().to_value()
}

/// The stored text of a variant.
///
/// # Errors
/// When the stored value is no text.
pub fn read_text(value: Value) -> Result<String, ValueError> {
    String::from_value(value)
}

/// What a catch-all variant may hold: the stored value itself.
#[diagnostic::on_unimplemented(
    message = "a catch-all variant cannot hold `{Self}`",
    label = "not the stored type",
    note = "the enum is stored as `{Stored}`, so the variant marked `#[column(other)]` holds a `{Stored}`"
)]
pub trait CatchAll<Stored>: Sized {
    /// The value to store.
    fn stored(&self) -> &Stored;

    /// Keeps a stored value.
    fn from_stored(stored: Stored) -> Self;
}

macro_rules! catch_all {
    ($($ty:ty)+) => {$(
        impl CatchAll<$ty> for $ty {
            fn stored(&self) -> &$ty {
                self
            }

            fn from_stored(stored: $ty) -> Self {
                stored
            }
        }
    )+};
}

catch_all!(String i16 i32 i64);

/// No variant is stored as this text.
///
/// # Errors
/// Always.
pub fn unknown_text<E>(rust_type: &str, stored: &str) -> Result<E, ValueError> {
    Err(ValueError::unknown(rust_type, stored))
}

/// No variant is stored as this number.
///
/// # Errors
/// Always.
pub fn unknown_number<E>(rust_type: &str, stored: impl std::fmt::Display) -> Result<E, ValueError> {
    Err(ValueError::unknown(rust_type, &stored.to_string()))
}

/// What a catch-all variant holds, unless another variant is stored as the same text, as which it would be read back.
///
/// # Errors
/// When there is such a variant.
pub fn other_text<'a>(rust_type: &str, known: &[&str], other: &'a String) -> Result<&'a String, ValueError> {
    if known.contains(&other.as_str()) {
        return Err(taken_by_a_variant(rust_type).with_detail(format!("`{other}` is a variant of its own")));
    }
    Ok(other)
}

/// What a catch-all variant holds, unless another variant is stored as the same number, as which it would be read back.
///
/// # Errors
/// When there is such a variant.
pub fn other_number<'a, N: PartialEq + std::fmt::Display>(
    rust_type: &str,
    known: &[N],
    other: &'a N,
) -> Result<&'a N, ValueError> {
    if known.contains(other) {
        return Err(taken_by_a_variant(rust_type).with_detail(format!("{other} is a variant of its own")));
    }
    Ok(other)
}

fn taken_by_a_variant(rust_type: &str) -> ValueError {
    ValueError::new(format!(
        "the catch-all variant of `{rust_type}` holds what another variant is stored as, and would be read back as that \
         one; use that variant"
    ))
}
