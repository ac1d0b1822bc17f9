//! `default = …` as written.

use proc_macro2::{Span, TokenStream};
use syn::parse::ParseStream;
use syn::{ExprPath, Ident, Lit, LitStr, Token};

use crate::attr::Entry;
use crate::syntax::ident::plain;

/// What a column gets that is not given.
pub(crate) enum DefaultAttr {
    /// `"now()"`
    Sql(LitStr),
    /// `now`
    Now,
    /// `[]`
    EmptyList,
    /// `true`
    Bool(bool),
    /// `-5`, in digits.
    Integer { text: String, value: i128 },
    /// `1.5`, in digits.
    Float(String),
    /// `text("new")`
    Text(LitStr),
    /// `Status::Draft`
    Value(ExprPath),
}

impl DefaultAttr {
    pub(crate) fn parse(entry: &Entry<'_>) -> syn::Result<Self> {
        // Whatever goes wrong behind the `=` is said in one way.
        let parsed = entry.value_with("now", |input| Ok((input.span(), Self::read(input))))?;
        let (span, Ok(made)) = parsed else {
            let message = "not a value of `default`; write `now`, `[]`, a number, `true`, `false`, `text(\"…\")`, a constant or \
                           variant of the field's type, or SQL in quotes";
            return Err(syn::Error::new(parsed.0, message));
        };
        match &made {
            DefaultAttr::Sql(text) if text.value().trim().is_empty() => {
                Err(syn::Error::new(span, "`default` is empty; give a text or remove it"))
            }
            DefaultAttr::Text(text) if text.value().contains('\0') => {
                Err(syn::Error::new(text.span(), "text with a NUL character cannot be stored"))
            }
            _ => Ok(made),
        }
    }

    fn read(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(syn::token::Bracket) {
            let content;
            syn::bracketed!(content in input);
            let items: TokenStream = content.parse()?;
            return if items.is_empty() {
                Ok(DefaultAttr::EmptyList)
            } else {
                Err(syn::Error::new_spanned(items, "not empty"))
            };
        }
        if input.peek(Token![-]) {
            input.parse::<Token![-]>()?;
            return Self::of_literal(&input.parse()?, "-");
        }
        if input.peek(Lit) {
            return Self::of_literal(&input.parse()?, "");
        }
        let path: ExprPath = input.parse()?;
        let Some(word) = path.path.get_ident().map(plain) else { return Ok(DefaultAttr::Value(path)) };
        match word.as_str() {
            "now" => Ok(DefaultAttr::Now),
            "text" if input.peek(syn::token::Paren) => {
                let content;
                syn::parenthesized!(content in input);
                let tokens: TokenStream = content.parse()?;
                syn::parse2(tokens).map(DefaultAttr::Text)
            }
            word if word.starts_with(char::is_uppercase) => Ok(DefaultAttr::Value(path)),
            _ => Err(syn::Error::new_spanned(path, "no value")),
        }
    }

    fn of_literal(literal: &Lit, sign: &str) -> syn::Result<Self> {
        match literal {
            Lit::Str(text) if sign.is_empty() => Ok(DefaultAttr::Sql(text.clone())),
            Lit::Bool(value) if sign.is_empty() => Ok(DefaultAttr::Bool(value.value)),
            Lit::Int(number) => {
                let text = format!("{sign}{}", number.base10_digits());
                let value = text.parse().map_err(|error| syn::Error::new(number.span(), error))?;
                Ok(DefaultAttr::Integer { text, value })
            }
            Lit::Float(number) => Ok(DefaultAttr::Float(format!("{sign}{}", number.base10_digits()))),
            other => Err(syn::Error::new(other.span(), "no value")),
        }
    }
}

/// The check of the column's type that a default needs.
pub(crate) fn check_of(default: &DefaultAttr, at: Span) -> Option<Ident> {
    let name = match default {
        DefaultAttr::Sql(_) | DefaultAttr::Value(_) => return None,
        DefaultAttr::Now => "default_now",
        DefaultAttr::EmptyList => "default_list",
        DefaultAttr::Bool(_) => "default_bool",
        DefaultAttr::Integer { .. } => "default_integer",
        DefaultAttr::Float(_) => "default_float",
        DefaultAttr::Text(_) => "default_text",
    };
    Some(Ident::new(name, at))
}
