//! The places of values in plain SQL: `$1`, `$2`, …

use std::iter::Peekable;
use std::str::CharIndices;

use crate::error::{Error, ErrorKind};

/// Refuses more values than the statement names, which one backend would overlook, and fewer, which the other would.
pub(super) fn check_count(sql: &str, bound: usize) -> Result<(), Error> {
    let named = find(sql).map(|(_, number)| number).max().unwrap_or_default();
    if named == bound || (bound == 0 && is_definition(sql)) {
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
fn is_definition(sql: &str) -> bool {
    let word = sql.split_whitespace().next().unwrap_or_default();
    word.eq_ignore_ascii_case("PREPARE") || word.eq_ignore_ascii_case("CREATE")
}

/// `$1` as `?1`: SQLite takes `$1` for a name and numbers it by its first use.
pub(super) fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
    for (at, _) in find(sql) {
        out.push_str(&sql[copied..at]);
        out.push('?');
        copied = at + 1;
    }
    out.push_str(&sql[copied..]);
    out
}

/// Where placeholders stand, and their numbers; not in strings, quoted names and comments.
fn find(sql: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut characters = sql.char_indices().peekable();
    // A dollar inside a name is part of it.
    let mut in_name = false;
    std::iter::from_fn(move || {
        while let Some((at, character)) = characters.next() {
            let was_in_name = in_name;
            in_name = character.is_alphanumeric() || character == '_' || (character == '$' && was_in_name);
            let rest = &sql[at..];
            match character {
                '\'' | '"' => skip_past(&mut characters, at, rest[1..].find(character).map(|end| end + 2)),
                '-' if rest.starts_with("--") => skip_past(&mut characters, at, rest.find('\n')),
                '/' if rest.starts_with("/*") => {
                    skip_past(&mut characters, at, rest[2..].find("*/").map(|end| end + 4));
                }
                '$' if !was_in_name => {
                    let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                    if digits > 0 {
                        in_name = true;
                        return Some((at, rest[1..=digits].parse().unwrap_or(usize::MAX)));
                    }
                    if let Some(tag) = quote_tag(rest) {
                        let end = rest[tag.len()..].find(tag).map(|end| end + 2 * tag.len());
                        skip_past(&mut characters, at, end);
                    }
                }
                _ => {}
            }
        }
        None
    })
}

/// Goes on `length` bytes behind `at`, or at the end.
fn skip_past(characters: &mut Peekable<CharIndices<'_>>, at: usize, length: Option<usize>) {
    while characters.next_if(|(next, _)| length.is_none_or(|length| *next < at + length)).is_some() {}
}

/// What opens and closes a string of PostgreSQL's: `$$`, `$tag$`.
fn quote_tag(text: &str) -> Option<&str> {
    let length = text[1..].find(|character: char| !character.is_alphanumeric() && character != '_')?;
    text[1 + length..].starts_with('$').then(|| &text[..length + 2])
}

#[cfg(test)]
mod tests {
    use super::{check_count, find, numbered};

    #[test]
    fn placeholders_are_renumbered_outside_strings_names_and_comments() {
        assert_eq!(
            numbered("SELECT '$1', \"$2\", $2 -- $3\n, $10 /* $4 */ FROM t WHERE a = $1"),
            "SELECT '$1', \"$2\", ?2 -- $3\n, ?10 /* $4 */ FROM t WHERE a = ?1"
        );
        assert_eq!(numbered("SELECT 'it''s $1', $1"), "SELECT 'it''s $1', ?1");
        assert_eq!(numbered("SELECT '$1"), "SELECT '$1");
        assert_eq!(numbered("SELECT 1 -- $1"), "SELECT 1 -- $1");
    }

    #[test]
    fn what_a_statement_defines_may_have_values_of_its_own() {
        assert!(check_count("PREPARE p (int) AS SELECT $1", 0).is_ok());
        assert!(check_count("create function f(int) returns int return $1", 0).is_ok());
        assert!(check_count("SELECT $1", 0).is_err());
        assert!(check_count("PREPARE p AS SELECT 1", 1).is_err());
    }

    #[test]
    fn a_dollar_in_a_name_or_a_quoted_string_is_no_placeholder() {
        let numbers = |sql| find(sql).map(|(_, number)| number).collect::<Vec<_>>();
        assert_eq!(numbers("SELECT a$1, $$ $2 $$, $t$ $3 $$ $t$, ä$4, $5+$6"), [5, 6]);
        assert_eq!(numbers("SELECT $1::text,$2"), [1, 2]);
        assert_eq!(numbers("SELECT $$ $1"), Vec::<usize>::new());
    }
}
