//! The places of values in plain SQL: `$1`, `$2`, … on both backends, and SQLite's own on SQLite.

use super::{Dialect, Kind, Token, Tokens, first_word};
use crate::backend::Backend;
use crate::error::{Error, ErrorKind};

/// Refuses more values than the statement names, which one backend would overlook, and fewer, which the other would.
pub(crate) fn check_count(sql: &str, bound: usize, backend: Backend) -> Result<(), Error> {
    let dialect = Dialect::from(backend);
    let named = count(sql, dialect);
    if named == bound || (bound == 0 && is_definition(sql, dialect)) {
        return Ok(());
    }
    // Where a text ends may be up to a setting of the server, which then counts for itself.
    let escaped = Dialect::Postgres { backslashes: true };
    if backend == Backend::Postgres && sql.contains('\\') && count(sql, escaped) == bound {
        return Ok(());
    }
    let names = match named {
        0 => "no value".to_owned(),
        1 => "a value as `$1`".to_owned(),
        number => format!("values up to `${number}`"),
    };
    let were = match bound {
        0 => "none was".to_owned(),
        1 => "1 was".to_owned(),
        number => format!("{number} were"),
    };
    let message = format!("run plain SQL: the statement names {names}, and {were} bound");
    Err(Error::new(ErrorKind::InvalidQuery, message))
}

/// Whether the values are those of what is defined: `PREPARE … AS`, `CREATE FUNCTION …`.
fn is_definition(sql: &str, dialect: Dialect) -> bool {
    let word = first_word(sql, dialect);
    word.eq_ignore_ascii_case("PREPARE") || word.eq_ignore_ascii_case("CREATE")
}

/// `$1` as `?1`: SQLite takes `$1` for a name and numbers it by its first use.
pub(crate) fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
    for token in Tokens::new(sql, Dialect::Sqlite).filter(|token| token.text.starts_with('$')) {
        if number(&token).is_some() {
            out.push_str(&sql[copied..token.start]);
            out.push('?');
            copied = token.start + 1;
        }
    }
    out.push_str(&sql[copied..]);
    out
}

/// The number that a place names.
fn number(token: &Token<'_>) -> Option<usize> {
    let digits = token.text.get(1..).filter(|_| token.kind == Kind::Place && token.text.starts_with(['$', '?']))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// How many values a statement takes. SQLite gives a place without a number the next one, and a name the same one each time.
pub(crate) fn count(sql: &str, dialect: Dialect) -> usize {
    let mut names: Vec<&str> = Vec::new();
    let mut last = 0_usize;
    for token in Tokens::new(sql, dialect).filter(|token| token.kind == Kind::Place) {
        match number(&token) {
            Some(number) => last = last.max(number),
            None if token.text == "?" => last = last.saturating_add(1),
            None if names.contains(&token.text) => {}
            None => {
                names.push(token.text);
                last = last.saturating_add(1);
            }
        }
    }
    last
}
