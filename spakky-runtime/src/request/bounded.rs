//! JSON that anybody may have sent, read within bounds: what is too large is refused while it is read, whichever
//! deserializer reads it, and not when all of it is in memory.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use super::limits::{CEILING, LONGEST_JSON, LONGEST_KEY};
use super::refused;
use crate::error::Error;

/// What is left of the bounds of one request.
pub(super) struct Budget {
    bytes: Cell<usize>,
    /// Comparisons, and whatever else costs as much as one.
    conditions: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { bytes: Cell::new(LONGEST_JSON), conditions: Cell::new(CEILING.conditions) }
    }
}

impl Budget {
    /// Takes the bytes of a text, or those that any other value has at least, and a comma.
    fn take(&self, bytes: usize) -> Result<(), Error> {
        let left = self.bytes.get().checked_sub(bytes + 1);
        self.bytes.set(left.ok_or_else(|| refused(format!("more than {LONGEST_JSON} bytes")))?);
        Ok(())
    }

    /// Takes one condition.
    pub(super) fn take_condition(&self) -> Result<(), Error> {
        let left = self.conditions.get().checked_sub(1);
        self.conditions.set(left.ok_or_else(|| refused(format!("more than {} conditions", CEILING.conditions)))?);
        Ok(())
    }

    fn text(&self, text: &str) -> Result<(), Error> {
        if text.len() > CEILING.text {
            return Err(refused(format!("a text of {} bytes, of which {} are allowed", text.len(), CEILING.text)));
        }
        self.take(text.len() + 1)
    }

    /// Reads the text of a filter.
    pub(super) fn parse(&self, text: &str) -> Result<Json, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = Bounded { budget: self }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    }
}

/// A value within the bounds.
#[derive(Clone, Copy)]
pub(super) struct Bounded<'b> {
    pub(super) budget: &'b Budget,
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Bounded<'_> {
    fn scalar<E: serde::de::Error>(self, value: impl Into<Json>) -> Result<Json, E> {
        self.budget.take(1).map_err(E::custom)?;
        Ok(value.into())
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Json, E> {
        self.scalar(Json::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Json, E> {
        self.scalar(Json::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Json, E> {
        self.scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Json, E> {
        self.scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Json, E> {
        self.scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        self.scalar(value)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Json, E> {
        self.budget.text(text).map_err(E::custom)?;
        Ok(text.into())
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Json, E> {
        self.budget.text(&text).map_err(E::custom)?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        self.budget.take(1).map_err(A::Error::custom)?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            if values.len() == CEILING.list {
                return Err(A::Error::custom(refused(format!("more than {} values in a list", CEILING.list))));
            }
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        self.budget.take(1).map_err(A::Error::custom)?;
        let mut fields = Map::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            let value = entries.next_value_seed(self)?;
            // So serde_json hands out a number where somebody has turned on its feature `arbitrary_precision`.
            if let ("$serde_json::private::Number", Json::String(digits)) = (key.as_str(), &value) {
                return digits.parse::<Number>().map(Json::Number).map_err(A::Error::custom);
            }
            self.budget.take(key.len()).map_err(A::Error::custom)?;
            fields.insert(key, value);
        }
        if !leads_on(&fields) {
            self.budget.take_condition().map_err(A::Error::custom)?;
        }
        Ok(Json::Object(fields))
    }
}

/// Whether an object is a filter that holds others, which have been counted.
fn leads_on(fields: &Map<String, Json>) -> bool {
    let mut fields = fields.iter();
    let is_connective = |(key, value): (&String, &Json)| match (key.as_str(), value) {
        ("and" | "or", Json::Array(parts)) => !parts.is_empty(),
        ("not", Json::Object(_)) => true,
        _ => false,
    };
    fields.next().is_some_and(is_connective) && fields.next().is_none()
}

/// A key that is not longer than any that is known can be.
pub(super) struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        if key.len() > LONGEST_KEY {
            let problem = format!("a key of {} bytes, of which {LONGEST_KEY} are allowed", key.len());
            return Err(E::custom(refused(problem)));
        }
        Ok(key.to_owned())
    }
}
