//! Enums with data: a column for the variant's name and one for its data.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Document;

use super::spec::{ColumnSpec, describe};
use super::{Column, ColumnDescriptor, Columns, Embedded, Part, Prefix, RecordReader, RecordWriter};
use crate::error::Error;
use crate::value::{ColumnType, ColumnValue, Json, ScalarType, Value, ValueError};

/// An enum with data in two columns: `kind`, the variant's name as text, and `data`, its fields as JSON (NULL for a
/// variant without).
///
/// A row flattens it, `#[mappable(wrapped)]` maps it to the enum itself. The names and the JSON are those of serde's
/// default representation, so `#[serde(rename = "…")]` on a variant names it here too; `#[serde(tag = "…")]` and
/// `#[serde(untagged)]` are not for enums stored so.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use spakky_runtime::schema::{Columns, Tagged};
///
/// #[derive(Serialize, Deserialize)]
/// enum Payment {
///     Cash,
///     Card { last_digits: String },
/// }
///
/// let mut columns = Vec::new();
/// Tagged::<Payment>::describe("payment_", &mut columns);
/// let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
/// assert_eq!(names, ["payment_kind", "payment_data"]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tagged<T>(pub T);

impl<T> From<T> for Tagged<T> {
    fn from(value: T) -> Self {
        Tagged(value)
    }
}

/// The columns of a [`Tagged`] field, as typed handles.
#[derive(Debug)]
pub struct TaggedColumns<Row> {
    /// The variant's name.
    pub kind: Column<Row, String>,
    /// The variant's data.
    pub data: Column<Row, Option<Document>>,
}

impl<Row> Clone for TaggedColumns<Row> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Row> Copy for TaggedColumns<Row> {}

const KIND: ColumnSpec = ColumnSpec::column("kind", ColumnType::scalar(ScalarType::Text));
const DATA: ColumnSpec = ColumnSpec::column("data", ColumnType::scalar(ScalarType::Json).nullable());

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Columns for Tagged<T> {
    const COUNT: usize = 2;

    fn describe(prefix: &str, columns: &mut Vec<ColumnDescriptor>) {
        describe(&[KIND, DATA], prefix, columns);
    }

    fn encode(&self, record: &mut RecordWriter<'_>) -> Result<(), Error> {
        match encode(&self.0) {
            Ok((kind, data)) => record.extend(&mut [kind.to_value(), Ok(data)]),
            Err(error) => record.extend(&mut [Err(error)]),
        }
    }

    fn decode(record: &mut RecordReader<'_>) -> Result<Self, Error> {
        let kind = record.read(String::from_value)?;
        let data = record.read(Option::<Document>::from_value)?;
        record.refuse(decode(kind, data)).map(Tagged)
    }
}

impl<Row, P: Prefix, T: Serialize + DeserializeOwned + Send + Sync + 'static> Embedded<Row, P> for Tagged<T> {
    type Handles = TaggedColumns<Row>;

    const HANDLES: TaggedColumns<Row> =
        TaggedColumns { kind: Column::new(P::PREFIX, "kind"), data: Column::new(P::PREFIX, "data") };

    const PART: Part<Self> = Part::OF;
}

/// The variant's name and its data.
fn encode<T: Serialize>(value: &T) -> Result<(String, Value), ValueError> {
    // Through the one way to JSON, which refuses what no backend can hold.
    let Value::Json(document) = Json::<()>::encode(value)? else { return Err(not_an_enum()) };
    match document {
        Document::String(kind) => Ok((kind, Value::Null)),
        Document::Object(fields) => {
            let mut fields = fields.into_iter();
            match (fields.next(), fields.next()) {
                (Some((kind, data)), None) => Ok((kind, Value::Json(data))),
                _ => Err(not_an_enum()),
            }
        }
        _ => Err(not_an_enum()),
    }
}

fn decode<T: DeserializeOwned>(kind: String, data: Option<Document>) -> Result<T, ValueError> {
    let document = match data {
        None => Document::String(kind),
        Some(data) => Document::Object([(kind, data)].into_iter().collect()),
    };
    serde_json::from_value(document)
        .map_err(|error| ValueError::new("the stored variant does not have the expected shape").with_detail(error))
}

fn not_an_enum() -> ValueError {
    ValueError::new(
        "the value does not serialize as a variant; `Tagged` needs an enum in serde's default representation",
    )
}
