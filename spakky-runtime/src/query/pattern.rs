//! Patterns of text: `LIKE` with its wildcards, or a literal part of the text.
//!
//! PostgreSQL's `LIKE` minds upper and lower case and SQLite's does not, so SQLite gets the same pattern as `GLOB`.

use std::fmt::Write;

use crate::value::ValueError;

/// A pattern in the language of `LIKE`, checked: `%` any text, `_` any character, `\` before either for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    like: String,
    ignore_case: bool,
}

impl Pattern {
    /// A pattern as the user wrote it.
    pub(crate) fn raw(like: &str, ignore_case: bool) -> Result<Self, ValueError> {
        if like.contains('\0') {
            return Err(ValueError::new("a pattern with a NUL character matches nothing that can be stored"));
        }
        let backslashes = like.chars().rev().take_while(|character| *character == '\\').count();
        if backslashes % 2 == 1 {
            return Err(ValueError::new(r"the pattern ends in a single `\`; write `\\` for a backslash itself"));
        }
        Ok(Pattern { like: like.to_owned(), ignore_case })
    }

    /// Text that holds `text`, begins or ends with it.
    pub(crate) fn literal(before: &str, text: &str, after: &str) -> Result<Self, ValueError> {
        Pattern::raw(&format!("{before}{}{after}", escape_like(text)), false)
    }

    /// As [`literal`](Self::literal), with or without a difference between upper and lower case.
    pub(crate) fn literal_in_case(
        before: &str,
        text: &str,
        after: &str,
        ignore_case: bool,
    ) -> Result<Self, ValueError> {
        Pattern::raw(&format!("{before}{}{after}", escape_like(text)), ignore_case)
    }

    pub(crate) fn ignores_case(&self) -> bool {
        self.ignore_case
    }

    /// The pattern for a `LIKE` whose escape character is the backslash.
    pub(crate) fn like(&self) -> &str {
        &self.like
    }

    /// The same pattern for `GLOB`.
    pub(crate) fn glob(&self) -> String {
        let mut glob = String::with_capacity(self.like.len() + 8);
        let mut characters = self.like.chars();
        while let Some(character) = characters.next() {
            let (character, wildcard) = match character {
                '\\' => (characters.next().unwrap_or('\\'), false),
                other => (other, matches!(other, '%' | '_')),
            };
            match character {
                '%' if wildcard => glob.push('*'),
                '_' if wildcard => glob.push('?'),
                '*' | '?' | '[' => {
                    let _ = write!(glob, "[{character}]");
                }
                other => glob.push(other),
            }
        }
        glob
    }
}

/// `text` as a part of a `LIKE` pattern that stands for itself.
///
/// ```
/// assert_eq!(spakky_runtime::query::escape_like("50%_"), r"50\%\_");
/// ```
pub fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_like_pattern_becomes_the_glob_that_matches_the_same() {
        for (like, glob) in
            [("a%b_c", "a*b?c"), (r"50\%", "50%"), (r"\_\\", r"_\"), ("*?[x]", "[*][?][[]x]"), (r"\*", "[*]"), ("", "")]
        {
            assert_eq!(Pattern::raw(like, false).unwrap().glob(), glob, "{like}");
        }
    }

    #[test]
    fn a_pattern_that_ends_within_an_escape_is_refused() {
        assert!(Pattern::raw(r"a\", false).is_err());
        assert!(Pattern::raw(r"a\\", false).is_ok());
        assert!(Pattern::literal("%", r"a\", "").is_ok());
    }
}
