//! Bytes to values, by the type the column really has.

use std::sync::Arc;

use bytes::Buf;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime};
use postgres_types::{Kind, Type};
use uuid::Uuid;

use super::super::rows::{Columns, cells};
use super::super::types::{TypeCatalog, TypeForm};
use super::{EPOCH_DAYS, EPOCH_MICROS, numeric};
use crate::value::{ColumnType, NativeValue, ScalarType, Value, ValueError};

/// How to read one column.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    One(Scalar),
    Oid,
    Void,
    Array(Scalar),
}

/// How to read a value, or an item of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scalar {
    Type(ScalarType),
    /// JSON as text, where `jsonb` has a version in front.
    PlainJson,
    /// Text of a fixed length: the blanks at its end fill it up and mean nothing, neither to a comparison nor to a cast to
    /// text.
    Padded,
    /// Bytes that only who knows the type can read.
    Native {
        name: Arc<str>,
        oid: u32,
    },
}

/// A row has types that are not known: they were made since the types were read.
#[derive(Debug)]
pub(in super::super) struct UnknownTypes(pub(in super::super) Vec<u32>);

/// Reads the rows of one result.
#[derive(Debug)]
pub(in super::super) struct RowReader {
    forms: Vec<Form>,
}

impl RowReader {
    /// Works out how to read rows of these columns, if their types are known.
    pub(in super::super) fn of(columns: &Columns, types: &TypeCatalog) -> Result<Self, UnknownTypes> {
        let forms: Option<_> = columns.iter().map(|column| form(column.oid.get(), types)).collect();
        forms.map(|forms| RowReader { forms }).ok_or_else(|| {
            let oids = columns.iter().map(|column| column.oid.get());
            UnknownTypes(oids.filter(|oid| form(*oid, types).is_none()).collect())
        })
    }

    /// Works out how to read rows of these columns. What is not known by now is known to nobody here.
    pub(in super::super) fn of_known(columns: &Columns, types: &TypeCatalog) -> Self {
        let forms = columns
            .iter()
            .map(|column| form(column.oid.get(), types).unwrap_or_else(|| Form::One(native(column.oid.get(), types))));
        RowReader { forms: forms.collect() }
    }

    /// The values of a row, from the body of its message. One that no Rust type can hold is an error only to who reads that
    /// column.
    pub(in super::super) fn read(&self, body: &[u8]) -> Vec<Value> {
        let read = |(form, raw): (&Form, Option<&[u8]>)| match raw {
            None => Value::Null,
            Some(raw) => value(form, raw).unwrap_or_else(Value::Unreadable),
        };
        self.forms.iter().zip(cells(body)).map(read).collect()
    }
}

/// What a column of `ty` holds, where the types of the database are not at hand: one that is not built in is taken for what
/// the column's Rust type is stored as.
pub(crate) fn column_value(oid: u32, raw: &[u8], ty: &ColumnType) -> Value {
    let types = TypeCatalog::default();
    let form = form(oid, &types).unwrap_or_else(|| {
        let scalar = match ty.scalar {
            ScalarType::Native(_) => native(oid, &types),
            scalar => Scalar::Type(scalar),
        };
        if ty.array { Form::Array(scalar) } else { Form::One(scalar) }
    });
    value(&form, raw).unwrap_or_else(Value::Unreadable)
}

fn native(oid: u32, types: &TypeCatalog) -> Scalar {
    Scalar::Native { name: types.name(oid).into(), oid }
}

/// How to read a type; `None` if it is not known.
fn form(oid: u32, types: &TypeCatalog) -> Option<Form> {
    let array = |element: u32| {
        Some(match form(element, types)? {
            Form::One(scalar) => Form::Array(scalar),
            _ => Form::One(native(oid, types)),
        })
    };
    let Some(ty) = Type::from_oid(oid) else {
        return match types.form(oid)? {
            TypeForm::Text => Some(Form::One(Scalar::Type(ScalarType::Text))),
            TypeForm::Same(base) => form(base, types),
            TypeForm::Array(element) => array(element),
            TypeForm::Other => Some(Form::One(native(oid, types))),
        };
    };
    if let Kind::Array(element) = ty.kind() {
        return array(element.oid());
    }
    let scalar = match ty {
        Type::BOOL => ScalarType::Bool,
        Type::INT2 => ScalarType::I16,
        Type::INT4 => ScalarType::I32,
        Type::INT8 => ScalarType::I64,
        Type::FLOAT4 => ScalarType::F32,
        Type::FLOAT8 => ScalarType::F64,
        Type::BPCHAR => return Some(Form::One(Scalar::Padded)),
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::CHAR | Type::UNKNOWN | Type::XML => ScalarType::Text,
        Type::BYTEA => ScalarType::Bytes,
        Type::UUID => ScalarType::Uuid,
        Type::TIMESTAMPTZ => ScalarType::TimestampTz,
        Type::TIMESTAMP => ScalarType::Timestamp,
        Type::DATE => ScalarType::Date,
        Type::TIME => ScalarType::Time,
        Type::NUMERIC => ScalarType::Decimal,
        Type::JSONB => ScalarType::Json,
        Type::JSON => return Some(Form::One(Scalar::PlainJson)),
        Type::OID => return Some(Form::Oid),
        Type::VOID => return Some(Form::Void),
        _ => return Some(Form::One(native(oid, types))),
    };
    Some(Form::One(Scalar::Type(scalar)))
}

fn malformed() -> ValueError {
    ValueError::new("the server sent a malformed value")
}

fn value(form: &Form, raw: &[u8]) -> Result<Value, ValueError> {
    match form {
        Form::One(scalar) => read(scalar, raw),
        Form::Oid => Ok(Value::I64(i64::from(u32::from_be_bytes(fixed(raw)?)))),
        Form::Void => Ok(Value::Null),
        Form::Array(element) => array(element, raw),
    }
}

