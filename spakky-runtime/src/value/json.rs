//! JSON documents.

mod finite;
mod same;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use same::Recode;

use super::{ColumnType, ColumnValue, ScalarType, Value, ValueError};

/// Any serializable type as one JSON column: `jsonb` on PostgreSQL, text on SQLite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Json<T>(pub T);

impl<T> Json<T> {
    pub(crate) fn encode<U: Serialize>(value: &U) -> Result<Value, ValueError> {
        finite::check(value).map_err(finite::Refusal::into_error)?;
        stored(serde_json::to_value(value).map_err(|error| unserializable().with_detail(error))?)
    }

    /// The type of a column of such documents.
    pub(crate) const fn column_type<U: Serialize + DeserializeOwned>() -> ColumnType {
        ColumnType::scalar(ScalarType::Json).with_recode(Recode::of::<U>())
    }

    pub(crate) fn decode<U: DeserializeOwned>(value: Value) -> Result<U, ValueError> {
        serde_json::from_value(document(value)?)
            .map_err(|error| ValueError::new("the stored JSON does not have the expected shape").with_detail(error))
    }
}

fn unserializable() -> ValueError {
    ValueError::new("the value does not serialize to JSON")
}

/// The document itself, from either backend's form.
fn document(value: Value) -> Result<serde_json::Value, ValueError> {
    match value {
        Value::Json(document) => Ok(document),
        Value::Text(text) => serde_json::from_str(&text)
            .map_err(|error| ValueError::new("the stored text is not JSON").with_detail(error)),
        // SQLite keeps a document that is no more than a number as one, in a column that is declared `JSON`.
        Value::I64(number) => Ok(number.into()),
        Value::F64(number) => Ok(number.into()),
        other => Err(ValueError::mismatch("json", &other)),
    }
}

/// How many arrays and objects inside each other `serde_json` reads.
const DEEPEST: usize = 127;

/// The document as it is stored. Its keys are sorted, whatever features `serde_json` is built with, so that equal
/// documents have equal texts.
fn stored(mut document: serde_json::Value) -> Result<Value, ValueError> {
    check(&document, DEEPEST)?;
    document.sort_all_objects();
    Ok(Value::Json(document))
}

/// Refuses a NUL character, which `jsonb` cannot hold, and what could not be read back.
fn check(document: &serde_json::Value, levels: usize) -> Result<(), ValueError> {
    use serde_json::Value as Document;
    let nul = |text: &str| text.contains('\0');
    let deeper = || {
        let too_deep = || format!("JSON that is nested more than {DEEPEST} levels deep could not be read back");
        levels.checked_sub(1).ok_or_else(|| ValueError::new(too_deep()))
    };
    match document {
        Document::String(text) if nul(text) => {
            Err(ValueError::new("JSON with a NUL character in a string cannot be stored"))
        }
        Document::Array(items) => {
            let levels = deeper()?;
            items.iter().try_for_each(|item| check(item, levels))
        }
        Document::Object(fields) => {
            let levels = deeper()?;
            fields.iter().try_for_each(|(key, value)| {
                if nul(key) {
                    return Err(ValueError::new("JSON with a NUL character in a key cannot be stored"));
                }
                check(value, levels)
            })
        }
        _ => Ok(()),
    }
}

impl ColumnValue for serde_json::Value {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Json);

    fn to_value(&self) -> Result<Value, ValueError> {
        stored(self.clone())
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        document(value)
    }
}

impl<T: Serialize + DeserializeOwned> ColumnValue for Json<T> {
    const TYPE: ColumnType = Json::<T>::column_type::<T>();

    fn to_value(&self) -> Result<Value, ValueError> {
        Json::<T>::encode(&self.0)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        Json::<T>::decode(value).map(Json)
    }
}
