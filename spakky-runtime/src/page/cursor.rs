//! Cursors: a place in the order of a query, signed, so that it is what we gave out and belongs to this query.
//!
//! ```text
//! base64url( version | HMAC-SHA256 | direction | values )
//! ```
//!
//! Signed is the version, what the cursor is bound to (table, filters, sort, tenant: worked out anew, never in the
//! cursor), and the rest. Whatever is wrong with a cursor, the answer is one error, which does not repeat it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::codec::{push_part, push_value, take, take_value};
use crate::backend::Statement;
use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::schema::TableDescriptor;
use crate::value::Value;

const VERSION: u8 = 1;
const SIGNATURE: usize = 32;
/// Longer than a cursor over the longest texts that anybody sorts by.
const LONGEST: usize = 64 * 1024;

/// Which rows a cursor leads to, seen from its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Those behind it.
    After,
    /// Those before it.
    Before,
    /// The row at it, and those behind.
    From,
    /// The row at it, and those before.
    UpTo,
}

impl Direction {
    const ALL: [Direction; 4] = [Direction::After, Direction::Before, Direction::From, Direction::UpTo];

    pub(crate) fn is_backward(self) -> bool {
        matches!(self, Direction::Before | Direction::UpTo)
    }

    /// The same direction, with the row at the place or without it.
    pub(crate) fn with_place(self, include: bool) -> Self {
        match (self.is_backward(), include) {
            (false, false) => Direction::After,
            (false, true) => Direction::From,
            (true, false) => Direction::Before,
            (true, true) => Direction::UpTo,
        }
    }

    pub(crate) fn includes_place(self) -> bool {
        matches!(self, Direction::From | Direction::UpTo)
    }
}

/// A place in the order of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) direction: Direction,
    pub(crate) values: Vec<Value>,
}

/// What the cursors of a query are bound to: the table, the filters and sort keys of the query, the tenant. A hash of it,
/// since it is signed up to three times.
pub(crate) fn binding(table: &TableDescriptor, question: &Statement) -> [u8; 32] {
    let mut bytes = Vec::new();
    push_part(&mut bytes, table.schema.unwrap_or_default().as_bytes());
    push_part(&mut bytes, table.name.as_bytes());
    push_part(&mut bytes, question.sql.as_bytes());
    for bind in &question.binds {
        push_value(&mut bytes, &bind.value);
    }
    // No tenant is another than one without a name.
    match RequestContext::current().get_tenant() {
        Some(tenant) => push_part(&mut bytes, format!("tenant {tenant}").as_bytes()),
        None => push_part(&mut bytes, b""),
    }
    Sha256::digest(&bytes).into()
}

impl Cursor {
    /// The cursor as text, signed with `key`.
    pub(crate) fn seal(&self, key: &SecretString, binding: &[u8]) -> String {
        let mut payload = vec![self.direction as u8];
        self.values.iter().for_each(|value| push_value(&mut payload, value));
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&mac(key, binding, &payload).finalize().into_bytes());
        bytes.extend_from_slice(&payload);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor that was signed with one of the keys.
    ///
    /// # Errors
    /// [`is_invalid_cursor`](Error::is_invalid_cursor), whatever is wrong with it.
    pub(crate) fn open<'k>(
        text: &str,
        mut keys: impl Iterator<Item = &'k SecretString>,
        binding: &[u8],
    ) -> Result<Self, Error> {
        let decoded = (text.len() <= LONGEST).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten();
        let bytes = decoded.ok_or_else(invalid)?;
        let mut rest = bytes.as_slice();
        let (version, signature) = (take(&mut rest, 1), take(&mut rest, SIGNATURE));
        let (Some([VERSION]), Some(signature)) = (version, signature) else { return Err(invalid()) };
        // In constant time, and before anything else is read.
        if !keys.any(|key| mac(key, binding, rest).verify_slice(signature).is_ok()) {
            return Err(invalid());
        }
        let direction = take(&mut rest, 1).and_then(|byte| Direction::ALL.get(usize::from(byte[0])));
        let direction = *direction.ok_or_else(invalid)?;
        let mut values = Vec::new();
        while !rest.is_empty() {
            values.push(take_value(&mut rest).ok_or_else(invalid)?);
        }
        Ok(Cursor { direction, values })
    }
}

/// Whatever is wrong with a cursor, so that it tells nobody how to make one.
pub(super) fn invalid() -> Error {
    Error::new(
        ErrorKind::InvalidCursor,
        "read the cursor: it is not one of this query; start again from the first page, and change filters, sort keys and \
         tenant only without a cursor",
    )
}

fn mac(key: &SecretString, binding: &[u8], payload: &[u8]) -> Hmac<Sha256> {
    let mut parts = Vec::new();
    push_part(&mut parts, b"spakky cursor");
    push_part(&mut parts, &[VERSION]);
    push_part(&mut parts, binding);
    push_part(&mut parts, payload);
    let mut mac = new_mac(key.expose_secret().as_bytes());
    mac.update(&parts);
    mac
}

/// The key is hashed to a length that HMAC takes as it is, so that there is no failure.
fn new_mac(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&Sha256::digest(key));
    Hmac::new(&block.into())
}
