//! `#[spakky::test(..)]` as written.

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{LitInt, LitStr, Path, Token, Type, bracketed};

use crate::attr::{Entry, Spanned, parse_crate, parse_keys, parse_word, set_once};
use crate::diagnostics::{Diagnostics, suggestion};
use crate::keys::{BackendKey, TestKey};

/// The keys of the attribute.
#[derive(Default)]
pub(crate) struct TestArgs {
    pub(crate) backend: Option<Spanned<BackendKey>>,
    pub(crate) flavor: Option<Spanned<Flavor>>,
    pub(crate) worker_threads: Option<Spanned<usize>>,
    pub(crate) schema: Option<Spanned<Vec<Type>>>,
    /// What the test does is taken back.
    pub(crate) rollback: Option<Spanned<()>>,
    pub(crate) krate: Option<Spanned<Path>>,
}

/// What runs the test, named as tokio does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
}

impl Flavor {
    const NAMES: [(&'static str, Flavor); 2] =
        [("current_thread", Flavor::CurrentThread), ("multi_thread", Flavor::MultiThread)];
}

impl TestArgs {
    pub(crate) fn from_tokens(tokens: TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut args = TestArgs::default();
        parse_keys(tokens, diagnostics, &[], &mut |key, entry: &Entry<'_>, diagnostics: &mut Diagnostics| {
            let name = &entry.key;
            match key {
                TestKey::Backend => set_once(&mut args.backend, name, parse_word(entry)?, diagnostics),
                TestKey::Flavor => set_once(&mut args.flavor, name, parse_flavor(entry)?, diagnostics),
                TestKey::WorkerThreads => {
                    set_once(&mut args.worker_threads, name, parse_workers(entry)?, diagnostics);
                }
                TestKey::Schema => set_once(&mut args.schema, name, parse_schema(entry)?, diagnostics),
                TestKey::Rollback => set_once(&mut args.rollback, name, entry.flag()?, diagnostics),
                TestKey::Crate => set_once(&mut args.krate, name, parse_crate(entry)?, diagnostics),
            }
            Ok(())
        });
        args
    }
}

fn parse_flavor(entry: &Entry<'_>) -> syn::Result<Flavor> {
    let text: LitStr = entry.value("\"multi_thread\"")?;
    let name = text.value();
    match Flavor::NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, flavor)) => Ok(*flavor),
        None => {
            let hint = suggestion(&name, Flavor::NAMES.iter().map(|(name, _)| *name));
            Err(syn::Error::new(text.span(), format!("unknown value `{name}` for `flavor`{hint}")))
        }
    }
}

fn parse_workers(entry: &Entry<'_>) -> syn::Result<usize> {
    let literal: LitInt = entry.value("2")?;
    match literal.base10_parse() {
        Ok(0) | Err(_) => Err(syn::Error::new(literal.span(), "`worker_threads` is a number from 1 on")),
        Ok(workers) => Ok(workers),
    }
}

/// `[OrderRow, LineRow]`
fn parse_schema(entry: &Entry<'_>) -> syn::Result<Vec<Type>> {
    let (bracket, tokens) = entry.value_with("[OrderRow]", |input| {
        let content;
        let bracket = bracketed!(content in input);
        Ok((bracket, content.parse::<TokenStream>()?))
    })?;
    if tokens.is_empty() {
        return Err(syn::Error::new(bracket.span.join(), "`schema` is empty; name a row type or remove it"));
    }
    let rows = Punctuated::<Type, Token![,]>::parse_terminated.parse2(tokens)?;
    Ok(rows.into_iter().collect())
}
