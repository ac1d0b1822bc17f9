//! A value that a profile may leave out.

use serde::{Serialize, Serializer};

/// A field of a projection that some profiles leave out. What was not loaded is told from what is NULL:
/// [`NotLoaded`](Loaded::NotLoaded) is no `Loaded(None)`.
///
/// It serializes as its value, and as null if it was not loaded; with
/// `#[serde(skip_serializing_if = "Loaded::is_not_loaded")]` such a field is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loaded<T> {
    /// The profile left it out.
    NotLoaded,
    /// The value.
    Loaded(T),
}

impl<T> Loaded<T> {
    /// Whether it was loaded.
    pub const fn is_loaded(&self) -> bool {
        matches!(self, Loaded::Loaded(_))
    }

    /// Whether the profile left it out.
    pub const fn is_not_loaded(&self) -> bool {
        matches!(self, Loaded::NotLoaded)
    }

    /// The value, if it was loaded.
    pub const fn get(&self) -> Option<&T> {
        match self {
            Loaded::NotLoaded => None,
            Loaded::Loaded(value) => Some(value),
        }
    }

    /// The value itself, if it was loaded.
    pub fn into_option(self) -> Option<T> {
        match self {
            Loaded::NotLoaded => None,
            Loaded::Loaded(value) => Some(value),
        }
    }

    /// The same with the value changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Loaded<U> {
        match self {
            Loaded::NotLoaded => Loaded::NotLoaded,
            Loaded::Loaded(value) => Loaded::Loaded(change(value)),
        }
    }
}

impl<T> From<T> for Loaded<T> {
    fn from(value: T) -> Self {
        Loaded::Loaded(value)
    }
}

impl<T: Serialize> Serialize for Loaded<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Loaded::NotLoaded => serializer.serialize_none(),
            Loaded::Loaded(value) => value.serialize(serializer),
        }
    }
}
