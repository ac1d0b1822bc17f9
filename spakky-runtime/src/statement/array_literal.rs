//! An array as PostgreSQL's text form. UNNEST flattens arrays of arrays and refuses ragged ones, so a batch carries each
//! row's array as text and casts it back.

use crate::value::{Value, ValueError};

/// `{"a","b",NULL}`.
pub(super) fn array_literal(items: &[Value]) -> Result<String, ValueError> {
    let mut text = String::from("{");
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        match element(item)? {
            None => text.push_str("NULL"),
            Some(element) => {
                text.push('"');
                for character in element.chars() {
                    if matches!(character, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(character);
                }
                text.push('"');
            }
        }
    }
    text.push('}');
    Ok(text)
}

fn element(value: &Value) -> Result<Option<String>, ValueError> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(value) => value.to_string(),
        Value::I16(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::Text(value) | Value::Decimal(value) => value.clone(),
        Value::Bytes(value) => value.iter().fold(String::from("\\x"), |text, byte| text + &format!("{byte:02x}")),
        Value::Uuid(value) => value.to_string(),
        Value::TimestampTz(_) | Value::Timestamp(_) | Value::Date(_) | Value::Time(_) => {
            crate::value::temporal_text(value).unwrap_or_default()
        }
        Value::Json(value) => value.to_string(),
        Value::Array(_) | Value::Column(_) => return Err(ValueError::new("an array inside an array cannot be stored")),
        Value::Native(_) => return Err(ValueError::new("a native value has no text that is known here")),
        Value::Unreadable(reason) => return Err(reason.clone()),
        Value::Drawn(_) => return Err(ValueError::new("an id that is yet to be drawn has no text")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_quoted_and_escaped() {
        let items = [Value::Text("a\"b\\c,{}".into()), Value::Null, Value::Text("NULL".into()), Value::I64(i64::MIN)];
        assert_eq!(array_literal(&items).unwrap(), r#"{"a\"b\\c,{}",NULL,"NULL","-9223372036854775808"}"#);
        assert_eq!(array_literal(&[]).unwrap(), "{}");
        assert_eq!(array_literal(&[Value::Bytes(vec![0, 255])]).unwrap(), r#"{"\\x00ff"}"#);
    }
}
