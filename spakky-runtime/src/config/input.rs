//! One setting's value as it stands in the environment or a file, and what it becomes.

use std::path::PathBuf;
use std::time::Duration;

use figment::value::{Num, Value};
use secrecy::{ExposeSecret, SecretString};

use super::file_mode::FileMode;
use super::mode::{AuthMethod, PoolKind, Pooler, SslMode};
use super::require_auth::RequireAuth;
use super::{duration, url};

/// A value as it was written.
pub(super) enum Input {
    /// Text; the environment has nothing else.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A table, a list, a date: never a setting.
    Other,
}

impl Input {
    pub(super) fn from_value(value: Value) -> Self {
        match value {
            Value::String(_, text) => Input::Text(text),
            Value::Char(_, text) => Input::Text(text.to_string()),
            Value::Bool(_, value) => Input::Bool(value),
            Value::Num(_, Num::F32(value)) => Input::Float(value.into()),
            Value::Num(_, Num::F64(value)) => Input::Float(value),
            Value::Num(_, number) => match (number.to_i128(), number.to_u128()) {
                (Some(value), _) => Input::Integer(value),
                (None, Some(_)) => Input::Integer(i128::MAX),
                (None, None) => Input::Other,
            },
            Value::Empty(..) | Value::Dict(..) | Value::Array(..) => Input::Other,
        }
    }

    /// The value in the user's words, for a message.
    pub(super) fn show(&self) -> String {
        match self {
            Input::Text(text) => format!("`{text}`"),
            Input::Integer(number) => number.to_string(),
            Input::Float(number) => number.to_string(),
            Input::Bool(value) => value.to_string(),
            Input::Other => "a table, list or date".into(),
        }
    }
}

/// A type of setting.
pub(super) trait Setting: Sized {
    /// What is expected, for a message.
    fn expected() -> String;

    /// The setting, if the value is one.
    fn parse(input: &Input) -> Option<Self>;

    /// As a file would spell it.
    fn show(&self) -> String;
}

impl Setting for SecretString {
    fn expected() -> String {
        "a database URL as text".into()
    }

    fn parse(input: &Input) -> Option<Self> {
        match input {
            Input::Text(text) => Some(text.as_str().into()),
            _ => None,
        }
    }

    fn show(&self) -> String {
        url::redact(self.expose_secret())
    }
}

impl Setting for bool {
    fn expected() -> String {
        "`true` or `false`".into()
    }

    fn parse(input: &Input) -> Option<Self> {
        match input {
            Input::Bool(value) => Some(*value),
            Input::Integer(0) => Some(false),
            Input::Integer(1) => Some(true),
            Input::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "on" | "yes" | "1" => Some(true),
                "false" | "off" | "no" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for usize {
    fn expected() -> String {
        "a whole number".into()
    }

    fn parse(input: &Input) -> Option<Self> {
        match input {
            Input::Integer(number) => usize::try_from(*number).ok(),
            Input::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Duration {
    fn expected() -> String {
        "a span of time such as `20ms`, `5s` or `2m`".into()
    }

    fn parse(input: &Input) -> Option<Self> {
        match input {
            Input::Text(text) => duration::parse(text),
            Input::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Input::Float(seconds) => duration::from_seconds(*seconds),
            _ => None,
        }
    }

    fn show(&self) -> String {
        duration::show(*self)
    }
}

impl Setting for Option<Duration> {
    fn expected() -> String {
        "a span of time such as `20ms`, `5s` or `2m`, or `off`".into()
    }

    fn parse(input: &Input) -> Option<Self> {
        match input {
            Input::Text(text) if text.trim().eq_ignore_ascii_case("off") => Some(None),
            other => Duration::parse(other).map(Some),
        }
    }

    fn show(&self) -> String {
        self.map_or_else(|| "off".into(), duration::show)
    }
}

/// Empty text is no name.
impl Setting for Option<String> {
    fn expected() -> String {
        "text".into()
    }

    fn parse(input: &Input) -> Option<Self> {
        match input {
            Input::Text(text) => Some(Some(text.clone()).filter(|text| !text.is_empty())),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

/// An empty path is none.
impl Setting for Option<PathBuf> {
    fn expected() -> String {
        "the path of a file".into()
    }

    fn parse(input: &Input) -> Option<Self> {
        Option::<String>::parse(input).map(|path| path.map(PathBuf::from))
    }

    fn show(&self) -> String {
        self.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }
}

/// Text is octal, as everybody writes it; TOML has a prefix for octal numbers.
impl Setting for Option<FileMode> {
    fn expected() -> String {
        "permissions in octal digits such as `0600`".into()
    }

    fn parse(input: &Input) -> Option<Self> {
        match input {
            Input::Text(text) if text.trim().is_empty() => Some(None),
            Input::Text(text) => FileMode::parse(text).map(Some),
            Input::Integer(number) => u32::try_from(*number).ok().map(FileMode::new).map(Some),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

impl Setting for RequireAuth {
    fn expected() -> String {
        let words: Vec<_> = AuthMethod::WORDS.iter().map(|word| format!("`{word}`")).collect();
        format!("any of {} with commas between them, or each with a `!` ahead of it for all others", words.join(", "))
    }

    fn parse(input: &Input) -> Option<Self> {
        match input {
            Input::Text(text) => RequireAuth::parse(text),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! words {
    ($($name:ident)+) => {$(
        impl Setting for $name {
            fn expected() -> String {
                let words: Vec<_> = $name::WORDS.iter().map(|word| format!("`{word}`")).collect();
                format!("one of {}", words.join(", "))
            }

            fn parse(input: &Input) -> Option<Self> {
                match input {
                    Input::Text(text) => text.trim().parse().ok(),
                    _ => None,
                }
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

words! { PoolKind SslMode Pooler }
