//! Why a value could not be stored or read.

use std::fmt;

/// Why one value could not be stored or read; the caller adds table and column.
///
/// Its `Display` shows no value. What tells more, and may show one, is its [`source`](std::error::Error::source).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValueError {
    message: String,
    detail: Option<Detail>,
}

/// What no message shows: the value itself, or the words of somebody who may have seen it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Detail(String);

impl ValueError {
    /// A failure in the reader's words: lower case, without a final period, and without the value.
    pub fn new(message: impl Into<String>) -> Self {
        ValueError { message: message.into(), detail: None }
    }

    /// The same failure with what may show the value, such as the words of another library. Only
    /// [`source`](std::error::Error::source) has it.
    ///
    /// ```
    /// use std::error::Error as _;
    ///
    /// use spakky_runtime::value::ValueError;
    ///
    /// let error = ValueError::new("the text is no postal code").with_detail("`AB1` is too short");
    /// assert_eq!(error.to_string(), "the text is no postal code");
    /// assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("`AB1` is too short"));
    /// ```
    #[must_use]
    pub fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(Detail(detail.to_string()));
        self
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
        Self::new(format!("the value is none of `{rust_type}`"))
            .with_detail(format!("`{stored}` is not a value of `{rust_type}`"))
    }

    /// What went wrong, for whoever gave the value and knows it.
    pub(crate) fn told_to_giver(&self) -> String {
        self.detail.as_ref().map_or_else(|| self.message.clone(), ToString::to_string)
    }

    /// What may show the value, if anything is known of it.
    pub(crate) fn into_detail(self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        self.detail.map(Into::into)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.detail.as_ref().map(|detail| detail as &(dyn std::error::Error + 'static))
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Detail {}