fn read(scalar: &Scalar, raw: &[u8]) -> Result<Value, ValueError> {
    match scalar {
        Scalar::Type(scalar) => read_scalar(*scalar, raw),
        Scalar::PlainJson => json(raw),
        Scalar::Padded => text(without_padding(raw)),
        Scalar::Native { name, oid } => Ok(NativeValue::read(name, *oid, raw)),
    }
}

fn without_padding(raw: &[u8]) -> &[u8] {
    let end = raw.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    &raw[..end]
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], ValueError> {
    raw.try_into().map_err(|_| malformed())
}

fn read_scalar(scalar: ScalarType, raw: &[u8]) -> Result<Value, ValueError> {
    Ok(match scalar {
        ScalarType::Bool => Value::Bool(fixed::<1>(raw)? != [0]),
        ScalarType::I16 => Value::I16(i16::from_be_bytes(fixed(raw)?)),
        ScalarType::I32 => Value::I32(i32::from_be_bytes(fixed(raw)?)),
        ScalarType::I64 => Value::I64(i64::from_be_bytes(fixed(raw)?)),
        ScalarType::F32 => Value::F32(f32::from_be_bytes(fixed(raw)?)),
        ScalarType::F64 => Value::F64(f64::from_be_bytes(fixed(raw)?)),
        ScalarType::Text => return text(raw),
        ScalarType::Bytes => Value::Bytes(raw.to_vec()),
        ScalarType::Uuid => Value::Uuid(Uuid::from_bytes(fixed(raw)?)),
        ScalarType::TimestampTz => Value::TimestampTz(instant(i64::from_be_bytes(fixed(raw)?))?),
        ScalarType::Timestamp => Value::Timestamp(timestamp(i64::from_be_bytes(fixed(raw)?))?),
        ScalarType::Date => Value::Date(date(i32::from_be_bytes(fixed(raw)?))?),
        ScalarType::Time => Value::Time(time(i64::from_be_bytes(fixed(raw)?))?),
        ScalarType::Decimal => Value::Decimal(numeric::decode(raw)?),
        ScalarType::Json => {
            let (1, document) = raw.split_first().map(|(version, rest)| (*version, rest)).ok_or_else(malformed)? else {
                return Err(malformed());
            };
            return json(document);
        }
        // Never the form of a column: the bytes are kept.
        ScalarType::Native(_) => return Err(malformed()),
    })
}

fn text(raw: &[u8]) -> Result<Value, ValueError> {
    String::from_utf8(raw.to_vec()).map(Value::Text).map_err(|_| malformed())
}

fn json(raw: &[u8]) -> Result<Value, ValueError> {
    serde_json::from_slice(raw)
        .map(Value::Json)
        .map_err(|error| ValueError::new("the stored JSON cannot be read").with_detail(error))
}

fn infinite(kind: &str) -> ValueError {
    ValueError::new(format!("the stored {kind} is infinite, which no Rust type can hold"))
}

fn out_of_range(kind: &str) -> ValueError {
    ValueError::new(format!("the stored {kind} is out of the range of its Rust type"))
}

fn instant(micros: i64) -> Result<DateTime<chrono::Utc>, ValueError> {
    if matches!(micros, i64::MAX | i64::MIN) {
        return Err(infinite("timestamp"));
    }
    micros.checked_add(EPOCH_MICROS).and_then(DateTime::from_timestamp_micros).ok_or_else(|| out_of_range("timestamp"))
}

fn timestamp(micros: i64) -> Result<NaiveDateTime, ValueError> {
    instant(micros).map(|instant| instant.naive_utc())
}

fn date(days: i32) -> Result<NaiveDate, ValueError> {
    if matches!(days, i32::MAX | i32::MIN) {
        return Err(infinite("date"));
    }
    let days = i64::from(days) + EPOCH_DAYS;
    let distance = Days::new(days.unsigned_abs());
    let epoch = NaiveDate::default();
    let date = if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) };
    date.ok_or_else(|| out_of_range("date"))
}

fn time(micros: i64) -> Result<NaiveTime, ValueError> {
    let seconds = u32::try_from(micros / 1_000_000).map_err(|_| malformed())?;
    let nanos = u32::try_from(micros % 1_000_000).map_err(|_| malformed())? * 1_000;
    // PostgreSQL has a 24:00:00, Rust has not.
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos).ok_or_else(|| out_of_range("time"))
}

fn array(element: &Scalar, mut raw: &[u8]) -> Result<Value, ValueError> {
    let dimensions = raw.try_get_i32().map_err(|_| malformed())?;
    let (_has_null, _oid) = (raw.try_get_i32().map_err(|_| malformed())?, raw.try_get_u32().map_err(|_| malformed())?);
    if dimensions == 0 {
        return Ok(Value::Array(Vec::new()));
    }
    if dimensions != 1 {
        return Err(ValueError::new(format!("an array of {dimensions} dimensions cannot be read; cast it to json")));
    }
    let count = raw.try_get_i32().map_err(|_| malformed())?;
    let _lower_bound = raw.try_get_i32().map_err(|_| malformed())?;
    let mut items = Vec::with_capacity(usize::try_from(count).map_err(|_| malformed())?.min(raw.len()));
    for _ in 0..count {
        let length = raw.try_get_i32().map_err(|_| malformed())?;
        let Ok(length) = usize::try_from(length) else {
            items.push(Value::Null);
            continue;
        };
        let item = raw.split_off(..length).ok_or_else(malformed)?;
        items.push(read(element, item)?);
    }
    Ok(Value::Array(items))
}
