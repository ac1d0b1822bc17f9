//! The messages that every burst has many of, each written in as few steps as it has parts. `postgres-protocol` writes those that
//! are sent seldom.

use std::error::Error;

use bytes::BytesMut;
use postgres_protocol::IsNull;

use super::error::mapping_error;
use crate::error::DatabaseError;

/// The end of a burst.
pub(super) const SYNC: &[u8] = b"S\x00\x00\x00\x04";
/// Has what comes before be answered without an end.
pub(super) const FLUSH: &[u8] = b"H\x00\x00\x00\x04";
/// Asks for all rows of the unnamed portal.
pub(super) const EXECUTE: &[u8] = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00";
/// Has the unnamed statement, which has no values, run in the unnamed portal.
const BIND_NOTHING: &[u8] = b"B\x00\x00\x00\x10\x00\x00\x00\x01\x00\x01\x00\x00\x00\x01\x00\x01";

/// Prepares a text without values as the unnamed statement, and has all of it run.
pub(super) fn run_text(text: &str, out: &mut BytesMut) -> Result<(), DatabaseError> {
    if text.as_bytes().contains(&0) {
        return Err(mapping_error("a statement has a NUL character in its text"));
    }
    // The length counts itself, the name's end, the text, its end and the count of types.
    let length = u32::try_from(4 + 1 + text.len() + 1 + 2).map_err(|_| too_long())?;
    out.reserve(1 + 4 + 1 + text.len() + 3 + BIND_NOTHING.len() + EXECUTE.len());
    let [a, b, c, d] = length.to_be_bytes();
    out.extend_from_slice(&[b'P', a, b, c, d, 0]);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&[0, 0, 0]);
    out.extend_from_slice(BIND_NOTHING);
    out.extend_from_slice(EXECUTE);
    Ok(())
}

/// Gives a statement its values, all of them binary as its rows are, in the unnamed portal.
pub(super) fn bind<V>(
    statement: &str,
    values: impl Iterator<Item = V>,
    mut write: impl FnMut(V, &mut BytesMut) -> Result<IsNull, Box<dyn Error + Send + Sync>>,
    out: &mut BytesMut,
) -> Result<(), DatabaseError> {
    let start = out.len();
    out.extend_from_slice(b"B\x00\x00\x00\x00\x00");
    out.extend_from_slice(statement.as_bytes());
    // The end of the name, one format for all values, and their count.
    out.extend_from_slice(&[0, 0, 1, 0, 1, 0, 0]);
    let counted = out.len() - 2;
    let mut count = 0_u16;
    for value in values {
        count = count.checked_add(1).ok_or_else(too_long)?;
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        let length = match write(value, out).map_err(|error| mapping_error(error.to_string()))? {
            IsNull::Yes => -1,
            IsNull::No => i32::try_from(out.len() - at - 4).map_err(|_| too_long())?,
        };
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
    out[counted..counted + 2].copy_from_slice(&count.to_be_bytes());
    // One format for all columns.
    out.extend_from_slice(&[0, 1, 0, 1]);
    let length = i32::try_from(out.len() - start - 1).map_err(|_| too_long())?;
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

pub(super) fn too_long() -> DatabaseError {
    mapping_error("a statement has more or longer values than can be sent")
}

#[cfg(test)]
mod tests {
    use postgres_protocol::message::frontend;

    use super::*;

    #[test]
    fn what_is_written_here_is_what_the_protocol_has() {
        let mut library = BytesMut::new();
        frontend::parse("", "COMMIT", [], &mut library).unwrap();
        let nothing = |(): (), _: &mut BytesMut| Ok(IsNull::Yes);
        frontend::bind("", "", [1], std::iter::empty(), nothing, [1], &mut library).map_err(|_| ()).unwrap();
        frontend::execute("", 0, &mut library).unwrap();
        frontend::flush(&mut library);
        frontend::sync(&mut library);
        let mut own = BytesMut::new();
        run_text("COMMIT", &mut own).unwrap();
        own.extend_from_slice(FLUSH);
        own.extend_from_slice(SYNC);
        assert_eq!(own, library);
        assert!(run_text("SELECT '\0'", &mut own).is_err());
    }

    #[test]
    fn values_are_bound_as_the_protocol_has_them() {
        let values = [None, Some("a"), Some(""), Some("longer than the others")];
        let write = |value: Option<&str>, out: &mut BytesMut| {
            value.map_or(Ok(IsNull::Yes), |value| {
                out.extend_from_slice(value.as_bytes());
                Ok(IsNull::No)
            })
        };
        let (mut own, mut library) = (BytesMut::from("ahead"), BytesMut::from("ahead"));
        bind("name", values.into_iter(), write, &mut own).unwrap();
        frontend::bind("", "name", [1], values, write, [1], &mut library).map_err(|_| ()).unwrap();
        assert_eq!(own, library);
        let many = std::iter::repeat_n(None, 65_536);
        assert_eq!(bind("", many, write, &mut own).unwrap_err().message, too_long().message);
        let refused = |(), _: &mut BytesMut| Err("no such value".into());
        assert_eq!(bind("", [()].into_iter(), refused, &mut own).unwrap_err().message, "no such value");
    }
}
