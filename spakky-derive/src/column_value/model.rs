//! How a type is stored, as `#[derive(ColumnValue)]` understood it.

use syn::{Data, DataEnum, DeriveInput, Expr, Field, Fields, Ident, LitStr, Member, Type, Variant};

use super::attr::{Number, ValueAttrs, VariantAttrs};
use crate::diagnostics::Diagnostics;
use crate::keys::ReprKey;
use crate::syntax::case::Case;
use crate::syntax::{ident, input};

/// A type that is stored in one column.
pub(crate) struct ColumnValue {
    pub(crate) pg_type: Option<LitStr>,
    /// Whether diesel's queries take the type.
    pub(crate) diesel: bool,
    pub(crate) kind: Kind,
}

#[expect(clippy::large_enum_variant, reason = "one value for each use of the macro")]
pub(crate) enum Kind {
    Newtype(Newtype),
    Native(Box<Native>),
    Text(Enum<TextVariant>),
    Number(ReprKey, Enum<NumberVariant>),
}

/// A struct with one field that counts.
pub(crate) struct Newtype {
    pub(crate) member: Member,
    pub(crate) ty: Type,
    /// `PhantomData` fields.
    pub(crate) markers: Vec<Member>,
}

/// A newtype that diesel writes and reads.
pub(crate) struct Native {
    pub(crate) newtype: Newtype,
    pub(crate) sql_type: Type,
}

pub(crate) struct Enum<V> {
    pub(crate) variants: Vec<V>,
    pub(crate) other: Vec<Other>,
}

pub(crate) struct TextVariant {
    pub(crate) ident: Ident,
    pub(crate) text: String,
    /// The text as given; defaulted ones have none.
    pub(crate) literal: Option<LitStr>,
}

pub(crate) struct NumberVariant {
    pub(crate) ident: Ident,
    pub(crate) number: Stored,
}

/// The number of a variant.
pub(crate) enum Stored {
    /// By `value = …`.
    Given(Number),
    /// By `Variant = …`.
    Discriminant(Expr),
    /// One more than the variant before, as Rust counts.
    Next,
}

/// The catch-all variant.
pub(crate) struct Other {
    /// Where a mistake is reported.
    pub(crate) at: Ident,
    pub(crate) ident: Ident,
    pub(crate) member: Member,
    pub(crate) ty: Type,
}

/// What one variant turned out to be.
#[expect(clippy::large_enum_variant, reason = "lives for one iteration")]
enum Parsed {
    Unit(VariantAttrs),
    Other(Other),
}

impl ColumnValue {
    pub(crate) fn from_ast(item: &DeriveInput, attrs: &ValueAttrs, diagnostics: &mut Diagnostics) -> Option<Self> {
        let kind = match &item.data {
            Data::Struct(data) => {
                let of_enums =
                    [attrs.rename_all.as_ref().map(|given| &given.key), attrs.repr.as_ref().map(|given| &given.key)];
                for key in of_enums.into_iter().flatten() {
                    let name = ident::plain(key);
                    diagnostics.error(key, format!("`{name}` is for enums; a newtype is stored as what it wraps"));
                }
                let newtype = Newtype::from_ast(item, &data.fields, diagnostics);
                match &attrs.sql_type {
                    None => newtype.map(Kind::Newtype),
                    Some(given) if !item.generics.params.is_empty() => {
                        let message = "`sql_type` cannot be given for a generic newtype; derive `ColumnValue` for one \
                                       newtype of each type";
                        diagnostics.error(&given.key, message);
                        None
                    }
                    Some(given) => {
                        newtype.map(|newtype| Kind::Native(Box::new(Native { newtype, sql_type: given.value.clone() })))
                    }
                }
            }
            Data::Enum(data) => {
                if let Some(given) = &attrs.sql_type {
                    let message = "`sql_type` is for newtypes; an enum is stored as text or a number, on PostgreSQL as \
                                   a type of its own by `pg_type`";
                    diagnostics.error(&given.key, message);
                }
                Kind::from_enum(item, data, attrs, diagnostics)
            }
            Data::Union(data) => {
                diagnostics.error(data.union_token, "`ColumnValue` cannot be derived for a union");
                None
            }
        }?;
        if let (Some(given), false) = (&attrs.diesel, item.generics.params.is_empty()) {
            let message =
                "`diesel` cannot be given for a generic newtype; derive `ColumnValue` for one newtype of each type";
            diagnostics.error(&given.key, message);
        }
        let pg_type = attrs.pg_type.as_ref().map(|given| given.value.clone());
        Some(ColumnValue { pg_type, diesel: attrs.diesel.is_some(), kind })
    }
}

