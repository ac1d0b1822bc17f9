//! `#[table(..)]` as written, on the struct.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Path, Token};

use crate::attr::{Entry, Spanned, each_item, parse_attributes, parse_crate, set_once};
use crate::diagnostics::{Diagnostics, suggestion};
use crate::keys::{ColumnKey, IndexKey, Keys, TableKey, UniqueKey, UniqueWhereKey};

/// The keys of the struct.
pub(crate) struct TableAttrs {
    pub(crate) name: Option<Spanned<LitStr>>,
    pub(crate) schema: Option<Spanned<LitStr>>,
    pub(crate) renamed_from: Option<Spanned<LitStr>>,
    pub(crate) indexes: Vec<Spanned<IndexAttr>>,
    pub(crate) uniques: Vec<Spanned<UniqueAttr>>,
    pub(crate) checks: Vec<Spanned<CheckAttr>>,
    pub(crate) tenanted: Option<Spanned<()>>,
    pub(crate) filterable: Option<Spanned<Vec<FieldPath>>>,
    pub(crate) sortable: Option<Spanned<Vec<FieldPath>>>,
    pub(crate) embedded: Option<Spanned<()>>,
    /// With the path of a `table!` that is there.
    pub(crate) diesel: Option<Spanned<Option<Path>>>,
    pub(crate) krate: Option<Spanned<Path>>,
}

/// `index(a, b desc, name = "…", where = "…")`.
pub(crate) struct IndexAttr {
    pub(crate) columns: Vec<IndexColumnAttr>,
    pub(crate) name: Option<Spanned<LitStr>>,
    pub(crate) filter: Option<Spanned<LitStr>>,
}

/// `a`, `a desc` or `ship.street`.
pub(crate) struct IndexColumnAttr {
    pub(crate) path: FieldPath,
    pub(crate) descending: bool,
}

/// `unique(a, b, name = "…", where = live)`.
pub(crate) struct UniqueAttr {
    pub(crate) columns: Vec<FieldPath>,
    pub(crate) name: Option<Spanned<LitStr>>,
    pub(crate) filter: Option<Spanned<UniqueWhereKey>>,
}

/// `check(name, "sql")`.
pub(crate) struct CheckAttr {
    pub(crate) name: Ident,
    pub(crate) sql: LitStr,
}

/// A field of the struct, or of a struct it flattens: `status`, `ship.street`.
#[derive(Clone)]
pub(crate) struct FieldPath {
    pub(crate) first: Ident,
    pub(crate) rest: Vec<Ident>,
}

impl FieldPath {
    pub(crate) fn idents(&self) -> impl Iterator<Item = &Ident> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let field = |input: ParseStream<'_>| {
            input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), "expected the name of a field"))
        };
        let first = field(input)?;
        let mut rest = Vec::new();
        while input.peek(Token![.]) {
            input.parse::<Token![.]>()?;
            rest.push(field(input)?);
        }
        Ok(FieldPath { first, rest })
    }
}

impl TableAttrs {
    pub(crate) fn from_ast(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut attrs = TableAttrs {
            name: None,
            schema: None,
            renamed_from: None,
            indexes: Vec::new(),
            uniques: Vec::new(),
            checks: Vec::new(),
            tenanted: None,
            filterable: None,
            sortable: None,
            embedded: None,
            diesel: None,
            krate: None,
        };
        parse_attributes(
            attributes,
            diagnostics,
            &[(ColumnKey::NAMES, ColumnKey::PLACE)],
            |key, entry, diagnostics| attrs.set(key, entry, diagnostics),
        );
        attrs
    }

    fn set(&mut self, key: TableKey, entry: &Entry<'_>, diagnostics: &mut Diagnostics) -> syn::Result<()> {
        match key {
            TableKey::Name => set_once(&mut self.name, &entry.key, entry.text()?, diagnostics),
            TableKey::Schema => set_once(&mut self.schema, &entry.key, entry.text()?, diagnostics),
            TableKey::RenamedFrom => set_once(&mut self.renamed_from, &entry.key, entry.text()?, diagnostics),
            TableKey::Index => {
                let index = IndexAttr::parse(entry.list("field, …")?, &entry.key, diagnostics);
                self.indexes.push(Spanned { key: entry.key.clone(), value: index });
            }
            TableKey::Unique => {
                let unique = UniqueAttr::parse(entry.list("field, …")?, &entry.key, diagnostics);
                self.uniques.push(Spanned { key: entry.key.clone(), value: unique });
            }
            TableKey::Check => {
                let value = CheckAttr::parse(entry.list("name, \"sql\"")?, &entry.key)?;
                self.checks.push(Spanned { key: entry.key.clone(), value });
            }
            TableKey::Tenanted => {
                set_once(&mut self.tenanted, &entry.key, (), diagnostics);
                entry.flag()?;
            }
            TableKey::Filterable | TableKey::Sortable => {
                let slot = if key == TableKey::Filterable { &mut self.filterable } else { &mut self.sortable };
                let mut fields = Vec::new();
                let list = entry.list("field, …")?;
                each_item(list, diagnostics, |input, _| {
                    fields.push(FieldPath::parse(input)?);
                    Ok(())
                });
                set_once(slot, &entry.key, fields, diagnostics);
            }
            TableKey::Embedded => {
                set_once(&mut self.embedded, &entry.key, (), diagnostics);
                entry.flag()?;
            }
            TableKey::Diesel => {
                let path = match entry.is_flag() {
                    true => None,
                    false => Some(entry.value_with("crate::schema::orders", Path::parse_mod_style)?),
                };
                set_once(&mut self.diesel, &entry.key, path, diagnostics);
            }
            TableKey::Crate => set_once(&mut self.krate, &entry.key, parse_crate(entry)?, diagnostics),
        }
        Ok(())
    }
}

