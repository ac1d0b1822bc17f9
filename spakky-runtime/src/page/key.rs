//! The key that signs cursors where none is configured.

use std::sync::OnceLock;

use secrecy::SecretString;

use crate::error::{Error, ErrorKind};

/// A key of this process alone, drawn at its first use.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn process_key() -> Result<&'static SecretString, Error> {
    static KEY: OnceLock<SecretString> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key);
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        let message = "draw a key for cursors: the system gives no random bytes; set `cursor_keys`";
        Error::new(ErrorKind::Config, message).with_source(std::io::Error::other(error.to_string()))
    })?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(KEY.get_or_init(|| text.into()))
}
