//! What a server said was wrong.

use std::error::Error;
use std::fmt;

/// An `ErrorResponse`, by its fields.
///
/// Its detail may quote what is stored: it is kept for whoever asks for it, and shown by nothing here.
#[derive(Clone, Default)]
pub(super) struct ServerError {
    /// In English, whatever language the server speaks: `ERROR`, `FATAL`, `PANIC`.
    pub(super) severity: String,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
    /// Where in the text, counted in characters from 1.
    pub(super) position: Option<i32>,
    pub(super) table: Option<String>,
    pub(super) column: Option<String>,
    pub(super) constraint: Option<String>,
}

impl ServerError {
    /// Reads the body of the message: fields of a type and a text each, up to a zero. What is not known is passed over.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut error = ServerError::default();
        for field in body.split(|byte| *byte == 0) {
            let Some((kind, text)) = field.split_first() else { continue };
            let text = String::from_utf8_lossy(text).into_owned();
            match kind {
                b'V' => error.severity = text,
                // Servers before 9.6, and some poolers, send no other.
                b'S' if error.severity.is_empty() => error.severity = text,
                b'C' => error.code = text,
                b'M' => error.message = text,
                b'D' => error.detail = Some(text),
                b'H' => error.hint = Some(text),
                b'P' => error.position = text.parse().ok(),
                b't' => error.table = Some(text),
                b'c' => error.column = Some(text),
                b'n' => error.constraint = Some(text),
                _ => {}
            }
        }
        error
    }

    /// Whether the server ends the connection with it.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(&*self.severity, "FATAL" | "PANIC")
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerError")
            .field("severity", &self.severity)
            .field("code", &self.code)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Error for ServerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_whatever_their_order() {
        let error = ServerError::read(b"SFEHLER\0VERROR\0C23505\0Mdoppelt\0DKey (id)=(7)\0tdocs\0nkey\0P12\0Xnew\0\0");
        assert_eq!((&*error.severity, &*error.code, &*error.message), ("ERROR", "23505", "doppelt"));
        assert_eq!((error.table.as_deref(), error.constraint.as_deref()), (Some("docs"), Some("key")));
        assert_eq!(error.position, Some(12));
        assert!(!error.is_fatal());
        assert!(!format!("{error} {error:?}").contains("(7)"), "the detail quotes what is stored");
    }

    #[test]
    fn a_severity_without_its_english_form_is_taken_as_it_is() {
        assert!(ServerError::read(b"SFATAL\0C08P01\0Mserver closed\0\0").is_fatal());
        assert_eq!(ServerError::read(b"").code, "");
    }
}
