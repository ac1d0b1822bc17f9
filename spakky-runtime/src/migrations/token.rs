//! Texts of declarations, compared and renamed by their words and names.

use crate::sql::{Dialect, Tokens};
pub(crate) use crate::sql::{Kind, Token};

/// The pieces of a text that either backend may have written.
pub(crate) fn tokens(sql: &str) -> Vec<Token<'_>> {
    Tokens::new(sql, Dialect::Shared).collect()
}

/// The text without what makes no difference: spaces, quotes around names, letter case, parentheses around the whole.
pub(crate) fn normalized(sql: &str) -> String {
    let found = tokens(sql);
    let mut inner = &found[..];
    while let [first, .., last] = inner
        && first.is('(')
        && last.is(')')
        && closing(inner) == Some(inner.len() - 1)
    {
        inner = &inner[1..inner.len() - 1];
    }
    let words: Vec<String> = inner
        .iter()
        .map(|token| match token.kind {
            Kind::Word => token.text.to_lowercase(),
            Kind::Quoted => token.name().unwrap_or_default(),
            Kind::Text | Kind::Number | Kind::Place | Kind::Sign => token.text.to_owned(),
        })
        .collect();
    words.join(" ")
}

/// Where the parenthesis closes that the tokens open with.
pub(crate) fn closing(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate() {
        if token.is('(') {
            depth += 1;
        } else if token.is(')') {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(position);
            }
        }
    }
    None
}

/// The text with a name replaced.
pub(crate) fn renamed(sql: &str, from: &str, to: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
    for token in tokens(sql) {
        if matches!(token.kind, Kind::Word | Kind::Quoted) && token.name().as_deref() == Some(from) {
            out.push_str(&sql[copied..token.start]);
            crate::statement::quote_identifier(&mut out, to);
            copied = token.end();
        }
    }
    out.push_str(&sql[copied..]);
    out
}

/// Whether the text names this.
pub(crate) fn names(sql: &str, name: &str) -> bool {
    tokens(sql)
        .iter()
        .any(|token| matches!(token.kind, Kind::Word | Kind::Quoted) && token.name().as_deref() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_say_the_same_are_equal() {
        assert_eq!(normalized("((\"stock\" >= 0))"), normalized("Stock  >=0"));
        assert_eq!(normalized("(a) or (b)"), "( a ) or ( b )");
        assert_ne!(normalized("'A'"), normalized("'a'"));
    }

    #[test]
    fn a_name_is_replaced_and_a_text_is_not() {
        assert_eq!(renamed("old > 0 AND \"old\" <> 'old'", "old", "new"), "\"new\" > 0 AND \"new\" <> 'old'");
    }
}
