//! `#[projection(..)]` as written.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, ExprPath, Ident, Path, Type};

use super::link::{LinkAttr, LinkKeys, Shape};
use crate::attr::{Entry, Spanned, each_item, parse_attributes, parse_crate, set_once};
use crate::diagnostics::Diagnostics;
use crate::keys::{
    Keys, ProjectedBelongsToKey, ProjectedCountKey, ProjectedExistsKey, ProjectedHasManyKey, ProjectedHasOneKey,
    ProjectedJoinedKey, ProjectedKey, ProjectedManyToManyKey, ProjectedSumKey, ProjectionKey,
};
use crate::table::attr::FieldPath;

/// The keys of the struct.
pub(crate) struct ProjectionAttrs {
    /// `None` inside: given, but no type, which is reported.
    pub(crate) row: Option<Spanned<Option<Type>>>,
    pub(crate) profiles: Option<Spanned<Vec<Ident>>>,
    pub(crate) krate: Option<Spanned<Path>>,
}

/// The keys of a field.
pub(crate) struct ProjectedAttrs {
    /// Every key that says where the value comes from, in order; a second one is a mistake.
    pub(crate) sources: Vec<Spanned<SourceAttr>>,
    pub(crate) depends_on: Option<Spanned<Vec<Ident>>>,
    pub(crate) profiles: Option<Spanned<Vec<Ident>>>,
    /// A mistake was reported, so that what is missing may only be misspelled.
    pub(crate) is_broken: bool,
}

/// Where a field's value comes from.
#[expect(clippy::large_enum_variant, reason = "one value for each use of the macro")]
pub(crate) enum SourceAttr {
    Column(FieldPath),
    Link(ProjectedKey, LinkAttr),
    Load(ExprPath),
}

impl ProjectionAttrs {
    pub(crate) fn from_ast(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut attrs = ProjectionAttrs { row: None, profiles: None, krate: None };
        // `profiles` stands on both.
        let elsewhere = [(ProjectedKey::NAMES, ProjectedKey::PLACE)];
        parse_attributes(attributes, diagnostics, &elsewhere, |key, entry, diagnostics| {
            let at = &entry.key;
            match key {
                ProjectionKey::Row => {
                    let ty = entry.value("OrderRow");
                    set_once(&mut attrs.row, at, ty.as_ref().ok().cloned(), diagnostics);
                    ty?;
                }
                ProjectionKey::Profiles => {
                    let names = parse_names(entry.list("list, detail")?, diagnostics);
                    set_once(&mut attrs.profiles, at, names, diagnostics);
                }
                ProjectionKey::Crate => set_once(&mut attrs.krate, at, parse_crate(entry)?, diagnostics),
            }
            Ok(())
        });
        attrs
    }
}

impl ProjectedAttrs {
    pub(crate) fn from_ast(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut attrs = ProjectedAttrs { sources: Vec::new(), depends_on: None, profiles: None, is_broken: false };
        let before = diagnostics.count();
        let elsewhere = [(ProjectionKey::NAMES, "the struct")];
        parse_attributes(attributes, diagnostics, &elsewhere, |key, entry, diagnostics| {
            attrs.set(key, entry, diagnostics)
        });
        attrs.is_broken = diagnostics.count() > before;
        attrs
    }

    fn set(&mut self, key: ProjectedKey, entry: &Entry<'_>, diagnostics: &mut Diagnostics) -> syn::Result<()> {
        let source = match key {
            ProjectedKey::DependsOn => {
                let names = parse_names(entry.list("field, …")?, diagnostics);
                set_once(&mut self.depends_on, &entry.key, names, diagnostics);
                return Ok(());
            }
            ProjectedKey::Profiles => {
                let names = parse_names(entry.list("profile, …")?, diagnostics);
                set_once(&mut self.profiles, &entry.key, names, diagnostics);
                return Ok(());
            }
            ProjectedKey::Column => SourceAttr::Column(entry.value_with("field", FieldPath::parse)?),
            ProjectedKey::Load => SourceAttr::Load(entry.value("path::to::function")?),
            ProjectedKey::Joined => link::<ProjectedJoinedKey>(key, entry, Shape::Column, diagnostics)?,
            ProjectedKey::BelongsTo => link::<ProjectedBelongsToKey>(key, entry, Shape::Own, diagnostics)?,
            ProjectedKey::HasOne => link::<ProjectedHasOneKey>(key, entry, Shape::Own, diagnostics)?,
            ProjectedKey::HasMany => link::<ProjectedHasManyKey>(key, entry, Shape::Own, diagnostics)?,
            ProjectedKey::ManyToMany => link::<ProjectedManyToManyKey>(key, entry, Shape::Through, diagnostics)?,
            ProjectedKey::Count => link::<ProjectedCountKey>(key, entry, Shape::Row, diagnostics)?,
            ProjectedKey::Exists => link::<ProjectedExistsKey>(key, entry, Shape::Row, diagnostics)?,
            ProjectedKey::Sum => link::<ProjectedSumKey>(key, entry, Shape::Column, diagnostics)?,
        };
        self.sources.push(Spanned { key: entry.key.clone(), value: source });
        Ok(())
    }
}

fn link<K: LinkKeys>(
    key: ProjectedKey,
    entry: &Entry<'_>,
    shape: Shape,
    diagnostics: &mut Diagnostics,
) -> syn::Result<SourceAttr> {
    Ok(SourceAttr::Link(key, LinkAttr::parse::<K>(entry, shape, diagnostics)?))
}

/// Names with commas between them.
fn parse_names(tokens: TokenStream, diagnostics: &mut Diagnostics) -> Vec<Ident> {
    let mut names = Vec::new();
    each_item(tokens, diagnostics, |input: ParseStream<'_>, _| {
        let name = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), "expected a name"))?;
        names.push(name);
        Ok(())
    });
    names
}
