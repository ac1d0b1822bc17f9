//! Tenants and actors: text in the context, whatever their columns hold in the database.

use uuid::Uuid;

use crate::value::{ColumnType, ScalarType, Value, ValueError};

/// The text of the context as a value of the column's type. `what` names it in messages, which do not show it.
pub(super) fn parse(text: &str, ty: ColumnType, what: &str) -> Result<Value, ValueError> {
    let wrong = |kind: &str| ValueError::new(format!("the context's {what} is not {kind}"));
    match ty.scalar {
        ScalarType::Text if text.contains('\0') => Err(wrong("text that a database can hold: there is a NUL in it")),
        ScalarType::Text => Ok(Value::Text(text.to_owned())),
        ScalarType::Uuid => Uuid::try_parse(text).map(Value::Uuid).map_err(|_| wrong("a UUID")),
        ScalarType::I16 => text.parse().map(Value::I16).map_err(|_| wrong("a 16-bit integer")),
        ScalarType::I32 => text.parse().map(Value::I32).map_err(|_| wrong("a 32-bit integer")),
        ScalarType::I64 => text.parse().map(Value::I64).map_err(|_| wrong("a 64-bit integer")),
        _ => Err(ValueError::new(format!("a {what} is stored as text, a UUID or an integer, which the column is not"))),
    }
}

/// Whether a value stands for none, as a row has it that was not stored yet.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::I16(0) | Value::I32(0) | Value::I64(0) => true,
        Value::Text(text) => text.is_empty(),
        Value::Uuid(uuid) => uuid.is_nil(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ColumnValue;

    #[test]
    fn the_text_of_the_context_becomes_what_the_column_holds() {
        let uuid = Uuid::from_u128(7);
        assert_eq!(parse("acme", String::TYPE, "tenant"), Ok(Value::Text("acme".into())));
        assert_eq!(parse(&uuid.to_string(), Uuid::TYPE, "tenant"), Ok(Value::Uuid(uuid)));
        assert_eq!(parse("-3", i16::TYPE, "tenant"), Ok(Value::I16(-3)));
        assert_eq!(parse("70000", Option::<i32>::TYPE, "actor"), Ok(Value::I32(70_000)));
        assert_eq!(parse("5000000000", i64::TYPE, "actor"), Ok(Value::I64(5_000_000_000)));
    }

    #[test]
    fn what_the_column_cannot_hold_is_named_by_its_kind_and_not_shown() {
        let message = |text, ty| parse(text, ty, "tenant").unwrap_err().to_string();
        assert_eq!(message("acme", Uuid::TYPE), "the context's tenant is not a UUID");
        assert_eq!(message("70000", i16::TYPE), "the context's tenant is not a 16-bit integer");
        assert_eq!(message("x", i32::TYPE), "the context's tenant is not a 32-bit integer");
        assert_eq!(message("", i64::TYPE), "the context's tenant is not a 64-bit integer");
        assert_eq!(
            message("a\0b", String::TYPE),
            "the context's tenant is not text that a database can hold: there is a NUL in it"
        );
        assert_eq!(
            message("yes", bool::TYPE),
            "a tenant is stored as text, a UUID or an integer, which the column is not"
        );
    }

    #[test]
    fn blank_values_stand_for_none() {
        let blank = [
            Value::Null,
            Value::Text(String::new()),
            Value::Uuid(Uuid::nil()),
            Value::I16(0),
            Value::I32(0),
            Value::I64(0),
        ];
        assert!(blank.iter().all(is_blank));
        assert!(!is_blank(&Value::Text(" ".into())) && !is_blank(&Value::I64(-1)));
    }
}
