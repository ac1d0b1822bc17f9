//! Why a value could not be stored or read.

use std::fmt;

/// Why one value could not be stored or read; the caller adds table and column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValueError {
    message: String,
}

impl ValueError {
    /// A failure in the reader's words: lower case, without a final period.
    pub fn new(message: impl Into<String>) -> Self {
        ValueError { message: message.into() }
    }

    /// The stored value is of another type than the Rust type reads.
    pub fn mismatch(expected: &str, found: &super::Value) -> Self {
        match found {
            super::Value::Native(found) => found.unread(),
            super::Value::Unreadable(reason) => reason.clone(),
            super::Value::Null => {
                Self::new(format!("unexpected null, expected {expected}; use an `Option` for a nullable column"))
            }
            found => Self::new(format!("expected {expected}, found {}", found.kind())),
        }
    }

    /// The stored value has the right type, but is none that the Rust type knows.
    pub fn unknown(rust_type: &str, stored: &str) -> Self {
        Self::new(format!("`{stored}` is not a value of `{rust_type}`"))
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueError {}
