//! `#[table(..)]` as written, on a field.

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitInt, LitStr, Path, Token};

use std::rc::Rc;

use super::attr::{FieldPath, parse_direction};
use super::default::DefaultAttr;
use crate::attr::{Entry, Spanned, parse_attributes, parse_keys, parse_word, set_once};
use crate::diagnostics::Diagnostics;
use crate::keys::{ColumnKey, FlattenKey, HasManyKey, HasOneKey, Keys, OnDeleteKey, ReferencesKey, TableKey};

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
    pub(crate) created_by: Option<Spanned<()>>,
    pub(crate) updated_by: Option<Spanned<()>>,
    pub(crate) deleted_at: Option<Spanned<()>>,
    pub(crate) deleted_by: Option<Spanned<()>>,
    pub(crate) tenant: Option<Spanned<()>>,
    pub(crate) references: Option<Spanned<ReferencesAttr>>,
    pub(crate) unique: Option<Spanned<()>>,
    pub(crate) index: Option<Spanned<()>>,
    pub(crate) default: Option<Spanned<Rc<DefaultAttr>>>,
    pub(crate) length: Option<Spanned<u32>>,
    pub(crate) json: Option<Spanned<()>>,
    pub(crate) flatten: Option<Spanned<Option<LitStr>>>,
    pub(crate) relation: Option<Spanned<RelationAttr>>,
    pub(crate) skip: Option<Spanned<()>>,
}

/// `has_many(by = field, order_by = field, unversioned)` or `has_one(by = field)`.
pub(crate) struct RelationAttr {
    /// `None` is reported.
    pub(crate) by: Option<Ident>,
    /// Fields of the children, and whether the order is descending.
    pub(crate) order: Vec<(FieldPath, bool)>,
    pub(crate) unversioned: bool,
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
            created_by: None,
            updated_by: None,
            deleted_at: None,
            deleted_by: None,
            tenant: None,
            references: None,
            unique: None,
            index: None,
            default: None,
            length: None,
            json: None,
            flatten: None,
            relation: None,
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
            ColumnKey::CreatedBy => &mut self.created_by,
            ColumnKey::UpdatedBy => &mut self.updated_by,
            ColumnKey::DeletedAt => &mut self.deleted_at,
            ColumnKey::DeletedBy => &mut self.deleted_by,
            ColumnKey::Tenant => &mut self.tenant,
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
                set_once(&mut self.default, &entry.key, Rc::new(DefaultAttr::parse(entry)?), diagnostics);
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
            ColumnKey::HasMany | ColumnKey::HasOne => {
                let relation = match key {
                    ColumnKey::HasMany => RelationAttr::many(entry, diagnostics)?,
                    _ => RelationAttr::one(entry, diagnostics)?,
                };
                // That the two exclude each other is reported elsewhere.
                if self.relation.as_ref().is_none_or(|given| given.key == entry.key) {
                    set_once(&mut self.relation, &entry.key, relation, diagnostics);
                }
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

impl RelationAttr {
    fn many(entry: &Entry<'_>, diagnostics: &mut Diagnostics) -> syn::Result<Self> {
        let (mut by, mut order, mut unversioned) = (None, None, None);
        let tokens = entry.list("by = field")?;
        let mistakes = diagnostics.count();
        parse_keys(tokens, diagnostics, &[], &mut |key, entry: &Entry<'_>, diagnostics: &mut Diagnostics| {
            match key {
                HasManyKey::By => set_once(&mut by, &entry.key, entry.value("field")?, diagnostics),
                HasManyKey::OrderBy => {
                    let fields = entry.value_with("(field, other desc)", parse_order)?;
                    set_once(&mut order, &entry.key, fields, diagnostics);
                }
                HasManyKey::Unversioned => set_once(&mut unversioned, &entry.key, entry.flag()?, diagnostics),
            }
            Ok(())
        });
        let order = order.map(|order: Spanned<_>| order.value).unwrap_or_default();
        RelationAttr::check(entry, by.as_ref(), mistakes, diagnostics);
        let (by, unversioned) = (by.map(|by| by.value), unversioned.is_some());
        Ok(RelationAttr { by, order, unversioned })
    }

    fn one(entry: &Entry<'_>, diagnostics: &mut Diagnostics) -> syn::Result<Self> {
        let (mut by, mut unversioned) = (None, None);
        let tokens = entry.list("by = field")?;
        let mistakes = diagnostics.count();
        parse_keys(tokens, diagnostics, &[], &mut |key, entry: &Entry<'_>, diagnostics: &mut Diagnostics| {
            match key {
                HasOneKey::By => set_once(&mut by, &entry.key, entry.value("field")?, diagnostics),
                HasOneKey::Unversioned => set_once(&mut unversioned, &entry.key, entry.flag()?, diagnostics),
            }
            Ok(())
        });
        RelationAttr::check(entry, by.as_ref(), mistakes, diagnostics);
        let (by, unversioned) = (by.map(|by| by.value), unversioned.is_some());
        Ok(RelationAttr { by, order: Vec::new(), unversioned })
    }

