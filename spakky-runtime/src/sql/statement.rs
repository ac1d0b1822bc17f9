//! A text as single statements.

use super::{Dialect, Kind, Token, Tokens};

/// One statement of a text: all of its tokens, without the semicolon behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    pub(crate) tokens: Vec<Token<'a>>,
}

impl<'a> Parsed<'a> {
    /// Where it stands in the text, in bytes.
    #[cfg(any(test, feature = "postgres", all(feature = "migrations", feature = "sqlite")))]
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        let start = self.tokens.first().map_or(0, |token| token.start);
        start..self.tokens.last().map_or(start, Token::end)
    }

    /// Its tokens behind `EXPLAIN`, which SQLite puts before anything.
    fn explained(&self) -> &[Token<'a>] {
        match &self.tokens[..] {
            [explain, query, plan, rest @ ..]
                if explain.is_word("EXPLAIN") && query.is_word("QUERY") && plan.is_word("PLAN") =>
            {
                rest
            }
            [explain, rest @ ..] if explain.is_word("EXPLAIN") => rest,
            tokens => tokens,
        }
    }

    /// Whether it makes a trigger of SQLite's, whose body is statements.
    fn creates_trigger(&self) -> bool {
        match self.explained() {
            [create, temporary, trigger, ..] if temporary.is_any_word(&["TEMP", "TEMPORARY"]) => {
                create.is_word("CREATE") && trigger.is_word("TRIGGER")
            }
            [create, trigger, ..] => create.is_word("CREATE") && trigger.is_word("TRIGGER"),
            _ => false,
        }
    }

    /// Whether it makes a function of PostgreSQL's, whose body may be statements.
    fn creates_routine(&self) -> bool {
        let is_routine = |token: &Token<'_>| token.is_any_word(&["FUNCTION", "PROCEDURE"]);
        match &self.tokens[..] {
            [create, or, replace, routine, ..] if or.is_word("OR") && replace.is_word("REPLACE") => {
                create.is_word("CREATE") && is_routine(routine)
            }
            [create, routine, ..] => create.is_word("CREATE") && is_routine(routine),
            _ => false,
        }
    }
}

/// The statements of a text; empty ones are left out. A semicolon ends one unless it stands in parentheses (of a rule of
/// PostgreSQL's), in the body of a trigger of SQLite's, or in that of a function of PostgreSQL's that begins `BEGIN ATOMIC`.
pub(crate) fn statements(sql: &str, dialect: Dialect) -> Vec<Parsed<'_>> {
    let mut found = Vec::new();
    let mut current = Parsed { tokens: Vec::new() };
    let (mut parentheses, mut blocks) = (0_usize, 0_usize);
    for token in Tokens::new(sql, dialect) {
        if token.is(';') && parentheses == 0 && blocks == 0 && !is_in_trigger(&current, dialect) {
            if !current.tokens.is_empty() {
                found.push(std::mem::replace(&mut current, Parsed { tokens: Vec::new() }));
            }
            continue;
        }
        if dialect != Dialect::Sqlite {
            match token.kind {
                Kind::Sign if token.is('(') => parentheses += 1,
                Kind::Sign if token.is(')') => parentheses = parentheses.saturating_sub(1),
                Kind::Word if parentheses == 0 && current.creates_routine() => {
                    let begins = current.tokens.last().is_some_and(|last| last.is_word("BEGIN"));
                    if (begins && token.is_word("ATOMIC")) || (blocks > 0 && token.is_word("CASE")) {
                        blocks += 1;
                    } else if token.is_word("END") {
                        blocks = blocks.saturating_sub(1);
                    }
                }
                _ => {}
            }
        }
        current.tokens.push(token);
    }
    if !current.tokens.is_empty() {
        found.push(current);
    }
    found
}

/// Whether a semicolon behind this is one of a trigger's body, which ends with `; END`.
fn is_in_trigger(current: &Parsed<'_>, dialect: Dialect) -> bool {
    if matches!(dialect, Dialect::Postgres { .. }) || !current.creates_trigger() {
        return false;
    }
    !matches!(&current.tokens[..], [.., semicolon, end] if semicolon.is(';') && end.is_word("END"))
}
