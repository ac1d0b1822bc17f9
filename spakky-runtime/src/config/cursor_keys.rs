//! The keys that sign the cursors of pages.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::input::{Input, Setting};
use crate::error::Error;
use crate::page::process_key;

const SHORTEST: usize = 32;

/// The keys that sign the cursors of pages, the one in use first.
#[derive(Clone, Default)]
pub(crate) struct CursorKeys(Vec<SecretString>);

impl CursorKeys {
    pub(super) fn new(keys: impl IntoIterator<Item = impl Into<SecretString>>) -> Self {
        CursorKeys(keys.into_iter().map(Into::into).collect())
    }

    /// The key that signs.
    ///
    /// # Errors
    /// When none is configured and none can be drawn.
    pub(crate) fn signing(&self) -> Result<&SecretString, Error> {
        match self.0.first() {
            Some(key) => Ok(key),
            None => process_key(),
        }
    }

    /// The keys whose cursors are accepted.
    ///
    /// # Errors
    /// As [`signing`](Self::signing).
    pub(crate) fn accepted(&self) -> Result<impl Iterator<Item = &SecretString>, Error> {
        Ok(std::iter::once(self.signing()?).chain(self.0.iter().skip(1)))
    }

    pub(super) fn problem(&self) -> Option<String> {
        let short = self.0.iter().position(|key| key.expose_secret().len() < SHORTEST)?;
        Some(format!("`cursor_keys` must be secrets of {SHORTEST} bytes or more; number {} is shorter", short + 1))
    }
}

impl Setting for CursorKeys {
    fn expected() -> String {
        "text: secrets with commas between them".into()
    }

    fn parse(input: &Input) -> Option<Self> {
        match input {
            Input::Text(text) if text.trim().is_empty() => Some(CursorKeys::default()),
            Input::Text(text) => Some(CursorKeys::new(text.split(',').map(str::trim))),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self.0.len() {
            0 => "drawn at random".into(),
            1 => "1 secret".into(),
            count => format!("{count} secrets"),
        }
    }
}

/// How many there are.
impl fmt::Debug for CursorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}
