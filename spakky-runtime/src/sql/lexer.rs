//! SQL taken apart into words, names, texts and signs, as the database's own scanner does.
//!
//! | | PostgreSQL | SQLite |
//! |---|---|---|
//! | `/* */` | may hold others | ends at the first `*/`, or with the text |
//! | `--` | ends at a line feed or a carriage return | ends at a line feed |
//! | `'…'` | goes on behind a line break and a further `'`; with `standard_conforming_strings = off` a backslash takes the next character | only `''` stands for a quote |
//! | `E'…'` `U&'…'` `B'…'` `X'…'` `N'…'` | one text; a backslash takes the next character in `E'…'` | `X'…'` alone |
//! | `$tag$…$tag$` | a text | no text |
//! | names | `"…"`, `U&"…"` | `"…"`, `` `…` ``, `[…]` |
//! | places of values | `$1` | `?`, `?1`, `:a`, `@a`, `$a` |
//! | a byte order mark | part of a name | a space |
//!
//! What is not closed ends with the text.

use crate::backend::Backend;

/// Whose SQL a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// PostgreSQL's.
    Postgres {
        /// Whether a backslash takes the next character in a plain text, too: `standard_conforming_strings = off`.
        backslashes: bool,
    },
    /// SQLite's.
    Sqlite,
    /// That of an expression which a table's description holds for either.
    #[cfg_attr(
        not(all(feature = "migrations", any(feature = "postgres", feature = "sqlite"))),
        expect(dead_code, reason = "only tables are compared without a database at hand")
    )]
    Shared,
}

impl From<Backend> for Dialect {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Postgres => Dialect::Postgres { backslashes: false },
            Backend::Sqlite => Dialect::Sqlite,
        }
    }
}

/// A piece of SQL, as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Where it starts, in bytes.
    pub(crate) start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or a plain name.
    Word,
    /// A name in double quotes, backticks or brackets.
    Quoted,
    /// A text, also one between dollars, or a blob.
    Text,
    Number,
    /// Where a value is bound.
    Place,
    Sign,
}

impl Token<'_> {
    #[cfg(any(test, feature = "migrations", feature = "postgres"))]
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(crate) fn is(&self, sign: char) -> bool {
        self.kind == Kind::Sign && self.text.starts_with(sign)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(crate) fn is_any_word(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(word))
    }

    /// The name that a word or a quoted name stands for.
    pub(crate) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_owned()),
            Kind::Quoted => {
                let quote = self.text.chars().next_back()?;
                let open = self.text.find(['"', '`', '['])? + 1;
                let inner = self.text.get(open..self.text.len() - 1)?;
                Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            // SQLite takes a text for a name where a name must stand.
            Kind::Text => Some(self.text.trim_matches('\'').replace("''", "'")),
            Kind::Number | Kind::Place | Kind::Sign => None,
        }
    }
}

/// The pieces of a text, one by one; comments and spaces are left out.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    sql: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(sql: &'a str, dialect: Dialect) -> Self {
        Tokens { sql, at: 0, dialect }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let start = self.at;
            let rest = self.sql.get(start..).filter(|rest| !rest.is_empty())?;
            let (kind, length) = self.dialect.read(rest);
            self.at += length;
            if let Some(kind) = kind {
                return Some(Token { kind, text: rest.get(..length)?, start });
            }
        }
    }
}

/// What a byte of a name may be, behind its first: everything beyond ASCII is part of names.
fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

impl Dialect {
    fn is_sqlite(self) -> bool {
        self == Dialect::Sqlite
    }

    fn is_postgres(self) -> bool {
        matches!(self, Dialect::Postgres { .. })
    }

    fn has_backslashes(self) -> bool {
        self == Dialect::Postgres { backslashes: true }
    }

    /// What a text begins with, and how long that is; spaces and comments are nothing.
    fn read(self, rest: &str) -> (Option<Kind>, usize) {
        let bytes = rest.as_bytes();
        let next = bytes.get(1).copied().unwrap_or_default();
        match bytes[0] {
            b' ' | b'\t'..=b'\r' => (None, 1),
            0xEF if self.is_sqlite() && rest.starts_with('\u{FEFF}') => (None, 3),
            b'-' if next == b'-' => (None, self.line_comment(bytes)),
            b'/' if next == b'*' => (None, self.block_comment(bytes)),
            b'\'' => (Some(Kind::Text), self.text(bytes, 0, self.has_backslashes())),
            b'"' => (Some(Kind::Quoted), enclosed(bytes, 0)),
            b'`' if !self.is_postgres() => (Some(Kind::Quoted), enclosed(bytes, 0)),
            b'[' if self.is_bracket_name(bytes) => (Some(Kind::Quoted), until(bytes, 1, b"]")),
            b'x' | b'X' if next == b'\'' => (Some(Kind::Text), self.text(bytes, 1, false)),
            b'e' | b'E' if next == b'\'' && !self.is_sqlite() => (Some(Kind::Text), self.text(bytes, 1, true)),
            b'b' | b'B' if next == b'\'' && self.is_postgres() => (Some(Kind::Text), self.text(bytes, 1, false)),
            b'n' | b'N' if next == b'\'' && self.is_postgres() => {
                (Some(Kind::Text), self.text(bytes, 1, self.has_backslashes()))
            }
            b'u' | b'U' if next == b'&' && self.is_postgres() && bytes.get(2) == Some(&b'\'') => {
                (Some(Kind::Text), self.text(bytes, 2, false))
            }
            b'u' | b'U' if next == b'&' && self.is_postgres() && bytes.get(2) == Some(&b'"') => {
                (Some(Kind::Quoted), enclosed(bytes, 2))
            }
            b'$' | b':' | b'@' | b'#' | b'?' if self.is_sqlite() => variable(bytes),
            b'$' => dollar(rest),
            b'0'..=b'9' => (Some(Kind::Number), number(bytes)),
            b'.' if next.is_ascii_digit() => (Some(Kind::Number), number(bytes)),
            byte if is_in_name(byte) => (Some(Kind::Word), length_of(bytes, |byte| is_in_name(byte) || byte == b'$')),
            _ => (Some(Kind::Sign), 1),
        }
    }

