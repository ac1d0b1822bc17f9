//! Parsing that all attributes share: keys, values, lists, the crate path.
//!
//! A mistake in one key is recorded and parsing goes on behind the next comma, so that one run reports them all.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Path, Token};

use crate::diagnostics::{Diagnostics, suggestion};
use crate::keys::Keys;

/// A value and the key it was given by, which is where a later check reports a mistake.
pub(crate) struct Spanned<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

/// Fills a slot, or reports that the key was given before.
pub(crate) fn set_once<T>(slot: &mut Option<Spanned<T>>, key: &Ident, value: T, diagnostics: &mut Diagnostics) {
    if slot.is_some() {
        diagnostics.error(key, format!("`{}` is given twice; remove one", key.unraw()));
        return;
    }
    *slot = Some(Spanned { key: key.clone(), value });
}

/// One `key`, `key = value` or `key(..)` of an attribute; the value is parsed by what the key expects.
pub(crate) struct Entry<'a> {
    pub(crate) key: Ident,
    input: ParseStream<'a>,
}

impl Entry<'_> {
    /// The key stands alone.
    pub(crate) fn flag(&self) -> syn::Result<()> {
        if self.at_end() {
            return Ok(());
        }
        Err(self.error(format!("`{}` takes no value; write it alone", self.key.unraw())))
    }

    /// Whether the key stands alone, for keys that may have a value.
    pub(crate) fn is_flag(&self) -> bool {
        self.at_end()
    }

    /// `key = value`; `expected` shows what the value should be.
    pub(crate) fn value<T: Parse>(&self, expected: &str) -> syn::Result<T> {
        self.value_with(expected, T::parse)
    }

    /// `key = value` by a parser.
    pub(crate) fn value_with<T>(&self, expected: &str, parse: fn(ParseStream<'_>) -> syn::Result<T>) -> syn::Result<T> {
        let wanted = format!("`{}` needs a value; write `{0} = {expected}`", self.key.unraw());
        if !self.input.peek(Token![=]) {
            return Err(self.error(wanted));
        }
        self.input.parse::<Token![=]>()?;
        if self.at_end() {
            return Err(syn::Error::new(self.key.span(), wanted));
        }
        let span = self.input.span();
        parse(self.input).map_err(|_| {
            syn::Error::new(span, format!("not a value of `{}`; write `{0} = {expected}`", self.key.unraw()))
        })
    }

    /// `key = "text"`, and the text is not empty.
    pub(crate) fn text(&self) -> syn::Result<LitStr> {
        let text: LitStr = self.value("\"…\"")?;
        if text.value().is_empty() {
            return Err(syn::Error::new(
                text.span(),
                format!("`{}` is empty; give a text or remove it", self.key.unraw()),
            ));
        }
        Ok(text)
    }

    /// The tokens inside `key(..)`; `expected` shows what stands there.
    pub(crate) fn list(&self, expected: &str) -> syn::Result<TokenStream> {
        let wanted = || format!("`{}` needs a list; write `{0}({expected})`", self.key.unraw());
        if !self.input.peek(syn::token::Paren) {
            return Err(self.error(wanted()));
        }
        let content;
        syn::parenthesized!(content in self.input);
        if content.is_empty() {
            return Err(syn::Error::new(self.key.span(), wanted()));
        }
        content.parse()
    }

    /// An error at the value if there is one, else at the key.
    pub(crate) fn error(&self, message: impl std::fmt::Display) -> syn::Error {
        let span = if self.at_end() { self.key.span() } else { self.input.span() };
        syn::Error::new(span, message)
    }

    fn at_end(&self) -> bool {
        self.input.is_empty() || self.input.peek(Token![,])
    }
}

