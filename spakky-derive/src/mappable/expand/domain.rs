//! Conversions between a row and a domain type of its own.
//!
//! Both directions of one field name the same trait with the row's type as written, so that a mismatch is one error.
//! For the same reason a domain value that is built by a literal is taken apart by a pattern.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Member, PathArguments, Type};

use crate::keys::AccessKey;
use crate::mappable::model::{Build, Conversion, Field, Mappable, Place, Source};
use crate::syntax::ident::plain;
use crate::syntax::input::{projection, span_of};

/// How a member of the domain value is read.
#[derive(Clone, Copy)]
enum Read {
    /// Bound by a pattern, to a name made from the row field's.
    Bound,
    Field,
    Getter,
}

impl Read {
    fn new(access: AccessKey, build: &Build) -> Self {
        match (access, build) {
            (AccessKey::Getters, _) => Read::Getter,
            (AccessKey::Fields, Build::Literal) => Read::Bound,
            (AccessKey::Fields, Build::Construct(_) | Build::TryConstruct(_)) => Read::Field,
        }
    }

    /// A reference to the member, or what the getter returns.
    fn tokens(self, field: &Field, member: &Member) -> TokenStream {
        let span = at(&field.ident);
        match self {
            Read::Bound => {
                let bound = bound(field);
                quote_spanned!(span=> #bound)
            }
            Read::Field => quote_spanned!(span=> &__domain.#member),
            Read::Getter => quote_spanned!(span=> __domain.#member()),
        }
    }
}

fn bound(field: &Field) -> Ident {
    format_ident!("__{}", plain(&field.ident), span = at(&field.ident))
}

/// At a token of the user's, yet known to be generated, so that rustc suggests no edit of what is not written there.
fn at(token: &Ident) -> Span {
    Span::call_site().located_at(token.span())
}

pub(super) fn expand(mappable: &Mappable, domain: &Type, access: AccessKey, build: &Build) -> TokenStream {
    let ident = &mappable.ident;
    let read = Read::new(access, build);
    let destructured = match read {
        Read::Bound => destructured(mappable, domain),
        Read::Field | Read::Getter => TokenStream::new(),
    };
    let merged = mappable.fields.iter().map(|field| {
        let (name, value) = (&field.ident, from_domain(field, read));
        quote!(#name: #value)
    });
    let to_domain = to_domain(mappable, domain, build);
    let revision = revision(mappable, access);
    quote! {
        type Domain = #domain;
        fn merge(__domain: &#domain, __base: __p::Option<&Self>) -> Self {
            #destructured
            #ident { #(#merged),* }
        }
        fn to_domain(self) -> __p::Result<#domain, __p::MappingError> {
            #to_domain
        }
        #revision
    }
}

/// `let __Domain { id: __id, customer: __customer_id, .. } = __domain;`
fn destructured(mappable: &Mappable, domain: &Type) -> TokenStream {
    let alias = Ident::new("__Domain", span_of(domain));
    let members = mappable.fields.iter().filter_map(|field| match &field.source {
        Source::Mapped { member, .. } => {
            let bound = bound(field);
            Some(quote!(#member: #bound))
        }
        Source::RowOnly { .. } | Source::Parent => None,
    });
    quote!(let #alias { #(#members,)* .. } = __domain;)
}

/// ```text
/// type __Domain = <__p::Checked<{ let _ = |__id, __customer_id| Order { id: __id, customer: __customer_id }; true }> as __p::Literal<Order>>::Domain;
/// ```
///
/// A field that the domain type lacks, or has beside these, is a mistake in this literal alone: without a constant there is no
/// `__Domain` either, and the compiler says nothing of the pattern and the literal that are made of it.
pub(super) fn checked(mappable: &Mappable, domain: &Type) -> TokenStream {
    let (alias, path) = literal_path(domain);
    let (members, values): (Vec<_>, Vec<_>) = mappable
        .fields
        .iter()
        .filter_map(|field| match &field.source {
            Source::Mapped { member, .. } => Some((member, bound(field))),
            Source::RowOnly { .. } | Source::Parent => None,
        })
        .unzip();
    let name = Ident::new("__Domain", span_of(domain));
    quote! {
        type #name = <__p::Checked<{
            #alias
            let _ = |#(#values),*| #path { #(#members: #values),* };
            true
        }> as __p::Literal<#domain>>::Domain;
    }
}

/// The row field's value from a domain value.
fn from_domain(field: &Field, read: Read) -> TokenStream {
    let Field { ident, ty, .. } = field;
    let span = span_of(ty);
    let (member, by) = match &field.source {
        Source::RowOnly { new, .. } => return unmapped(field, new.as_ref().map(|new| quote!(#new))),
        Source::Parent => {
            let unset = quote_spanned!(span=> <#ty as __p::ParentKey>::unset());
            return unmapped(field, Some(unset));
        }
        Source::Mapped { member, by } => (member, by),
    };
    let value = read.tokens(field, member);
    if let Place::Version(_) = field.place {
        let revision = to_revision(member, read, &value);
        return quote!(<#ty as __p::VersionColumn>::from_revision(&#revision));
    }
    match (by, read) {
        (Conversion::None, Read::Bound | Read::Field) => quote!(<#ty as __p::SameAs<_>>::from_domain(#value)),
        (Conversion::None, Read::Getter) => quote!(<#ty as __p::FromGetter<_>>::from_getter(#value)),
        (Conversion::With(module) | Conversion::TryWith(module), _) => {
            quote_spanned!(span_of(module)=> #module::from_domain(#value))
        }
        (Conversion::Into | Conversion::TryInto, Read::Bound | Read::Field) => {
            let into_row = conversion(ty, "into_row");
            quote_spanned!(span=> #into_row(__p::Clone::clone(#value)))
        }
        (Conversion::Into | Conversion::TryInto, Read::Getter) => {
            let into_row = conversion(ty, "into_row");
            quote_spanned!(span=> #into_row(#value))
        }
        (Conversion::Wrapped, Read::Bound | Read::Field) => {
            let inner = projection(ty, &quote!(__p::Wrapped), "Inner");
            quote_spanned!(span=> <#ty as __p::Wrapped>::wrap(<#inner as __p::SameAs<_>>::from_domain(#value)))
        }
        (Conversion::Wrapped, Read::Getter) => {
            let inner = projection(ty, &quote!(__p::Wrapped), "Inner");
            quote_spanned!(span=> <#ty as __p::Wrapped>::wrap(<#inner as __p::FromGetter<_>>::from_getter(#value)))
        }
        (Conversion::Nested, _) => {
            let nested = projection(ty, &quote!(__p::NestedRow), "FNS");
            quote_spanned!(span=> (#nested.merge)(#value, __p::Option::map(__base, |__base| &__base.#ident)))
        }
    }
}

/// A field that stays in the row: from the loaded one, else new.
fn unmapped(field: &Field, new: Option<TokenStream>) -> TokenStream {
    let (ident, ty) = (&field.ident, &field.ty);
    let new = match (new, &field.place) {
        (Some(expression), _) => expression,
        (None, Place::Version(_)) => quote!(<#ty as __p::VersionColumn>::initial()),
        (None, Place::Stamp(_, stamp)) => {
            let column_trait = stamp.column_trait();
            quote!(<#ty as #column_trait>::initial())
        }
        // Filled as it is when a row is read.
        (None, Place::Nowhere | Place::Rows) => quote_spanned!(span_of(ty)=> <#ty as __p::Default>::default()),
        (None, Place::Column(_) | Place::Id(_) | Place::Group { .. }) => {
            quote!(<#ty as __p::NewRowDefault>::new_row_default())
        }
    };
    quote! {
        match __base {
            __p::Option::Some(__base) => __p::Clone::clone(&__base.#ident),
            __p::Option::None => #new,
        }
    }
}

fn to_domain(mappable: &Mappable, domain: &Type, build: &Build) -> TokenStream {
    let mapped = mappable.fields.iter().filter_map(|field| match &field.source {
        Source::Mapped { member, by } => Some((member, into_domain(field, member, by, build))),
        Source::RowOnly { .. } | Source::Parent => None,
    });
    match build {
        Build::Literal => {
            let name = Ident::new("__Domain", span_of(domain));
            let members = mapped.map(|(member, value)| quote!(#member: #value));
            quote!(__p::Result::Ok(#name { #(#members),* }))
        }
        Build::Construct(path) => {
            let values = mapped.map(|(_, value)| value);
            quote!(__p::Result::Ok(#path(#(#values),*)))
        }
        Build::TryConstruct(path) => {
            let values = mapped.map(|(_, value)| value);
            let span = span_of(path);
            quote_spanned! {span=>
                let __outcome = #path(#(#values),*);
                __p::constructed(__outcome)
            }
        }
    }
}

/// The path of a struct literal or pattern; a type with arguments needs an alias.
fn literal_path(domain: &Type) -> (TokenStream, TokenStream) {
    if let Type::Path(path) = domain {
        let plain = path.qself.is_none()
            && path.path.segments.iter().all(|segment| matches!(segment.arguments, PathArguments::None));
        if plain {
            return (TokenStream::new(), quote!(#domain));
        }
    }
    let alias = Ident::new("__Domain", span_of(domain));
    (quote!(type #alias = #domain;), quote!(#alias))
}

/// The domain member's value from the row.
fn into_domain(field: &Field, member: &Member, by: &Conversion, build: &Build) -> TokenStream {
    let Field { ident, ty, .. } = field;
    let span = span_of(ty);
    let mut name = ident.clone();
    name.set_span(at(ident));
    let value = quote_spanned!(at(ident)=> self.#name);
    if let Place::Version(_) = field.place {
        let version = version_field(member);
        return quote!(#version::from_revision(<#ty as __p::VersionColumn>::to_revision(&#value)));
    }
    match (by, build) {
        (Conversion::None, Build::Literal) => quote!(<#ty as __p::SameAs<_>>::into_domain(#value)),
        // The function's parameter decides, which may be generic.
        (Conversion::None, Build::Construct(_) | Build::TryConstruct(_)) => value,
        (Conversion::With(module), _) => quote_spanned!(span_of(module)=> #module::to_domain(#value)),
        (Conversion::TryWith(module), _) => {
            let column = column(field);
            let outcome = quote_spanned!(span_of(module)=> #module::to_domain(#value));
            quote_spanned! {span=> {
                let __outcome = #outcome;
                __p::converted(#column, __outcome)?
            }}
        }
        (Conversion::Wrapped, Build::Literal) => {
            let inner = projection(ty, &quote!(__p::Wrapped), "Inner");
            quote_spanned!(span=> <#inner as __p::SameAs<_>>::into_domain(<#ty as __p::Wrapped>::unwrap(#value)))
        }
        (Conversion::Wrapped, Build::Construct(_) | Build::TryConstruct(_)) => {
            quote!(<#ty as __p::Wrapped>::unwrap(#value))
        }
        (Conversion::Into, Build::Literal) => {
            let by_into = conversion(ty, "by_into");
            quote_spanned!(span=> #by_into()(#value))
        }
        // The function's parameter need not be of the type that the domain value is read as.
        (Conversion::Into, Build::Construct(_) | Build::TryConstruct(_)) => {
            quote_spanned!(span=> <#ty as __p::IntoDomainField<_>>::into_domain(#value))
        }
        (Conversion::TryInto, Build::Literal) => {
            let (column, by_try_into) = (column(field), conversion(ty, "by_try_into"));
            quote_spanned!(span=> __p::converted(#column, #by_try_into()(#value))?)
        }
        (Conversion::TryInto, Build::Construct(_) | Build::TryConstruct(_)) => {
            let column = column(field);
            quote_spanned!(span=> __p::converted(#column, <#ty as __p::TryIntoDomainField<_, _>>::try_into_domain(#value))?)
        }
        (Conversion::Nested, _) => {
            let nested = projection(ty, &quote!(__p::NestedRow), "FNS");
            let nested = quote_spanned!(span=> (#nested.to_domain)(#value));
            match &field.place {
                Place::Group { prefix } => quote_spanned!(span=> __p::nested(#prefix, #nested)?),
                Place::Column(_)
                | Place::Id(_)
                | Place::Version(_)
                | Place::Stamp(..)
                | Place::Rows
                | Place::Nowhere => {
                    let column = column(field);
                    quote_spanned!(span=> __p::converted(#column, #nested)?)
                }
            }
        }
    }
}

/// `<_ as IntoRowField<String>>::into_row`, at the row's type: the domain's is known by what stands around it.
fn conversion(ty: &Type, function: &str) -> TokenStream {
    let mut tokens = ty.to_token_stream().into_iter().map(|token| token.span());
    let first = tokens.next().unwrap_or_else(Span::call_site);
    let last = tokens.last().unwrap_or(first);
    let head = quote_spanned!(first=> __p::Inferred);
    let domain = quote_spanned!(last=> #head<_>);
    projection(&domain, &quote!(__p::IntoRowField<#ty, _>), function)
}

/// The column's name for errors; the field's where there is no single column.
fn column(field: &Field) -> String {
    match &field.place {
        Place::Column(name) | Place::Id(name) | Place::Version(name) | Place::Stamp(name, _) => name.clone(),
        Place::Group { .. } | Place::Rows | Place::Nowhere => plain(&field.ident),
    }
}

/// `<_ as VersionField>`, at the member's name.
fn version_field(member: &Member) -> TokenStream {
    quote_spanned!(span_of(member)=> <_ as __p::VersionField>)
}

/// The revision of a reference to the member, or of what its getter returns.
fn to_revision(member: &Member, read: Read, value: &TokenStream) -> TokenStream {
    let span = span_of(member);
    match read {
        Read::Bound | Read::Field => {
            let version = version_field(member);
            quote_spanned!(span=> #version::to_revision(#value))
        }
        Read::Getter => quote_spanned!(span=> __p::RevisionGetter::revision(__domain.#member())),
    }
}

fn revision(mappable: &Mappable, access: AccessKey) -> TokenStream {
    let Some(member) = mappable.version() else { return TokenStream::new() };
    let version = version_field(member);
    let (read, value) = match access {
        AccessKey::Fields => (Read::Field, quote!(&__domain.#member)),
        AccessKey::Getters => (Read::Getter, TokenStream::new()),
    };
    let revision = to_revision(member, read, &value);
    let set = match (access, member) {
        (AccessKey::Getters, Member::Named(name)) => {
            let setter = format_ident!("set_{}", plain(name), span = name.span());
            quote!(__domain.#setter(#version::from_revision(__revision));)
        }
        (AccessKey::Getters | AccessKey::Fields, _) => quote!(__domain.#member = #version::from_revision(__revision);),
    };
    quote! {
        fn revision(__domain: &Self::Domain) -> __p::Option<__p::Revision> {
            __p::Option::Some(#revision)
        }
        fn set_revision(__domain: &mut Self::Domain, __revision: __p::Revision) {
            #set
        }
    }
}