    fn line_comment(self, bytes: &[u8]) -> usize {
        length_of(bytes, |byte| byte != b'\n' && (byte != b'\r' || self.is_sqlite()))
    }

    fn block_comment(self, bytes: &[u8]) -> usize {
        if self.is_sqlite() {
            return until(bytes, 2, b"*/");
        }
        let (mut at, mut depth) = (2, 1);
        while depth > 0 && at < bytes.len() {
            match &bytes[at..] {
                [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
                [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
                _ => at += 1,
            }
        }
        at
    }

    /// Brackets hold a name in SQLite, and positions of an array in PostgreSQL.
    fn is_bracket_name(self, bytes: &[u8]) -> bool {
        match self {
            Dialect::Postgres { .. } => false,
            Dialect::Sqlite => true,
            Dialect::Shared => {
                let is_name = bytes.get(1).is_some_and(|&first| is_in_name(first) && !first.is_ascii_digit());
                is_name && bytes.contains(&b']')
            }
        }
    }

    /// The length of a text whose quote stands at `open`.
    fn text(self, bytes: &[u8], open: usize, backslashes: bool) -> usize {
        let mut at = open + 1;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            if backslashes && byte == b'\\' {
                at += 1;
            } else if byte == b'\'' {
                if bytes.get(at) == Some(&b'\'') {
                    at += 1;
                } else if let Some(length) = self.continuation(&bytes[at..]) {
                    at += length;
                } else {
                    return at;
                }
            }
        }
        bytes.len()
    }

    /// How far a text goes on behind its quote: a line break and a further quote, with spaces and comments of a line between.
    fn continuation(self, bytes: &[u8]) -> Option<usize> {
        if self.is_sqlite() {
            return None;
        }
        let (mut at, mut is_new_line) = (0, false);
        loop {
            match bytes.get(at..)? {
                [b'\n' | b'\r', ..] => (at, is_new_line) = (at + 1, true),
                [b' ' | b'\t' | b'\x0b' | b'\x0c', ..] => at += 1,
                comment @ [b'-', b'-', ..] => at += self.line_comment(comment),
                [b'\'', ..] if is_new_line => return Some(at + 1),
                _ => return None,
            }
        }
    }
}

fn length_of(bytes: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !is_part(byte)).unwrap_or(bytes.len())
}

/// The length up to the end of `close`, looked for from `at` on.
fn until(bytes: &[u8], at: usize, close: &[u8]) -> usize {
    let found = bytes.get(at..).and_then(|rest| rest.windows(close.len()).position(|window| window == close));
    found.map_or(bytes.len(), |found| at + found + close.len())
}

/// The length of a name whose quote stands at `open`; the quote written twice is one inside.
fn enclosed(bytes: &[u8], open: usize) -> usize {
    let quote = bytes[open];
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == quote {
            if bytes.get(at) != Some(&quote) {
                return at;
            }
            at += 1;
        }
    }
    bytes.len()
}

fn number(bytes: &[u8]) -> usize {
    length_of(bytes, |byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

/// PostgreSQL's `$1` and `$tag$…$tag$`.
fn dollar(rest: &str) -> (Option<Kind>, usize) {
    let bytes = rest.as_bytes();
    let digits = length_of(&bytes[1..], |byte| byte.is_ascii_digit());
    if digits > 0 {
        return (Some(Kind::Place), 1 + digits);
    }
    let end = 1 + length_of(&bytes[1..], is_in_name);
    if bytes.get(end) != Some(&b'$') {
        return (Some(Kind::Sign), 1);
    }
    (Some(Kind::Text), until(bytes, end + 1, &bytes[..=end]))
}

/// SQLite's `?`, `?1`, `:a`, `@a`, `#a`, `$a`, `$a::b(c)`.
fn variable(bytes: &[u8]) -> (Option<Kind>, usize) {
    if bytes[0] == b'?' {
        return (Some(Kind::Place), 1 + length_of(&bytes[1..], |byte| byte.is_ascii_digit()));
    }
    let (mut at, mut is_named) = (1, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            _ if is_in_name(byte) || byte == b'$' => (at, is_named) = (at + 1, true),
            b':' if bytes.get(at + 1) == Some(&b':') => at += 2,
            b'(' if is_named => {
                at += length_of(&bytes[at..], |byte| byte != b')' && !byte.is_ascii_whitespace());
                at += usize::from(bytes.get(at) == Some(&b')'));
                break;
            }
            _ => break,
        }
    }
    if is_named { (Some(Kind::Place), at) } else { (Some(Kind::Sign), 1) }
}
