//! JSON as PostgreSQL keeps it.

use std::io;

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// Writes a document's text. Floats are written out with a point: `jsonb` keeps numbers as decimals and would give `1e17`
/// back as an integer.
pub(super) fn write(document: &Value, out: &mut BytesMut) -> serde_json::Result<()> {
    document.serialize(&mut Serializer::with_formatter(out.writer(), PlainFloats))
}

struct PlainFloats;

impl Formatter for PlainFloats {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let text = value.to_string();
        writer.write_all(text.as_bytes())?;
        if text.contains('.') { Ok(()) } else { writer.write_all(b".0") }
    }
}
