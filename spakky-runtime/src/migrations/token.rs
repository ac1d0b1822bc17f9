//! SQL taken apart into words, names, texts and signs: just enough to compare, rename and split it.

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
    Sign,
}

impl Token<'_> {
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(crate) fn is(&self, sign: char) -> bool {
        self.kind == Kind::Sign && self.text.starts_with(sign)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// The name that a word or a quoted name stands for.
    pub(crate) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_owned()),
            Kind::Quoted => {
                let quote = self.text.chars().next_back()?;
                let inner = self.text.get(1..self.text.len() - 1)?;
                Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            // SQLite takes a text for a name where a name must stand.
            Kind::Text => Some(self.text.trim_matches('\'').replace("''", "'")),
            Kind::Number | Kind::Sign => None,
        }
    }
}

/// The pieces of a text; comments and spaces are left out. What is not closed ends with the text.
pub(crate) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let (kind, length) = match first {
            _ if first.is_whitespace() => (None, first.len_utf8()),
            '-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (None, comment(rest)),
            '\'' => (Some(Kind::Text), enclosed(rest, '\'', false)),
            '"' | '`' => (Some(Kind::Quoted), enclosed(rest, first, false)),
            '[' if rest[1..].starts_with(|next: char| next.is_alphabetic() || next == '_') && rest.contains(']') => {
                (Some(Kind::Quoted), rest.find(']').map_or(rest.len(), |end| end + 1))
            }
            '$' => match dollar(rest) {
                Some(length) => (Some(Kind::Text), length),
                None => (Some(Kind::Sign), 1),
            },
            'e' | 'E' if rest[1..].starts_with('\'') => (Some(Kind::Text), 1 + enclosed(&rest[1..], '\'', true)),
            'x' | 'X' if rest[1..].starts_with('\'') => (Some(Kind::Text), 1 + enclosed(&rest[1..], '\'', false)),
            _ if first.is_ascii_digit() => {
                let inside = |next: char| next.is_ascii_alphanumeric() || next == '.';
                (Some(Kind::Number), rest.find(|next| !inside(next)).unwrap_or(rest.len()))
            }
            _ if first.is_alphabetic() || first == '_' => {
                let inside = |next: char| next.is_alphanumeric() || next == '_' || next == '$';
                (Some(Kind::Word), rest.find(|next| !inside(next)).unwrap_or(rest.len()))
            }
            _ => (Some(Kind::Sign), first.len_utf8()),
        };
        if let Some(kind) = kind {
            found.push(Token { kind, text: &rest[..length], start: at });
        }
        at += length;
    }
    found
}

/// The length of a comment, which may hold others.
fn comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of what stands between two quotes; the quote written twice is one inside.
fn enclosed(text: &str, quote: char, backslashes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if backslashes && character == '\\' {
            characters.next();
        } else if character == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => {
                    characters.next();
                }
                _ => return at + quote.len_utf8(),
            }
        }
    }
    text.len()
}

/// The length of a text between dollars: `$$…$$`, `$tag$…$tag$`.
fn dollar(text: &str) -> Option<usize> {
    let end = text[1..].find(|next: char| !(next.is_alphanumeric() || next == '_'))? + 1;
    if !text[end..].starts_with('$') || text[1..].starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let tag = &text[..=end];
    Some(text[tag.len()..].find(tag).map_or(text.len(), |close| close + 2 * tag.len()))
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
            Kind::Text | Kind::Number | Kind::Sign => token.text.to_owned(),
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

    fn texts(sql: &str) -> Vec<&str> {
        tokens(sql).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn texts_names_and_comments_are_told_apart() {
        assert_eq!(
            texts(
                "a \"b \"\"c\" 'it''s; ' -- d\n/* e /* f */ ; */ [g h] `i` 1.5e3 E'\\'x' x'00' $$ ; $$ $t$ $$ $t$ $1"
            ),
            [
                "a",
                "\"b \"\"c\"",
                "'it''s; '",
                "[g h]",
                "`i`",
                "1.5e3",
                "E'\\'x'",
                "x'00'",
                "$$ ; $$",
                "$t$ $$ $t$",
                "$",
                "1"
            ]
        );
        assert_eq!(texts("a[1] 'open"), ["a", "[", "1", "]", "'open"]);
    }

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
