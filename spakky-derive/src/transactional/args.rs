//! `#[transactional(..)]` as written.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Expr, LitInt, LitStr, Pat, Path, Token};

use crate::attr::{Entry, Spanned, parse_crate, parse_keys, parse_word, set_once};
use crate::diagnostics::Diagnostics;
use crate::keys::{IsolationKey, Keys, PropagationKey, RetryKey, RetryOnKey, TransactionalKey};

/// The keys of the attribute.
pub(crate) struct TransactionalArgs {
    pub(crate) propagation: Option<Spanned<PropagationKey>>,
    pub(crate) isolation: Option<Spanned<IsolationKey>>,
    pub(crate) read_only: Option<Spanned<()>>,
    pub(crate) deferrable: Option<Spanned<()>>,
    pub(crate) timeout: Option<Spanned<Duration>>,
    pub(crate) retry: Option<Spanned<RetryArgs>>,
    pub(crate) commit_on: Option<Spanned<CommitOn>>,
    pub(crate) map_err: Option<Spanned<Path>>,
    pub(crate) sessions: Option<Spanned<Expr>>,
    pub(crate) registry: Option<Spanned<LitStr>>,
    pub(crate) name: Option<Spanned<LitStr>>,
    pub(crate) krate: Option<Spanned<Path>>,
}

/// The keys inside `retry(..)`.
pub(crate) struct RetryArgs {
    pub(crate) attempts: Option<Spanned<u32>>,
    pub(crate) backoff: Option<Spanned<Duration>>,
    pub(crate) on: Option<Spanned<RetryOnKey>>,
}

/// The errors that commit: a pattern, and a guard if it has one.
pub(crate) struct CommitOn {
    pattern: Pat,
    guard: Option<(Token![if], Expr)>,
}

impl TransactionalArgs {
    pub(crate) fn from_tokens(tokens: TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut args = TransactionalArgs {
            propagation: None,
            isolation: None,
            read_only: None,
            deferrable: None,
            timeout: None,
            retry: None,
            commit_on: None,
            map_err: None,
            sessions: None,
            registry: None,
            name: None,
            krate: None,
        };
        let elsewhere = [(RetryKey::NAMES, RetryKey::PLACE)];
        parse_keys(tokens, diagnostics, &elsewhere, &mut |key, entry, diagnostics| args.set(key, entry, diagnostics));
        args
    }

    fn set(&mut self, key: TransactionalKey, entry: &Entry<'_>, diagnostics: &mut Diagnostics) -> syn::Result<()> {
        let name = &entry.key;
        match key {
            TransactionalKey::Propagation => set_once(&mut self.propagation, name, parse_word(entry)?, diagnostics),
            TransactionalKey::Isolation => set_once(&mut self.isolation, name, parse_word(entry)?, diagnostics),
            TransactionalKey::ReadOnly => set_once(&mut self.read_only, name, entry.flag()?, diagnostics),
            TransactionalKey::Deferrable => set_once(&mut self.deferrable, name, entry.flag()?, diagnostics),
            TransactionalKey::Timeout => {
                set_once(&mut self.timeout, name, parse_duration(entry, "5s")?, diagnostics);
            }
            TransactionalKey::Retry => {
                let tokens = entry.list("attempts = 5, backoff = \"20ms\"")?;
                let retry = RetryArgs::from_tokens(tokens, diagnostics);
                set_once(&mut self.retry, name, retry, diagnostics);
            }
            TransactionalKey::CommitOn => {
                set_once(&mut self.commit_on, name, entry.value("Error::Variant { .. }")?, diagnostics);
            }
            TransactionalKey::MapErr => {
                let path = entry.value_with("path::to::function", Path::parse)?;
                set_once(&mut self.map_err, name, path, diagnostics);
            }
            TransactionalKey::Sessions => {
                set_once(&mut self.sessions, name, entry.value("self.sessions")?, diagnostics);
            }
            TransactionalKey::Registry => set_once(&mut self.registry, name, entry.text()?, diagnostics),
            TransactionalKey::Name => set_once(&mut self.name, name, entry.text()?, diagnostics),
            TransactionalKey::Crate => set_once(&mut self.krate, name, parse_crate(entry)?, diagnostics),
        }
        Ok(())
    }
}

impl RetryArgs {
    fn from_tokens(tokens: TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut args = RetryArgs { attempts: None, backoff: None, on: None };
        let elsewhere = [(TransactionalKey::NAMES, TransactionalKey::PLACE)];
        parse_keys(tokens, diagnostics, &elsewhere, &mut |key, entry: &Entry<'_>, diagnostics: &mut Diagnostics| {
            let name = &entry.key;
            match key {
                RetryKey::Attempts => set_once(&mut args.attempts, name, parse_attempts(entry)?, diagnostics),
                RetryKey::Backoff => set_once(&mut args.backoff, name, parse_duration(entry, "20ms")?, diagnostics),
                RetryKey::On => set_once(&mut args.on, name, parse_word(entry)?, diagnostics),
            }
            Ok(())
        });
        args
    }
}

impl Parse for CommitOn {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        let guard = match input.parse::<Option<Token![if]>>()? {
            Some(token) => Some((token, input.parse()?)),
            None => None,
        };
        Ok(CommitOn { pattern, guard })
    }
}

impl ToTokens for CommitOn {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.pattern.to_tokens(tokens);
        if let Some((token, guard)) = &self.guard {
            tokens.extend(quote!(#token #guard));
        }
    }
}

/// How often the body runs at most; once would be no retry.
fn parse_attempts(entry: &Entry<'_>) -> syn::Result<u32> {
    let literal: LitInt = entry.value("5")?;
    match literal.base10_parse::<u32>() {
        Ok(0 | 1) => Err(syn::Error::new(
            literal.span(),
            format!("with `attempts = {literal}` the body never runs again; give at least 2 or remove `retry`"),
        )),
        Ok(attempts) => Ok(attempts),
        Err(_) => {
            Err(syn::Error::new(literal.span(), format!("`{literal}` is no number of attempts; write `attempts = 5`")))
        }
    }
}

/// A number and a unit.
fn parse_duration(entry: &Entry<'_>, example: &str) -> syn::Result<Duration> {
    let literal: LitStr = entry.value(&format!("{example:?}"))?;
    let text = literal.value();
    let wrong = |what: &str| {
        let message = format!("`{text}` is {what}; write a number and a unit, like `250ms`, `5s` or `2m`");
        syn::Error::new(literal.span(), message)
    };
    let span = duration(&text).ok_or_else(|| wrong("no span of time"))?;
    if span.is_zero() { Err(wrong("no time at all")) } else { Ok(span) }
}

/// `250ms`, `5s`, `2m`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit.trim_start() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_make_a_duration() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration(" 2 m "), Some(Duration::from_secs(120)));
    }

    #[test]
    fn anything_else_makes_none() {
        for text in
            ["", "5", "s", "-5s", "5 parsecs", "1.5s", "ä", "5sä", "99999999999999999999s", "999999999999999999m"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
