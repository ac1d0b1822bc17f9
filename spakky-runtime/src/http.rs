//! What a service over HTTP needs of the library, whatever its framework: the context of a request from its headers, a
//! version as an entity tag, and the status of an error.
//!
//! Headers are whatever has bytes, such as `&str` and the `HeaderValue` of the crate `http`; a status is its number.

use std::fmt;

use crate::repository::Versioned;
use crate::{Error, ErrorKind, RequestContext, Revision};

/// A row's version as a strong entity tag: `"7"`.
///
/// The answer to a GET carries it as `ETag`; the PUT that follows sends it back as `If-Match`, and
/// [`save_if`](crate::Repository::save_if) writes under it.
///
/// ```
/// use spakky_runtime::http::ETag;
///
/// assert_eq!(ETag::new(7).to_string(), "\"7\"");
/// assert_eq!(ETag::of_if_match("\"7\"").version(), 7);
/// // What names no version of a row is version 0, which no row has: a write under it is a conflict.
/// assert_eq!(ETag::of_if_match("\"of another service\"").version(), 0);
/// // Whatever the row is now, if it is there.
/// assert_eq!(ETag::of_if_match("*"), ETag::ANY);
/// // The client has version 7 already: 304 Not Modified.
/// assert!(ETag::new(7).is_in("\"6\", W/\"7\""));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag(i64);

impl ETag {
    /// The tag of this version.
    pub fn new(version: i64) -> Self {
        ETag(version)
    }

    /// The version.
    pub fn version(self) -> i64 {
        self.0
    }

    /// The tag of `If-Match: *`, which every row has: [`save_if`](crate::Repository::save_if) and
    /// [`attach`](crate::Repository::attach) under its version write whatever version the row is at, if it is there.
    pub const ANY: ETag = ETag(-1);

    /// The tag under which a write fulfils the header `If-Match`: the one that it names; of a list the greatest, since a
    /// client that has seen that version knows that no earlier one is left; [`ANY`](Self::ANY) for `*`. A tag that is none of
    /// ours and a weak one name no version of a row, so that theirs is 0, which a write under it finds to be a conflict.
    ///
    /// Where the row is at hand, [`matches`](Self::matches) tells by its own tag.
    pub fn of_if_match(header: impl AsRef<[u8]>) -> Self {
        match trimmed(header.as_ref()) {
            "*" => ETag::ANY,
            list => ETag(list.split(',').filter_map(|tag| version(tag.trim())).max().unwrap_or_default()),
        }
    }

    /// Whether the row that has this tag fulfils the header `If-Match`, by the strong comparison of RFC 9110: the header is `*`
    /// or names this tag, alone or in a list. Else the answer is `412 Precondition Failed`.
    pub fn matches(self, if_match: impl AsRef<[u8]>) -> bool {
        let header = trimmed(if_match.as_ref());
        header == "*" || header.split(',').any(|tag| version(tag.trim()) == Some(self.0))
    }

