//! `#[column(..)]` as written.

use syn::{Attribute, LitInt, LitStr, Path, Token, Type};

use crate::attr::{Entry, Spanned, parse_attributes, parse_crate, parse_word, set_once};
use crate::diagnostics::{Diagnostics, suggestion};
use crate::keys::{Keys, ReprKey, ValueKey, VariantKey};
use crate::syntax::case::Case;

/// The keys of the type.
pub(crate) struct ValueAttrs {
    pub(crate) rename_all: Option<Spanned<Case>>,
    pub(crate) repr: Option<Spanned<ReprKey>>,
    pub(crate) pg_type: Option<Spanned<LitStr>>,
    pub(crate) sql_type: Option<Spanned<Type>>,
    pub(crate) diesel: Option<Spanned<()>>,
    pub(crate) krate: Option<Spanned<Path>>,
}

/// The keys of a variant.
pub(crate) struct VariantAttrs {
    pub(crate) rename: Option<Spanned<LitStr>>,
    pub(crate) value: Option<Spanned<Number>>,
    pub(crate) other: Option<Spanned<()>>,
}

/// An integer literal with its sign.
pub(crate) struct Number {
    pub(crate) literal: LitInt,
    pub(crate) value: i64,
}

impl ValueAttrs {
    pub(crate) fn from_ast(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut attrs =
            ValueAttrs { rename_all: None, repr: None, pg_type: None, sql_type: None, diesel: None, krate: None };
        let elsewhere = [(VariantKey::NAMES, VariantKey::PLACE)];
        parse_attributes(attributes, diagnostics, &elsewhere, |key, entry, diagnostics| {
            match key {
                ValueKey::RenameAll => set_once(&mut attrs.rename_all, &entry.key, parse_case(entry)?, diagnostics),
                ValueKey::Repr => set_once(&mut attrs.repr, &entry.key, parse_word(entry)?, diagnostics),
                ValueKey::PgType => set_once(&mut attrs.pg_type, &entry.key, entry.text()?, diagnostics),
                ValueKey::SqlType => {
                    set_once(&mut attrs.sql_type, &entry.key, parse_sql_type(entry)?, diagnostics);
                }
                ValueKey::Diesel => {
                    set_once(&mut attrs.diesel, &entry.key, (), diagnostics);
                    entry.flag()?;
                }
                ValueKey::Crate => set_once(&mut attrs.krate, &entry.key, parse_crate(entry)?, diagnostics),
            }
            Ok(())
        });
        attrs
    }
}

impl VariantAttrs {
    pub(crate) fn from_ast(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut attrs = VariantAttrs { rename: None, value: None, other: None };
        let elsewhere = [(ValueKey::NAMES, "the type")];
        parse_attributes(attributes, diagnostics, &elsewhere, |key, entry, diagnostics| {
            match key {
                VariantKey::Rename => set_once(&mut attrs.rename, &entry.key, entry.value("\"…\"")?, diagnostics),
                VariantKey::Value => set_once(&mut attrs.value, &entry.key, parse_number(entry)?, diagnostics),
                VariantKey::Other => {
                    set_once(&mut attrs.other, &entry.key, (), diagnostics);
                    entry.flag()?;
                }
            }
            Ok(())
        });
        attrs
    }
}

/// The name of a case is text, as `kebab-case` is no identifier.
fn parse_case(entry: &Entry<'_>) -> syn::Result<Case> {
    let text: LitStr = entry.value("\"snake_case\"")?;
    let name = text.value();
    Case::from_name(&name).ok_or_else(|| {
        let hint = suggestion(&name, Case::NAMES.iter().copied());
        syn::Error::new(text.span(), format!("unknown value `{name}` for `rename_all`{hint}"))
    })
}

/// The path of a type, with its parameters: `Range<Timestamptz>`.
fn parse_sql_type(entry: &Entry<'_>) -> syn::Result<Type> {
    entry.value_with("diesel::sql_types::Inet", |input| input.parse::<syn::TypePath>().map(Type::Path))
}

fn parse_number(entry: &Entry<'_>) -> syn::Result<Number> {
    entry.value_with("3", |input| {
        let negative = input.peek(Token![-]);
        if negative {
            input.parse::<Token![-]>()?;
        }
        let literal: LitInt = input.parse()?;
        let value = literal.base10_parse::<i128>()?;
        let value = i64::try_from(if negative { -value } else { value })
            .map_err(|error| syn::Error::new(literal.span(), error))?;
        Ok(Number { literal, value })
    })
}