/// Calls `each` for every key of the attributes named as `K` says.
pub(crate) fn parse_attributes<K: Keys>(
    attributes: &[Attribute],
    diagnostics: &mut Diagnostics,
    elsewhere: &[(&'static [&'static str], &'static str)],
    mut each: impl FnMut(K, &Entry<'_>, &mut Diagnostics) -> syn::Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(K::ATTRIBUTE)) {
        match &attribute.meta {
            syn::Meta::List(list) if !list.tokens.is_empty() => {
                parse_keys(list.tokens.clone(), diagnostics, elsewhere, &mut each);
            }
            syn::Meta::List(_) | syn::Meta::Path(_) => diagnostics
                .error(&attribute.meta, format!("`#[{}]` is empty; give it a key or remove it", K::ATTRIBUTE)),
            syn::Meta::NameValue(meta) => {
                diagnostics
                    .error(meta, format!("`#[{0}]` takes its keys in parentheses; write `#[{0}(..)]`", K::ATTRIBUTE));
            }
        }
    }
}

/// Calls `each` for every key in a comma-separated list.
///
/// `elsewhere` holds the keys of other places with the words for that place, to tell a misplaced key from a wrong one.
pub(crate) fn parse_keys<K: Keys>(
    tokens: TokenStream,
    diagnostics: &mut Diagnostics,
    elsewhere: &[(&'static [&'static str], &'static str)],
    each: &mut impl FnMut(K, &Entry<'_>, &mut Diagnostics) -> syn::Result<()>,
) {
    each_item(tokens, diagnostics, |input, diagnostics| {
        let entry = Entry { key: parse_key(input)?, input };
        let name = entry.key.unraw().to_string();
        match K::from_name(&name) {
            Some(key) => each(key, &entry, diagnostics),
            None => Err(unknown_key::<K>(&entry.key, &name, elsewhere)),
        }
    });
}

/// Calls `each` at the start of every item of a comma-separated list, until the list ends.
pub(crate) fn each_item(
    tokens: TokenStream,
    diagnostics: &mut Diagnostics,
    mut each: impl FnMut(ParseStream<'_>, &mut Diagnostics) -> syn::Result<()>,
) {
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match each(input, diagnostics) {
                Ok(()) if input.is_empty() || input.peek(Token![,]) => {}
                Ok(()) => diagnostics.push(input.error("not expected here; separate keys with a comma")),
                Err(error) => diagnostics.push(error),
            }
            skip_to_comma(input)?;
        }
        Ok(())
    };
    // Only skipping could fail, and that takes any token.
    let result = parser.parse2(tokens);
    diagnostics.ok(result);
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() {
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            return Ok(());
        }
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

fn parse_key(input: ParseStream<'_>) -> syn::Result<Ident> {
    input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), "expected a key"))
}

fn unknown_key<K: Keys>(key: &Ident, name: &str, elsewhere: &[(&'static [&'static str], &'static str)]) -> syn::Error {
    for (names, place) in elsewhere {
        if names.contains(&name) {
            return syn::Error::new(key.span(), format!("`{name}` does not belong on {}; put it on {place}", K::PLACE));
        }
    }
    let hint = suggestion(name, K::NAMES.iter().copied());
    syn::Error::new(key.span(), format!("unknown key `{name}` in `{}(..)`{hint}", K::ATTRIBUTE))
}

/// A word out of a closed set, as after `on_delete =`.
pub(crate) fn parse_word<K: Keys>(entry: &Entry<'_>) -> syn::Result<K> {
    let listed = K::NAMES.join(" | ");
    let word: Ident = entry.value_with(&listed, Ident::parse_any)?;
    let name = word.unraw().to_string();
    K::from_name(&name).ok_or_else(|| {
        let hint = suggestion(&name, K::NAMES.iter().copied());
        syn::Error::new(word.span(), format!("unknown value `{name}` for `{}`{hint}", entry.key.unraw()))
    })
}

/// Where generated code finds the library: `::spakky`, or the path of `crate = path`.
pub(crate) struct CratePath(Option<Path>);

impl CratePath {
    pub(crate) fn new(given: Option<Spanned<Path>>) -> Self {
        CratePath(given.map(|given| given.value))
    }

    pub(crate) fn given(given: Option<&Spanned<Path>>) -> Self {
        CratePath(given.map(|given| given.value.clone()))
    }

    /// The path of the hidden module that generated code names.
    pub(crate) fn private(&self) -> TokenStream {
        let krate = self.tokens();
        quote::quote!(#krate::__private)
    }

    /// The path of the crate.
    pub(crate) fn tokens(&self) -> TokenStream {
        match &self.0 {
            Some(path) => path.to_token_stream(),
            None => quote::quote_spanned!(Span::call_site()=> ::spakky),
        }
    }
}

/// `crate = path`.
pub(crate) fn parse_crate(entry: &Entry<'_>) -> syn::Result<Path> {
    entry.value_with("path::to::spakky", Path::parse_mod_style)
}
