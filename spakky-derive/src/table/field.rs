//! `#[table(..)]` as written, on a field.

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::{Attribute, LitInt, LitStr, Path, Token};

use crate::attr::{Entry, Spanned, parse_attributes, parse_keys, parse_word, set_once};
use crate::diagnostics::Diagnostics;
use crate::keys::{ColumnKey, FlattenKey, Keys, OnDeleteKey, ReferencesKey, TableKey};

/// The keys of a field.
pub(crate) struct ColumnAttrs {
    /// Every key that was given, in order, to find those that exclude each other.
    pub(crate) given: Vec<Spanned<ColumnKey>>,
    pub(crate) id: Option<Spanned<()>>,
    pub(crate) generated: Option<Spanned<()>>,
    pub(crate) column: Option<Spanned<LitStr>>,
    pub(crate) renamed_from: Option<Spanned<LitStr>>,
    pub(crate) version: Option<Spanned<()>>,
    pub(crate) created_at: Option<Spanned<()>>,
    pub(crate) updated_at: Option<Spanned<()>>,
    pub(crate) references: Option<Spanned<ReferencesAttr>>,
    pub(crate) unique: Option<Spanned<()>>,
    pub(crate) index: Option<Spanned<()>>,
    pub(crate) default: Option<Spanned<LitStr>>,
    pub(crate) length: Option<Spanned<u32>>,
    pub(crate) json: Option<Spanned<()>>,
    pub(crate) flatten: Option<Spanned<Option<LitStr>>>,
    pub(crate) skip: Option<Spanned<()>>,
}

/// `references(OtherRow, on_delete = cascade)`.
pub(crate) struct ReferencesAttr {
    pub(crate) row: Path,
    pub(crate) on_delete: Option<Spanned<OnDeleteKey>>,
}

impl ColumnAttrs {
    pub(crate) fn from_ast(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut attrs = ColumnAttrs {
            given: Vec::new(),
            id: None,
            generated: None,
            column: None,
            renamed_from: None,
            version: None,
            created_at: None,
            updated_at: None,
            references: None,
            unique: None,
            index: None,
            default: None,
            length: None,
            json: None,
            flatten: None,
            skip: None,
        };
        parse_attributes(attributes, diagnostics, &[(TableKey::NAMES, "the struct")], |key, entry, diagnostics| {
            attrs.set(key, entry, diagnostics)?;
            attrs.given.push(Spanned { key: entry.key.clone(), value: key });
            Ok(())
        });
        attrs
    }

    fn set(&mut self, key: ColumnKey, entry: &Entry<'_>, diagnostics: &mut Diagnostics) -> syn::Result<()> {
        let flag = match key {
            ColumnKey::Id => &mut self.id,
            ColumnKey::Generated => &mut self.generated,
            ColumnKey::Version => &mut self.version,
            ColumnKey::CreatedAt => &mut self.created_at,
            ColumnKey::UpdatedAt => &mut self.updated_at,
            ColumnKey::Unique => &mut self.unique,
            ColumnKey::Index => &mut self.index,
            ColumnKey::Json => &mut self.json,
            ColumnKey::Skip => &mut self.skip,
            ColumnKey::Column => {
                set_once(&mut self.column, &entry.key, entry.text()?, diagnostics);
                return Ok(());
            }
            ColumnKey::RenamedFrom => {
                set_once(&mut self.renamed_from, &entry.key, entry.text()?, diagnostics);
                return Ok(());
            }
            ColumnKey::Default => {
                set_once(&mut self.default, &entry.key, entry.text()?, diagnostics);
                return Ok(());
            }
            ColumnKey::Length => {
                set_once(&mut self.length, &entry.key, parse_length(entry)?, diagnostics);
                return Ok(());
            }
            ColumnKey::References => {
                let references = ReferencesAttr::parse(entry.list("OtherRow")?, diagnostics)?;
                set_once(&mut self.references, &entry.key, references, diagnostics);
                return Ok(());
            }
            ColumnKey::Flatten => {
                set_once(&mut self.flatten, &entry.key, parse_flatten(entry, diagnostics)?, diagnostics);
                return Ok(());
            }
        };
        if matches!(key, ColumnKey::Unique | ColumnKey::Index) && !entry.is_flag() {
            let name = crate::syntax::ident::plain(&entry.key);
            return Err(entry.error(format!("on a field, `{name}` stands alone; a list of fields goes on the struct")));
        }
        set_once(flag, &entry.key, (), diagnostics);
        entry.flag()
    }
}

