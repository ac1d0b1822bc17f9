//! SQL as text: the one place that takes a statement apart.
//!
//! [`lexer`] splits a text into words, names, values and signs as PostgreSQL or SQLite does. All that has to know what a text
//! says is told by it: how many [`statement`]s there are, which of them open or end a transaction ([`control`]), where values
//! are bound ([`placeholder`]).

pub(crate) mod control;
pub(crate) mod lexer;
pub(crate) mod placeholder;
pub(crate) mod statement;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use lexer::{Dialect, Kind, Token, Tokens};

/// The first word of a text, behind comments and empty statements.
pub(crate) fn first_word(sql: &str, dialect: Dialect) -> &str {
    let mut tokens = Tokens::new(sql, dialect).skip_while(|token| token.is(';'));
    tokens.next().filter(|token| token.kind == Kind::Word).map_or("", |token| token.text)
}
