//! Finds floats that JSON cannot hold. `serde_json` would write `null` for them, which no float is read from.

use std::fmt::{self, Display};

use serde::Serialize;
use serde::ser::{
    self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

use crate::value::ValueError;

/// Whether every float in `value` is a number to JSON.
///
/// # Errors
/// When one is not, or the value refuses to be serialized.
pub(super) fn check<T: ?Sized + Serialize>(value: &T) -> Result<(), Refusal> {
    value.serialize(Finite)
}

/// Why the value is not JSON.
#[derive(Debug)]
pub(super) enum Refusal {
    NotFinite,
    /// In the words of the value's own type.
    Other(String),
}

impl Refusal {
    /// The same for whoever stores the value.
    pub(super) fn into_error(self) -> ValueError {
        match self {
            Refusal::NotFinite => {
                ValueError::new(format!("the value does not serialize to JSON: {}", Refusal::NotFinite))
            }
            Refusal::Other(words) => super::unserializable().with_detail(words),
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NotFinite => "a float in it is NaN or infinite, which JSON has no numbers for",
            Refusal::Other(words) => words,
        })
    }
}

impl std::error::Error for Refusal {}

impl ser::Error for Refusal {
    fn custom<T: Display>(message: T) -> Self {
        Refusal::Other(message.to_string())
    }
}

/// Goes through a value and writes nothing.
#[derive(Clone, Copy)]
struct Finite;

fn number(is_finite: bool) -> Result<(), Refusal> {
    if is_finite {
        return Ok(());
    }
    Err(Refusal::NotFinite)
}

macro_rules! harmless {
    ($($method:ident($($ty:ty),*);)+) => {$(
        fn $method(self $(, _: $ty)*) -> Result<(), Refusal> {
            Ok(())
        }
    )+};
}

macro_rules! compound {
    ($($method:ident($($ty:ty),*): $compound:ident;)+) => {$(
        type $compound = Finite;
    )+
    $(
        fn $method(self $(, _: $ty)*) -> Result<Finite, Refusal> {
            Ok(Finite)
        }
    )+};
}

impl Serializer for Finite {
    type Ok = ();
    type Error = Refusal;

    fn serialize_f32(self, value: f32) -> Result<(), Refusal> {
        number(value.is_finite())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Refusal> {
        number(value.is_finite())
    }

    harmless! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    compound! {
        serialize_seq(Option<usize>): SerializeSeq;
        serialize_tuple(usize): SerializeTuple;
        serialize_tuple_struct(&'static str, usize): SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize): SerializeTupleVariant;
        serialize_map(Option<usize>): SerializeMap;
        serialize_struct(&'static str, usize): SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize): SerializeStructVariant;
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Refusal> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<(), Refusal> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        value.serialize(self)
    }

    fn collect_str<T: ?Sized + Display>(self, _: &T) -> Result<(), Refusal> {
        Ok(())
    }
}

macro_rules! elements {
    ($($compound:ident: $($method:ident($($ty:ty),*)),+;)+) => {$(
        impl $compound for Finite {
            type Ok = ();
            type Error = Refusal;

            $(fn $method<T: ?Sized + Serialize>(&mut self $(, _: $ty)*, value: &T) -> Result<(), Refusal> {
                value.serialize(*self)
            })+

            fn end(self) -> Result<(), Refusal> {
                Ok(())
            }
        }
    )+};
}

elements! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::check;

    #[derive(Serialize)]
    enum Shape {
        Empty,
        Round(f64),
        Flat(f32, f32),
        Named { ratios: BTreeMap<String, Option<f64>> },
    }

    #[test]
    fn floats_are_found_wherever_they_are() {
        let named =
            |ratio| Shape::Named { ratios: BTreeMap::from([("a".to_owned(), Some(1.0)), ("b".to_owned(), ratio)]) };
        check(&[Shape::Empty, Shape::Round(f64::MAX), Shape::Flat(-0.0, 1.0), named(None)]).unwrap();
        for wrong in [Shape::Round(f64::NAN), Shape::Flat(0.0, f32::INFINITY), named(Some(f64::NEG_INFINITY))] {
            let error = check(&(1, "text", [wrong])).unwrap_err();
            assert_eq!(error.to_string(), "a float in it is NaN or infinite, which JSON has no numbers for");
        }
    }
}
