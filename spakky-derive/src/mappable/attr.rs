//! `#[mappable(..)]` as written.

use syn::{Attribute, Expr, ExprPath, Ident, Member, Path, Type};

use crate::attr::{Entry, Spanned, parse_attributes, parse_crate, parse_word, set_once};
use crate::diagnostics::Diagnostics;
use crate::keys::{AccessKey, Keys, MappableKey, MappedFieldKey};

/// The keys of the struct.
pub(crate) struct MappableAttrs {
    /// `None` inside: given, but no type, which is reported.
    pub(crate) domain: Option<Spanned<Option<Type>>>,
    pub(crate) construct: Option<Spanned<ExprPath>>,
    pub(crate) try_construct: Option<Spanned<ExprPath>>,
    pub(crate) access: Option<Spanned<AccessKey>>,
    pub(crate) primary: Option<Spanned<()>>,
    pub(crate) krate: Option<Spanned<Path>>,
}

/// The keys of a field.
pub(crate) struct MappedFieldAttrs {
    /// Every key that was given, in order, to find those that exclude each other.
    pub(crate) given: Vec<Spanned<MappedFieldKey>>,
    pub(crate) field: Option<Spanned<Member>>,
    pub(crate) row_only: Option<Spanned<Option<Expr>>>,
    pub(crate) parent: Option<Spanned<()>>,
    pub(crate) with: Option<Spanned<Path>>,
    pub(crate) try_with: Option<Spanned<Path>>,
    pub(crate) into: Option<Spanned<()>>,
    pub(crate) try_into: Option<Spanned<()>>,
    pub(crate) nested: Option<Spanned<()>>,
    pub(crate) wrapped: Option<Spanned<()>>,
}

impl MappableAttrs {
    pub(crate) fn from_ast(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut attrs = MappableAttrs {
            domain: None,
            construct: None,
            try_construct: None,
            access: None,
            primary: None,
            krate: None,
        };
        let elsewhere = [(MappedFieldKey::NAMES, MappedFieldKey::PLACE)];
        parse_attributes(attributes, diagnostics, &elsewhere, |key, entry, diagnostics| {
            let at = &entry.key;
            match key {
                MappableKey::Domain => {
                    let ty = entry.value("Type");
                    set_once(&mut attrs.domain, at, ty.as_ref().ok().cloned(), diagnostics);
                    ty?;
                }
                MappableKey::Construct => {
                    set_once(&mut attrs.construct, at, entry.value("Type::function")?, diagnostics);
                }
                MappableKey::TryConstruct => {
                    set_once(&mut attrs.try_construct, at, entry.value("Type::function")?, diagnostics);
                }
                MappableKey::Access => set_once(&mut attrs.access, at, parse_word(entry)?, diagnostics),
                MappableKey::Primary => {
                    entry.flag()?;
                    set_once(&mut attrs.primary, at, (), diagnostics);
                }
                MappableKey::Crate => set_once(&mut attrs.krate, at, parse_crate(entry)?, diagnostics),
            }
            Ok(())
        });
        attrs
    }
}

impl MappedFieldAttrs {
    pub(crate) fn from_ast(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut attrs = MappedFieldAttrs {
            given: Vec::new(),
            field: None,
            row_only: None,
            parent: None,
            with: None,
            try_with: None,
            into: None,
            try_into: None,
            nested: None,
            wrapped: None,
        };
        let elsewhere = [(MappableKey::NAMES, "the struct")];
        parse_attributes(attributes, diagnostics, &elsewhere, |key, entry, diagnostics| {
            attrs.set(key, entry, diagnostics)?;
            attrs.given.push(Spanned { key: entry.key.clone(), value: key });
            Ok(())
        });
        attrs
    }

    fn set(&mut self, key: MappedFieldKey, entry: &Entry<'_>, diagnostics: &mut Diagnostics) -> syn::Result<()> {
        let at = &entry.key;
        match key {
            MappedFieldKey::Field => set_once(&mut self.field, at, entry.value("other_name")?, diagnostics),
            MappedFieldKey::RowOnly => {
                let expression = if entry.is_flag() { None } else { Some(entry.value("expression")?) };
                set_once(&mut self.row_only, at, expression, diagnostics);
            }
            MappedFieldKey::Parent => {
                entry.flag()?;
                set_once(&mut self.parent, at, (), diagnostics);
            }
            MappedFieldKey::With => set_once(&mut self.with, at, parse_module(entry)?, diagnostics),
            MappedFieldKey::TryWith => set_once(&mut self.try_with, at, parse_module(entry)?, diagnostics),
            MappedFieldKey::Into => {
                entry.flag()?;
                set_once(&mut self.into, at, (), diagnostics);
            }
            MappedFieldKey::TryInto => {
                entry.flag()?;
                set_once(&mut self.try_into, at, (), diagnostics);
            }
            MappedFieldKey::Nested => {
                entry.flag()?;
                set_once(&mut self.nested, at, (), diagnostics);
            }
            MappedFieldKey::Wrapped => {
                entry.flag()?;
                set_once(&mut self.wrapped, at, (), diagnostics);
            }
        }
        Ok(())
    }
}

fn parse_module(entry: &Entry<'_>) -> syn::Result<Path> {
    entry.value_with("path::to::module", Path::parse_mod_style)
}

/// Whether two keys of one field exclude each other. Symmetric.
pub(crate) fn exclude(a: MappedFieldKey, b: MappedFieldKey) -> bool {
    use MappedFieldKey as Key;
    if a == b {
        return false;
    }
    match (a, b) {
        // Not mapped, so there is nothing to say about how.
        (Key::RowOnly | Key::Parent, _) | (_, Key::RowOnly | Key::Parent) => true,
        (Key::Field, _) | (_, Key::Field) => false,
        // One conversion for each field.
        (
            Key::With | Key::TryWith | Key::Into | Key::TryInto | Key::Nested | Key::Wrapped,
            Key::With | Key::TryWith | Key::Into | Key::TryInto | Key::Nested | Key::Wrapped,
        ) => true,
    }
}

/// The key of the first conversion that was given.
pub(crate) fn conversion(attrs: &MappedFieldAttrs) -> Option<&Ident> {
    let is_conversion = |key: MappedFieldKey| match key {
        MappedFieldKey::With
        | MappedFieldKey::TryWith
        | MappedFieldKey::Into
        | MappedFieldKey::TryInto
        | MappedFieldKey::Nested
        | MappedFieldKey::Wrapped => true,
        MappedFieldKey::Field | MappedFieldKey::RowOnly | MappedFieldKey::Parent => false,
    };
    attrs.given.iter().find(|given| is_conversion(given.value)).map(|given| &given.key)
}