    /// Reports that `by` is missing, unless it may be what a mistake was about.
    fn check(entry: &Entry<'_>, by: Option<&Spanned<Ident>>, mistakes: usize, diagnostics: &mut Diagnostics) {
        if by.is_none() && diagnostics.count() == mistakes {
            let name = crate::syntax::ident::plain(&entry.key);
            let message = format!("`{name}` needs the children's foreign key; write `{name}(by = field)`");
            diagnostics.error(&entry.key, message);
        }
    }
}

/// `field`, `field desc`, or several in parentheses.
pub(crate) fn parse_order(input: ParseStream<'_>) -> syn::Result<Vec<(FieldPath, bool)>> {
    let item = |input: ParseStream<'_>| {
        let path = FieldPath::parse(input)?;
        Ok((path, parse_direction(input)?))
    };
    if !input.peek(syn::token::Paren) {
        return Ok(vec![item(input)?]);
    }
    let content;
    syn::parenthesized!(content in input);
    let items = content.parse_terminated(item, Token![,])?;
    Ok(items.into_iter().collect())
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

/// Whether the key says what the runtime does with the column, of which it does one thing.
fn is_role(key: ColumnKey) -> bool {
    use ColumnKey as Key;
    match key {
        Key::Id
        | Key::Version
        | Key::CreatedAt
        | Key::UpdatedAt
        | Key::CreatedBy
        | Key::UpdatedBy
        | Key::DeletedAt
        | Key::DeletedBy
        | Key::Tenant => true,
        Key::Generated
        | Key::Column
        | Key::References
        | Key::Unique
        | Key::Index
        | Key::Default
        | Key::Length
        | Key::Json
        | Key::Flatten
        | Key::RenamedFrom
        | Key::HasMany
        | Key::HasOne
        | Key::Skip => false,
    }
}

fn excludes(a: ColumnKey, b: ColumnKey) -> bool {
    use ColumnKey as Key;
    if a == b {
        return false;
    }
    match a {
        // No column of its own.
        Key::Skip | Key::Flatten | Key::HasMany | Key::HasOne => true,
        // One column has one role, and a role decides the type and what is written.
        Key::Version | Key::CreatedAt | Key::UpdatedAt => {
            is_role(b) || matches!(b, Key::Generated | Key::References | Key::Unique | Key::Length | Key::Json)
        }
        Key::CreatedBy | Key::UpdatedBy => is_role(b) || matches!(b, Key::Generated | Key::Unique | Key::Json),
        // A row is not born deleted.
        Key::DeletedAt => {
            let plain = [Key::Generated, Key::References, Key::Unique, Key::Length, Key::Json, Key::Default];
            is_role(b) || plain.contains(&b)
        }
        Key::DeletedBy => is_role(b) || matches!(b, Key::Generated | Key::Unique | Key::Json | Key::Default),
        Key::Tenant => is_role(b) || matches!(b, Key::Generated | Key::Json),
        Key::Generated => matches!(b, Key::References | Key::Default | Key::Length | Key::Json),
        // No equality by which a document could be found or referred to, and no length of its own.
        Key::Json => matches!(b, Key::Id | Key::References | Key::Unique | Key::Index | Key::Length),
        // A unique key has an index.
        Key::Unique => b == Key::Index,
        Key::Id | Key::Column | Key::RenamedFrom | Key::References | Key::Index | Key::Default | Key::Length => false,
    }
}
