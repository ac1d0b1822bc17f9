//! Rules that need more than one attribute to see. One function per rule.

use std::collections::HashMap;

use quote::ToTokens;
use syn::{Ident, Member};

use super::attr::MappableAttrs;
use super::model::{Domain, Field, Mappable, Place, Registered, Source};
use crate::diagnostics::Diagnostics;
use crate::keys::AccessKey;
use crate::syntax::ident::plain;

pub(crate) fn check(mappable: &Mappable, attrs: &MappableAttrs, diagnostics: &mut Diagnostics) {
    match &mappable.domain {
        Domain::Missing if attrs.domain.is_some() => {}
        Domain::Missing => diagnostics.error(
            &mappable.ident,
            "the domain type is missing; name it with `#[mappable(domain = Type)]`, or `Self` if the row is the domain type",
        ),
        Domain::Itself => check_itself(mappable, attrs, diagnostics),
        Domain::Other { access, .. } => {
            check_build(attrs, diagnostics);
            check_access(*access, mappable, attrs, diagnostics);
            check_ids(mappable, diagnostics);
            check_members(mappable, diagnostics);
        }
    }
    check_versions(mappable, diagnostics);
    check_primary(mappable, attrs, diagnostics);
}

/// Where the row is the domain type there is nothing to convert.
fn check_itself(mappable: &Mappable, attrs: &MappableAttrs, diagnostics: &mut Diagnostics) {
    let of_struct = [
        attrs.construct.as_ref().map(|given| &given.key),
        attrs.try_construct.as_ref().map(|given| &given.key),
        attrs.access.as_ref().map(|given| &given.key),
    ];
    let of_fields = mappable.fields.iter().flat_map(|field| &field.keys);
    for key in of_struct.into_iter().flatten().chain(of_fields) {
        let message = format!("`{}` has no meaning with `domain = Self`; remove it or name a domain type", plain(key));
        diagnostics.error(key, message);
    }
}

fn check_build(attrs: &MappableAttrs, diagnostics: &mut Diagnostics) {
    if let (Some(_), Some(second)) = (&attrs.construct, &attrs.try_construct) {
        diagnostics.error(&second.key, "`try_construct` cannot be combined with `construct`; remove one");
    }
}

/// What is read by getters has private fields, which a literal could not set.
fn check_access(access: AccessKey, mappable: &Mappable, attrs: &MappableAttrs, diagnostics: &mut Diagnostics) {
    match access {
        AccessKey::Fields => {}
        AccessKey::Getters => {
            if let (Some(at), None, None) = (&attrs.access, &attrs.construct, &attrs.try_construct) {
                diagnostics.error(
                    &at.key,
                    "`access = getters` needs `construct = Type::function`, as a struct literal needs fields",
                );
            }
            for field in &mappable.fields {
                if let Source::Mapped { member: Member::Unnamed(index), .. } = &field.source {
                    diagnostics.error(index, "a getter has a name; write `field = name`");
                }
            }
        }
    }
}

/// A domain value without its key could not be saved.
fn check_ids(mappable: &Mappable, diagnostics: &mut Diagnostics) {
    for field in &mappable.fields {
        if let (Place::Id(_), Source::RowOnly { at: Some(at), .. }) = (&field.place, &field.source) {
            diagnostics.error(at, "the key tells which row a domain value is; it cannot be `row_only`");
        }
    }
}

/// Two row fields for one domain field would contradict each other.
fn check_members(mappable: &Mappable, diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for Field { ident, source, .. } in &mappable.fields {
        let Source::Mapped { member, .. } = source else { continue };
        let name = match member {
            Member::Named(member) => plain(member),
            Member::Unnamed(index) => index.to_token_stream().to_string(),
        };
        if let Some(first) = seen.insert(name.clone(), ident) {
            diagnostics.error(
                member,
                format!(
                    "the domain field `{name}` is mapped by `{first}` already; map one and mark the other `row_only`"
                ),
            );
        }
    }
}

/// A lookup by domain type finds tables.
fn check_primary(mappable: &Mappable, attrs: &MappableAttrs, diagnostics: &mut Diagnostics) {
    if let (Registered::No, Some(primary)) = (&mappable.registered, &attrs.primary) {
        diagnostics.error(&primary.key, "an embedded struct is no table and cannot be `primary`; remove it");
    }
}

fn check_versions(mappable: &Mappable, diagnostics: &mut Diagnostics) {
    for field in &mappable.fields {
        if let (Place::Version(_), Some(key)) = (&field.place, &field.conversion) {
            let message = format!("a version is mapped as it is, without `{}`; use `field = …` alone", plain(key));
            diagnostics.error(key, message);
        }
    }
}