fn parse_length(entry: &Entry<'_>) -> syn::Result<u32> {
    let literal: LitInt = entry.value("80")?;
    match literal.base10_parse::<u32>() {
        // The greatest `varchar(n)` of PostgreSQL.
        Ok(length @ 1..=10_485_760) => Ok(length),
        _ => Err(syn::Error::new(literal.span(), "a length is a number from 1 to 10485760")),
    }
}

fn parse_flatten(entry: &Entry<'_>, diagnostics: &mut Diagnostics) -> syn::Result<Option<LitStr>> {
    if entry.is_flag() {
        return Ok(None);
    }
    let mut prefix = None;
    let tokens = entry.list("prefix = \"…\"")?;
    parse_keys(tokens, diagnostics, &[], &mut |key, entry: &Entry<'_>, diagnostics: &mut Diagnostics| {
        match key {
            FlattenKey::Prefix => set_once(&mut prefix, &entry.key, entry.text()?, diagnostics),
        }
        Ok(())
    });
    Ok(prefix.map(|prefix| prefix.value))
}

impl ReferencesAttr {
    fn parse(tokens: TokenStream, diagnostics: &mut Diagnostics) -> syn::Result<Self> {
        let head = |input: syn::parse::ParseStream<'_>| {
            let row: Path = input.parse().map_err(|error: syn::Error| {
                syn::Error::new(error.span(), "expected a row type; write `references(OtherRow)`")
            })?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
            Ok((row, input.parse::<TokenStream>()?))
        };
        let (row, rest) = head.parse2(tokens)?;
        let mut on_delete: Option<Spanned<OnDeleteKey>> = None;
        parse_keys(rest, diagnostics, &[], &mut |key, entry: &Entry<'_>, diagnostics: &mut Diagnostics| {
            match key {
                ReferencesKey::OnDelete => set_once(&mut on_delete, &entry.key, parse_word(entry)?, diagnostics),
            }
            Ok(())
        });
        Ok(ReferencesAttr { row, on_delete })
    }
}

/// Whether two keys of one field exclude each other. Symmetric; called with the keys as written.
pub(crate) fn exclude(a: ColumnKey, b: ColumnKey) -> bool {
    excludes(a, b) || excludes(b, a)
}

fn excludes(a: ColumnKey, b: ColumnKey) -> bool {
    use ColumnKey as Key;
    if a == b {
        return false;
    }
    match a {
        // No column of its own.
        Key::Skip | Key::Flatten => true,
        // One column has one role, and a role decides the type and what is written.
        Key::Version | Key::CreatedAt | Key::UpdatedAt => matches!(
            b,
            Key::Id
                | Key::Version
                | Key::CreatedAt
                | Key::UpdatedAt
                | Key::Generated
                | Key::References
                | Key::Unique
                | Key::Length
                | Key::Json
        ),
        Key::Generated => matches!(b, Key::References | Key::Default | Key::Length | Key::Json),
        // No equality by which a document could be found or referred to, and no length of its own.
        Key::Json => matches!(b, Key::Id | Key::References | Key::Unique | Key::Index | Key::Length),
        // A unique key has an index.
        Key::Unique => b == Key::Index,
        Key::Id | Key::Column | Key::RenamedFrom | Key::References | Key::Index | Key::Default | Key::Length => false,
    }
}