impl Newtype {
    fn from_ast(item: &DeriveInput, fields: &Fields, diagnostics: &mut Diagnostics) -> Option<Self> {
        for attribute in fields.iter().flat_map(|field| &field.attrs) {
            if attribute.path().is_ident("column") {
                let message = "`#[column(..)]` does not belong on the field of a newtype; put it on the struct";
                diagnostics.error(attribute, message);
            }
        }
        let is_marker = |field: &Field| input::last_segment(&field.ty).is_some_and(|name| name == "PhantomData");
        let (markers, stored): (Vec<_>, Vec<_>) =
            fields.members().zip(fields.iter()).partition(|(_, field)| is_marker(field));
        let mut stored = stored.into_iter();
        match (stored.next(), stored.next()) {
            (Some((member, field)), None) => Some(Newtype {
                member,
                ty: field.ty.clone(),
                markers: markers.into_iter().map(|(member, _)| member).collect(),
            }),
            (None, _) => {
                diagnostics.error(&item.ident, format!("`{}` holds nothing to store; give it one field", item.ident));
                None
            }
            (Some(_), Some((_, second))) => {
                let message = format!(
                    "a column stores one value, but `{}` has several fields; \
                     flatten it with `#[table(flatten)]` or store it with `#[table(json)]` instead",
                    item.ident
                );
                diagnostics.error(second, message);
                None
            }
        }
    }
}

impl Kind {
    fn from_enum(
        item: &DeriveInput,
        data: &DataEnum,
        attrs: &ValueAttrs,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        if !item.generics.params.is_empty() {
            diagnostics.error(&item.generics, "`ColumnValue` cannot be derived for a generic enum");
            return None;
        }
        if data.variants.is_empty() {
            diagnostics.error(&item.ident, format!("`{}` has no variants and so no values to store", item.ident));
            return None;
        }
        let Some(repr) = &attrs.repr else {
            return Some(Kind::Text(text_enum(data, attrs, diagnostics)));
        };
        let of_texts =
            [attrs.rename_all.as_ref().map(|given| &given.key), attrs.pg_type.as_ref().map(|given| &given.key)];
        for key in of_texts.into_iter().flatten() {
            let name = ident::plain(key);
            diagnostics.error(key, format!("`{name}` cannot be combined with `repr`; remove one"));
        }
        Some(Kind::Number(repr.value, number_enum(data, diagnostics)))
    }
}

fn text_enum(data: &DataEnum, attrs: &ValueAttrs, diagnostics: &mut Diagnostics) -> Enum<TextVariant> {
    let case = attrs.rename_all.as_ref().map_or(Case::Snake, |case| case.value);
    let mut made = Enum { variants: Vec::new(), other: Vec::new() };
    for variant in &data.variants {
        match parse_variant(variant, diagnostics) {
            Some(Parsed::Other(other)) => made.other.push(other),
            Some(Parsed::Unit(attrs)) => {
                if let Some(value) = &attrs.value {
                    diagnostics.error(
                        &value.key,
                        "`value` needs `#[column(repr = …)]` on the enum; the text of a variant is given by `rename`",
                    );
                }
                let literal = attrs.rename.map(|rename| rename.value);
                let text = literal.as_ref().map_or_else(|| case.apply(&ident::plain(&variant.ident)), LitStr::value);
                made.variants.push(TextVariant { ident: variant.ident.clone(), text, literal });
            }
            None => {}
        }
    }
    made
}

fn number_enum(data: &DataEnum, diagnostics: &mut Diagnostics) -> Enum<NumberVariant> {
    let mut made = Enum { variants: Vec::new(), other: Vec::new() };
    for variant in &data.variants {
        match parse_variant(variant, diagnostics) {
            Some(Parsed::Other(other)) => made.other.push(other),
            Some(Parsed::Unit(attrs)) => {
                if let Some(rename) = &attrs.rename {
                    diagnostics.error(
                        &rename.key,
                        "`rename` cannot be combined with `repr`; the number of a variant is given by `value`",
                    );
                }
                let number = match (attrs.value, &variant.discriminant) {
                    (Some(value), _) => Stored::Given(value.value),
                    (None, Some((_, expression))) => Stored::Discriminant(expression.clone()),
                    (None, None) => Stored::Next,
                };
                made.variants.push(NumberVariant { ident: variant.ident.clone(), number });
            }
            None => {}
        }
    }
    made
}

fn parse_variant(variant: &Variant, diagnostics: &mut Diagnostics) -> Option<Parsed> {
    let attrs = VariantAttrs::from_ast(&variant.attrs, diagnostics);
    let mut fields = variant.fields.members().zip(variant.fields.iter());
    let Some(other) = attrs.other else {
        if fields.next().is_some() {
            let message = format!(
                "`{}` holds data, which a column of variants cannot; store the enum with `#[table(json)]`, \
                 or mark a catch-all variant `#[column(other)]`",
                variant.ident
            );
            diagnostics.error(variant, message);
            return None;
        }
        return Some(Parsed::Unit(attrs));
    };
    let of_units = [attrs.rename.as_ref().map(|given| &given.key), attrs.value.as_ref().map(|given| &given.key)];
    for key in of_units.into_iter().flatten() {
        let name = ident::plain(key);
        diagnostics.error(key, format!("`{name}` cannot be combined with `other`, which keeps what is stored"));
    }
    match (fields.next(), fields.next()) {
        (Some((member, field)), None) => {
            let (ident, ty) = (variant.ident.clone(), field.ty.clone());
            Some(Parsed::Other(Other { at: other.key, ident, member, ty }))
        }
        _ => {
            let message = format!("the catch-all variant keeps the stored value; write `{}(String)`", variant.ident);
            diagnostics.error(variant, message);
            None
        }
    }
}
