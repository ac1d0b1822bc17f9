//! Collects every mistake of one item, so that a user sees them all at once.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far.
///
/// [`finish`](Self::finish) must be called; dropping it without is a bug in the macro and panics, because a mistake
/// would go unreported.
pub(crate) struct Diagnostics {
    error: Option<syn::Error>,
    finished: bool,
}

impl Diagnostics {
    pub(crate) fn new() -> Self {
        Diagnostics { error: None, finished: false }
    }

    /// A mistake at the given tokens.
    pub(crate) fn error(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// A mistake reported by a parser.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.error {
            Some(errors) => errors.combine(error),
            None => self.error = Some(error),
        }
    }

    /// The value of a parser that may have failed.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Whether no mistake was found so far. What is missing then is missing, and not only misspelled.
    pub(crate) fn is_empty(&self) -> bool {
        self.error.is_none()
    }

    /// How many mistakes were found so far.
    pub(crate) fn count(&self) -> usize {
        self.error.iter().flatten().count()
    }

    /// Ends the collection: nothing, or the mistakes as `compile_error!` invocations.
    pub(crate) fn finish(mut self) -> Result<(), TokenStream> {
        self.finished = true;
        match self.error.take() {
            Some(error) => Err(error.into_compile_error()),
            None => Ok(()),
        }
    }

    /// Ends the collection where another macro reports the same mistakes.
    pub(crate) fn discard(mut self) -> bool {
        self.finished = true;
        self.error.is_some()
    }
}

impl Drop for Diagnostics {
    #[expect(clippy::panic, reason = "a forgotten mistake is a bug of the macro's, which its tests must see")]
    fn drop(&mut self) {
        if !self.finished && !std::thread::panicking() {
            panic!("diagnostics were dropped without being finished");
        }
    }
}

/// `; did you mean …?` when a candidate is close to what the user wrote, else `; expected one of …`.
pub(crate) fn suggestion<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let close = candidates
        .clone()
        .into_iter()
        .map(|candidate| (distance(given, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= (candidate.len().max(given.len()) / 3).max(1))
        .min();
    match close {
        Some((_, candidate)) => format!("; did you mean `{candidate}`?"),
        None => match listing(candidates) {
            Some(list) => format!("; expected {list}"),
            None => String::new(),
        },
    }
}

/// "one of `a`, `b`", "`a`", or nothing.
fn listing<'a>(candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<_> = candidates.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => None,
        [name] => Some(name.clone()),
        names => Some(format!("one of {}", names.join(", "))),
    }
}

/// Edit distance, with a swap of neighbours as one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_names_the_key() {
        assert_eq!(suggestion("coulmn", ["column", "id"]), "; did you mean `column`?");
        assert_eq!(suggestion("idd", ["column", "id"]), "; did you mean `id`?");
    }

    #[test]
    fn a_far_miss_lists_the_keys() {
        assert_eq!(suggestion("zebra", ["column", "id"]), "; expected one of `column`, `id`");
        assert_eq!(suggestion("zebra", ["column"]), "; expected `column`");
    }

    #[test]
    fn finishing_reports_every_mistake() {
        let mut diagnostics = Diagnostics::new();
        diagnostics.error(quote::quote!(a), "first");
        diagnostics.error(quote::quote!(b), "second");
        let tokens = diagnostics.finish().unwrap_err().to_string();
        assert!(tokens.contains("first") && tokens.contains("second"), "{tokens}");
    }

    #[test]
    #[should_panic(expected = "without being finished")]
    fn forgetting_to_finish_panics() {
        drop(Diagnostics::new());
    }
}
