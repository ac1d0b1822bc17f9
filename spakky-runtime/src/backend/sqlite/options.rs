//! What a connection is opened with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// What a connection is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqliteOptions {
    pub(crate) location: Location,
    /// How long a transaction waits for its turn to write.
    pub(crate) busy_timeout: Duration,
    /// How many prepared statements are kept.
    pub(crate) statement_cache_size: usize,
    /// Opens the file for reading only; it must exist.
    pub(crate) read_only: bool,
    /// Creates the file if there is none.
    pub(crate) create: bool,
    /// The permissions of the file, if they are set.
    pub(crate) file_mode: Option<u32>,
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// In memory, inside one connection.
    Memory,
    /// In a file, relative to the working directory if it does not start at the root.
    File(PathBuf),
}

impl SqliteOptions {
    /// Options for the database that a URL names: `sqlite://orders.db`, `sqlite:///var/lib/orders.db`,
    /// `sqlite::memory:`. `?mode=` is `rwc` (the default), `rw` (the file must exist) or `ro` (and is only read).
    ///
    /// # Errors
    /// When the URL names no database, or holds something that is not known.
    pub(crate) fn from_url(url: &str) -> Result<Self, Error> {
        let rest = url.strip_prefix("sqlite:").ok_or_else(|| invalid("it must start with `sqlite://`"))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        if rest.contains('#') {
            return Err(invalid("`#` in the path must be written `%23`"));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let location = match path {
            ":memory:" => Location::Memory,
            "" => return Err(invalid("it names no file; write `sqlite://orders.db` or `sqlite::memory:`")),
            _ => Location::File(PathBuf::from(decode(path)?)),
        };
        let mut options = SqliteOptions::new(location);
        for setting in query.split('&').filter(|setting| !setting.is_empty()) {
            match setting {
                "mode=rwc" => (options.create, options.read_only) = (true, false),
                "mode=rw" => (options.create, options.read_only) = (false, false),
                "mode=ro" => (options.create, options.read_only) = (false, true),
                _ => {
                    let name = setting.split_once('=').map_or(setting, |(name, _)| name);
                    return Err(invalid(if name == "mode" {
                        "`mode` is one of `ro`, `rw` and `rwc`".to_owned()
                    } else {
                        format!("`{name}` is not known there; only `mode` is, the rest are settings of their own")
                    }));
                }
            }
        }
        if options.location == Location::Memory && query.contains("mode=") {
            return Err(invalid("a database in memory has no `mode`"));
        }
        Ok(options)
    }

    /// The defaults for a database at `location`.
    pub(crate) fn new(location: Location) -> Self {
        SqliteOptions {
            location,
            busy_timeout: Duration::from_secs(5),
            statement_cache_size: 256,
            read_only: false,
            create: true,
            file_mode: None,
        }
    }

    /// Whether the database is in memory, so that there can be one connection only.
    pub(crate) fn is_memory(&self) -> bool {
        self.location == Location::Memory
    }

    /// The database in SQLite's own spelling.
    pub(super) fn uri(&self) -> String {
        match &self.location {
            Location::Memory => ":memory:".to_owned(),
            Location::File(path) => {
                let mode = if self.read_only {
                    "ro"
                } else if self.create {
                    "rwc"
                } else {
                    "rw"
                };
                format!("file:{}?mode={mode}", encode(path))
            }
        }
    }

    /// The database in a message.
    pub(super) fn name(&self) -> String {
        match &self.location {
            Location::Memory => ":memory:".to_owned(),
            Location::File(path) => path.display().to_string(),
        }
    }
}

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("read the `sqlite:` url: {reason}"))
}

/// `%20` and the like as what they stand for.
fn decode(path: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let value = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|value| *value != 0)
            .ok_or_else(|| invalid("a `%` in the path must be written `%25`"))?;
        bytes.push(value);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| invalid("the path is not UTF-8"))
}

/// A path as part of a `file:` URI.
fn encode(path: &Path) -> String {
    // On Unix these are the path's own bytes, whether they are UTF-8 or not.
    let path = path.as_os_str().as_encoded_bytes();
    let mut encoded = String::with_capacity(path.len() + 8);
    if cfg!(windows) && path.contains(&b':') {
        encoded.push('/');
    }
    for &byte in path {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte));
            }
            b'\\' if cfg!(windows) => encoded.push('/'),
            _ => {
                // Writing to a `String` cannot fail.
                let _ = write!(encoded, "%{byte:02x}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Location {
        Location::File(PathBuf::from(path))
    }

    fn reason(url: &str) -> String {
        SqliteOptions::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn a_url_names_a_relative_an_absolute_or_no_file() {
        for (url, location) in [
            ("sqlite://orders.db", file("orders.db")),
            ("sqlite:orders.db", file("orders.db")),
            ("sqlite://data/orders.db", file("data/orders.db")),
            ("sqlite:///var/lib/orders.db", file("/var/lib/orders.db")),
            ("sqlite://my%20orders%25.db", file("my orders%.db")),
            ("sqlite::memory:", Location::Memory),
            ("sqlite://:memory:", Location::Memory),
        ] {
            assert_eq!(SqliteOptions::from_url(url).unwrap().location, location, "{url}");
        }
    }

    #[test]
    fn the_mode_says_whether_the_file_is_created_and_written() {
        for (url, create, read_only) in [
            ("sqlite://a.db", true, false),
            ("sqlite://a.db?mode=rwc", true, false),
            ("sqlite://a.db?mode=rw", false, false),
            ("sqlite://a.db?mode=ro", false, true),
        ] {
            let options = SqliteOptions::from_url(url).unwrap();
            assert_eq!((options.create, options.read_only), (create, read_only), "{url}");
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert_eq!(
            reason("sqlite://a.db?cache=shared"),
            "read the `sqlite:` url: `cache` is not known there; only `mode` is, the rest are settings of their own"
        );
        assert_eq!(reason("sqlite://a.db?mode=fast"), "read the `sqlite:` url: `mode` is one of `ro`, `rw` and `rwc`");
        assert_eq!(reason("sqlite://a%zz.db"), "read the `sqlite:` url: a `%` in the path must be written `%25`");
        assert_eq!(reason("sqlite://:memory:?mode=ro"), "read the `sqlite:` url: a database in memory has no `mode`");
        assert_eq!(
            reason("sqlite://"),
            "read the `sqlite:` url: it names no file; write `sqlite://orders.db` or `sqlite::memory:`"
        );
    }

    #[test]
    fn a_path_survives_the_way_to_sqlite() {
        let options = SqliteOptions::new(file("/tmp/a b?c#d%.db"));
        assert_eq!(options.uri(), "file:/tmp/a%20b%3fc%23d%25.db?mode=rwc");
    }
}