    /// Whether the header `If-None-Match` names this tag, so that the client has what it asks for: `304 Not Modified`. Any tag of a
    /// list counts, weak ones too, and so does `*`.
    pub fn is_in(self, if_none_match: impl AsRef<[u8]>) -> bool {
        let header = trimmed(if_none_match.as_ref());
        let strong = |tag: &str| version(tag.strip_prefix("W/").unwrap_or(tag));
        header == "*" || header.split(',').any(|tag| strong(tag.trim()) == Some(self.0))
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl Revision {
    /// The version as an entity tag; version 0 of what was never stored.
    pub fn etag(&self) -> ETag {
        ETag(self.version().unwrap_or_default())
    }
}

impl<T> Versioned<T> {
    /// The version as an entity tag.
    pub fn etag(&self) -> ETag {
        ETag(self.version)
    }
}

/// A header's text; the empty one if it is none.
fn trimmed(header: &[u8]) -> &str {
    std::str::from_utf8(header).unwrap_or_default().trim()
}

/// The version in a strong tag, spelled as [`ETag`] spells it.
fn version(tag: &str) -> Option<i64> {
    let version = tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok().filter(|version| *version >= 0)?;
    (ETag(version).to_string() == tag).then_some(version)
}

/// The longest correlation id that is taken from a header, in bytes.
const LONGEST_ID: usize = 128;

impl RequestContext {
    /// What the headers of a request say of it: the W3C `traceparent`, and `x-correlation-id`, or else `x-request-id`, as the
    /// correlation id. `header` looks one up by its name in lower case.
    ///
    /// They are anybody's: a trace that is none, and an id of more than 128 bytes or of other than visible ASCII, are left
    /// out. Tenant and actor are in none of them: take those from a token that was checked.
    ///
    /// ```
    /// # use std::collections::HashMap;
    /// use spakky_runtime::RequestContext;
    ///
    /// let headers = HashMap::from([("x-request-id", "r-17")]);
    /// let context = RequestContext::from_headers(|name| headers.get(name)).tenant("acme");
    /// assert_eq!(context.get_correlation_id(), Some("r-17"));
    /// ```
    pub fn from_headers<V: AsRef<[u8]>>(header: impl Fn(&str) -> Option<V>) -> Self {
        let text = |name, is_good: fn(&[u8]) -> bool| {
            let value = header(name)?;
            let bytes = value.as_ref();
            is_good(bytes).then(|| String::from_utf8_lossy(bytes).into_owned())
        };
        let mut context = RequestContext::new();
        if let Some(id) = text("x-correlation-id", is_id).or_else(|| text("x-request-id", is_id)) {
            context = context.correlation_id(id);
        }
        if let Some(trace) = text("traceparent", is_traceparent) {
            context = context.traceparent(trace);
        }
        context
    }
}

fn is_id(bytes: &[u8]) -> bool {
    (1..=LONGEST_ID).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// Whether this is `version-trace-parent-flags` in hexadecimal digits of lower case, with a trace and a parent that are not
/// all zeros. Later versions may have more behind that.
fn is_traceparent(bytes: &[u8]) -> bool {
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'-').collect();
    let [version, trace, parent, flags, more @ ..] = parts.as_slice() else { return false };
    let is_hex =
        |part: &[u8], digits| part.len() == digits && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    is_hex(version, 2)
        && *version != b"ff"
        && is_hex(trace, 32)
        && is_set(trace)
        && is_hex(parent, 16)
        && is_set(parent)
        && is_hex(flags, 2)
        && (more.is_empty() || (*version != b"00" && bytes.iter().all(u8::is_ascii_graphic)))
}

impl Error {
    /// The status with which a service answers a request that fails with this error. Its text is
    /// [`message`](Self::message).
    ///
    /// | status | kinds |
    /// |---|---|
    /// | 400 | a query or a cursor that cannot be; no tenant or actor where one is needed |
    /// | 403 | a row for another tenant |
    /// | 404 | a row that is not there |
    /// | 409 | a value that is taken, a reference to nothing or from something |
    /// | 412 | a row that is no longer as the client knew it |
    /// | 422 | a check, a value that is missing, or one that cannot be stored: too long, out of range, with a NUL character |
    /// | 503 | what may pass: locks, time-outs, lost connections, a full pool or disk |
    /// | 500 | all others, which are the service's own |
    pub fn http_status(&self) -> u16 {
        match self.kind() {
            ErrorKind::InvalidQuery
            | ErrorKind::InvalidCursor
            | ErrorKind::TenantRequired
            | ErrorKind::ActorRequired => 400,
            ErrorKind::TenantMismatch => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation => 409,
            ErrorKind::Conflict | ErrorKind::StaleCopy => 412,
            ErrorKind::NotNullViolation | ErrorKind::CheckViolation => 422,
            ErrorKind::Mapping if self.is_given() => 422,
            ErrorKind::SerializationFailure
            | ErrorKind::Deadlock
            | ErrorKind::LockTimeout
            | ErrorKind::Timeout
            | ErrorKind::PoolTimeout
            | ErrorKind::Connection
            | ErrorKind::ResourceExhausted => 503,
            ErrorKind::PoolDeadlock
            | ErrorKind::OutcomeUnknown
            | ErrorKind::RollbackOnly
            | ErrorKind::NoSession
            | ErrorKind::ReadOnly
            | ErrorKind::Mapping
            | ErrorKind::Schema
            | ErrorKind::Config
            | ErrorKind::PostCommit
            | ErrorKind::NotLoaded
            | ErrorKind::InvalidTransaction
            | ErrorKind::Custom
            | ErrorKind::Database => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_names_no_version_of_ours_is_version_0() {
        for header in ["\"7\"", "  \"7\" "] {
            assert_eq!(ETag::of_if_match(header), ETag::new(7), "{header}");
        }
        assert_eq!((ETag::of_if_match(" * "), ETag::of_if_match("\"7\", \"8\"")), (ETag::ANY, ETag::new(8)));
        let others: [&[u8]; 10] =
            [b"7", b"W/\"7\"", b"\"07\"", b"\"+7\"", b"\"-1\"", b"\"", b"", b"\"\"", b"\"7", b"\xff\"7\""];
        for header in others {
            assert_eq!(ETag::of_if_match(header), ETag::new(0), "{header:?}");
        }
        assert_eq!(ETag::of_if_match(ETag::new(i64::MAX).to_string()).version(), i64::MAX);
        assert_eq!(Revision::default().etag(), ETag::new(0));
    }

    #[test]
    fn a_tag_is_found_in_a_list_also_weakly() {
        for header in ["\"7\"", "W/\"7\"", "\"a\", W/\"7\" , \"8\"", "*"] {
            assert!(ETag::new(7).is_in(header), "{header}");
        }
        for header in ["", "\"8\"", "7", "\"77\"", "W/7", "\"a,\"7", "\"*\""] {
            assert!(!ETag::new(7).is_in(header), "{header}");
        }
    }

    #[test]
    fn headers_that_are_not_as_they_should_be_are_left_out() {
        let of = |name: &'static str, value: &'static [u8]| {
            let context = RequestContext::from_headers(|asked| (asked == name).then_some(value));
            (context.get_correlation_id().map(str::to_owned), context.get_traceparent().map(str::to_owned))
        };
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(of("traceparent", trace.as_bytes()), (None, Some(trace.to_owned())));
        assert!(of("traceparent", b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").1.is_some());
        let refused: [&[u8]; 8] = [
            b"",
            b"00",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01\n",
        ];
        for value in refused {
            assert_eq!(of("traceparent", value), (None, None), "{value:?}");
        }
        assert_eq!(of("x-correlation-id", b"c-1"), (Some("c-1".to_owned()), None));
        let refused: [&[u8]; 4] = [b"", b"a b", b"a\x00", b"\xc3\xa4"];
        for value in refused {
            assert_eq!(of("x-request-id", value), (None, None), "{value:?}");
        }
        let both = RequestContext::from_headers(|name| name.starts_with("x-").then_some(name.to_owned()));
        assert_eq!(both.get_correlation_id(), Some("x-correlation-id"));
        let long = |length| RequestContext::from_headers(|name| (name == "x-request-id").then(|| "r".repeat(length)));
        assert_eq!(long(128).get_correlation_id().map(str::len), Some(128));
        assert_eq!(long(129).get_correlation_id(), None);
    }
}