impl IndexAttr {
    fn parse(tokens: TokenStream, key: &Ident, diagnostics: &mut Diagnostics) -> Self {
        let mut index = IndexAttr { columns: Vec::new(), name: None, filter: None };
        each_item(tokens, diagnostics, |input, diagnostics| {
            if let Some(option) = parse_option::<IndexKey>(input)? {
                let slot = match option.value {
                    IndexKey::Name => &mut index.name,
                    IndexKey::Where => &mut index.filter,
                };
                let text = parse_text(input, &option.key)?;
                set_once(slot, &option.key, text, diagnostics);
                return Ok(());
            }
            let path = FieldPath::parse(input)?;
            let descending = diagnostics.ok(parse_direction(input)).unwrap_or_default();
            index.columns.push(IndexColumnAttr { path, descending });
            Ok(())
        });
        if index.columns.is_empty() {
            diagnostics.error(key, "`index` names no field; write `index(field, …)`");
        }
        index
    }
}

/// Whether `desc` follows; `asc` may be written too.
pub(super) fn parse_direction(input: ParseStream<'_>) -> syn::Result<bool> {
    if !input.peek(Ident::peek_any) {
        return Ok(false);
    }
    let word = input.call(Ident::parse_any)?;
    match word.to_string().as_str() {
        "asc" => Ok(false),
        "desc" => Ok(true),
        other => Err(syn::Error::new(
            word.span(),
            format!("`{other}` is no direction{}", suggestion(other, ["asc", "desc"])),
        )),
    }
}

impl UniqueAttr {
    fn parse(tokens: TokenStream, key: &Ident, diagnostics: &mut Diagnostics) -> Self {
        let mut unique = UniqueAttr { columns: Vec::new(), name: None, filter: None };
        each_item(tokens, diagnostics, |input, diagnostics| {
            if let Some(option) = parse_option::<UniqueKey>(input)? {
                match option.value {
                    UniqueKey::Name => {
                        let text = parse_text(input, &option.key)?;
                        set_once(&mut unique.name, &option.key, text, diagnostics);
                    }
                    UniqueKey::Where => {
                        let word = parse_filter(input)?;
                        set_once(&mut unique.filter, &option.key, word, diagnostics);
                    }
                }
                return Ok(());
            }
            unique.columns.push(FieldPath::parse(input)?);
            Ok(())
        });
        if unique.columns.is_empty() {
            diagnostics.error(key, "`unique` names no field; write `unique(field, …)`");
        }
        unique
    }
}

/// The word behind `where =`.
fn parse_filter(input: ParseStream<'_>) -> syn::Result<UniqueWhereKey> {
    let wrong = "a unique key is among rows that are not deleted, or among all; write `where = live`, or leave it out";
    let word = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), wrong))?;
    UniqueWhereKey::from_name(&word.unraw().to_string()).ok_or_else(|| syn::Error::new(word.span(), wrong))
}

impl CheckAttr {
    fn parse(tokens: TokenStream, key: &Ident) -> syn::Result<Self> {
        let parser = |input: ParseStream<'_>| {
            let name = input.call(Ident::parse_any)?;
            input.parse::<Token![,]>()?;
            let sql: LitStr = input.parse()?;
            if input.peek(Token![,]) {
                input.parse::<Token![,]>()?;
            }
            Ok(CheckAttr { name, sql })
        };
        parser
            .parse2(tokens)
            .map_err(|_| syn::Error::new(key.span(), "a check has a name and SQL; write `check(name, \"sql\")`"))
    }
}

/// `key =`, if that stands here and not the name of a field.
fn parse_option<K: Keys>(input: ParseStream<'_>) -> syn::Result<Option<Spanned<K>>> {
    if !(input.peek(Ident::peek_any) && input.peek2(Token![=])) {
        return Ok(None);
    }
    let key = input.call(Ident::parse_any)?;
    let name = key.unraw().to_string();
    let value = K::from_name(&name).ok_or_else(|| {
        let hint = suggestion(&name, K::NAMES.iter().copied());
        syn::Error::new(key.span(), format!("unknown key `{name}` in `{}(..)`{hint}", K::ATTRIBUTE))
    })?;
    input.parse::<Token![=]>()?;
    Ok(Some(Spanned { key, value }))
}

fn parse_text(input: ParseStream<'_>, key: &Ident) -> syn::Result<LitStr> {
    let wrong = format!("`{0}` needs a text; write `{0} = \"…\"`", key.unraw());
    let text: LitStr = input.parse().map_err(|error| syn::Error::new(error.span(), &wrong))?;
    if text.value().is_empty() {
        return Err(syn::Error::new(text.span(), wrong));
    }
    Ok(text)
}
