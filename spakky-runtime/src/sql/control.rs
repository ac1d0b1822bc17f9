//! Which statements of a text open or end a transaction, or a part of one.

use super::statement::statements;
use super::{Dialect, Token};

/// A statement that opens or ends a transaction, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// `BEGIN`, `COMMIT`, `PREPARE TRANSACTION` and the like, by its first word.
    Transaction(String),
    /// `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`, by its first word, with the savepoint's name.
    Savepoint(String, String),
}

impl Control {
    /// The word that it begins with, in capitals.
    pub(crate) fn word(&self) -> &str {
        match self {
            Control::Transaction(word) | Control::Savepoint(word, _) => word,
        }
    }
}

/// The statements of a text that open or end a transaction or a part of one, in their order.
pub(crate) fn controls(sql: &str, dialect: Dialect) -> Vec<Control> {
    // Most texts hold no such word at all.
    if !WORDS.iter().any(|word| contains_word(sql, word)) {
        return Vec::new();
    }
    statements(sql, dialect).iter().filter_map(|statement| control(&statement.tokens)).collect()
}

/// Whether PostgreSQL runs a text in a transaction that others began. A statement that is taken for one that may run in none
/// differs in nothing but that its traces are undone by a message of its own.
pub(crate) fn runs_in_transaction(sql: &str) -> bool {
    let found = statements(sql, Dialect::Postgres { backslashes: false });
    let Some([first, rest @ ..]) = found.first().map(|statement| &statement.tokens[..]) else { return true };
    let second = rest.first();
    let is = |words: &[&str]| second.is_some_and(|second| second.is_any_word(words));
    let is_concurrent = || rest.iter().any(|token| token.is_word("CONCURRENTLY"));
    let runs_in_none = match first {
        _ if first.is_any_word(&["VACUUM", "CLUSTER", "REINDEX", "REPACK", "DISCARD", "CHECKPOINT"]) => true,
        _ if first.is_any_word(&["CREATE", "DROP", "ALTER"]) => {
            is(&["DATABASE", "TABLESPACE", "SUBSCRIPTION", "SYSTEM"]) || is_concurrent()
        }
        _ => false,
    };
    !runs_in_none
}

const WORDS: [&str; 9] = ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE"];

fn contains_word(sql: &str, word: &str) -> bool {
    sql.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

fn control(tokens: &[Token<'_>]) -> Option<Control> {
    let (first, rest) = tokens.split_first()?;
    let word = WORDS.into_iter().find(|word| first.is_word(word))?.to_owned();
    let savepoint = |rest: &[Token<'_>]| {
        let name = match rest {
            [savepoint, name, ..] if savepoint.is_word("SAVEPOINT") => name,
            [name, ..] => name,
            [] => return String::new(),
        };
        name.name().unwrap_or_default()
    };
    match word.as_str() {
        "PREPARE" if !rest.first().is_some_and(|next| next.is_word("TRANSACTION")) => None,
        "SAVEPOINT" | "RELEASE" => Some(Control::Savepoint(word, savepoint(rest))),
        "ROLLBACK" => {
            let behind = match rest {
                [work, rest @ ..] if work.is_any_word(&["WORK", "TRANSACTION"]) => rest,
                rest => rest,
            };
            match behind {
                [to, rest @ ..] if to.is_word("TO") => Some(Control::Savepoint(word, savepoint(rest))),
                _ => Some(Control::Transaction(word)),
            }
        }
        _ => Some(Control::Transaction(word)),
    }
}
