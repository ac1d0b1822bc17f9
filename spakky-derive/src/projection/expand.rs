//! The generated code. Nothing here can fail.
//!
//! ```text
//! const _: () = {
//!     use ::spakky::__private as __p;
//!     const __FIELD_0: __p::Field<OrderId> = __p::Field::column("id", &<OrderRow>::COLUMNS.id);
//!     static __SPEC: __p::ProjectionSpec = __p::ProjectionSpec::new::<OrderRow>("OrderView", &["list"], &[__FIELD_0.spec()]);
//!     impl __p::Projection for OrderView { Row, spec, read }
//!     impl OrderView { pub const LIST: __p::Profile<OrderView> = __p::Profile::at(0); }
//!     __p::inventory::submit! { … }
//! };
//! ```
//!
//! A field's type, and the columns it comes from, stand in its constant alone, so that a mistake is one error.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use super::model::{Field, Projection, Source, Which};
use crate::syntax::case::screaming_snake;
use crate::syntax::ident::plain;
use crate::syntax::input::{projection as associated, span_of};
use crate::table::attr::FieldPath;

pub(crate) fn expand(projection: &Projection) -> TokenStream {
    let private = projection.krate.private();
    let (ident, row, name) = (&projection.ident, &projection.row, plain(&projection.ident));
    let constants = projection.fields.iter().enumerate().map(|(at, field)| field_constant(projection, at, field));
    let specs = (0..projection.fields.len()).map(|at| {
        let constant = constant(at);
        quote!(#constant.spec())
    });
    let reads = projection.fields.iter().enumerate().map(|(at, field)| {
        let (ident, constant) = (&field.ident, constant(at));
        quote!(#ident: #constant.read(__cells, #at)?)
    });
    let names = projection.profiles.iter().map(plain);
    let profiles = expand_profiles(ident, &projection.vis, &projection.profiles);
    quote! {
        const _: () = {
            use #private as __p;
            #(#constants)*
            static __SPEC: __p::ProjectionSpec =
                __p::ProjectionSpec::new::<#row>(#name, &[#(#names),*], &[#(#specs),*]);
            #[automatically_derived]
            impl __p::Projection for #ident {
                type Row = #row;
                fn spec() -> &'static __p::ProjectionSpec {
                    &__SPEC
                }
                fn read(__cells: &__p::Cells<'_>) -> __p::Result<Self, __p::Error> {
                    __p::Result::Ok(#ident { #(#reads),* })
                }
            }
            #profiles
            __p::inventory::submit! { __p::ProjectionEntry { spec: || &__SPEC } }
        };
    }
}

/// `impl OrderView { pub const LIST: Profile<OrderView> = Profile::at(0); }`
pub(super) fn expand_profiles(ident: &Ident, vis: &syn::Visibility, profiles: &[Ident]) -> TokenStream {
    if profiles.is_empty() {
        return TokenStream::new();
    }
    let constants = profiles.iter().zip(0u32..).map(|(profile, at)| {
        let doc = format!("The fields of profile `{}`.", plain(profile));
        let constant = profile_constant(profile);
        quote!(#[doc = #doc] #vis const #constant: __p::Profile<#ident> = __p::Profile::at(#at);)
    });
    quote! {
        #[automatically_derived]
        #[allow(dead_code)]
        impl #ident { #(#constants)* }
    }
}

pub(super) fn profile_constant(profile: &Ident) -> Ident {
    format_ident!("{}", screaming_snake(&plain(profile)), span = profile.span())
}

fn constant(at: usize) -> Ident {
    format_ident!("__FIELD_{at}")
}

fn field_constant(projection: &Projection, at: usize, field: &Field) -> TokenStream {
    let (constant, ty) = (constant(at), &field.ty);
    let mut value = value(projection, field);
    if let Some(profiles) = &field.profiles {
        let mask = profiles
            .iter()
            .filter_map(|name| projection.profile(name))
            .fold(0u64, |mask, at| mask | 1u64.checked_shl(u32::try_from(at).unwrap_or(0)).unwrap_or(0));
        // The bound on the type is reported at the type.
        let call = quote_spanned!(span_of(ty)=> .profiles(#mask));
        value.extend(call);
    }
    quote!(const #constant: __p::Field<#ty> = #value;)
}

fn value(projection: &Projection, field: &Field) -> TokenStream {
    let (row, ty, name) = (&projection.row, &field.ty, plain(&field.ident));
    let (span, make) = (span_of(ty), constructor(ty, field.source.constructor()));
    match &field.source {
        Source::Column(path) => {
            let column = column(&quote!(#row), path);
            quote_spanned!(span=> #make(#name, #column))
        }
        Source::Joined { row: other, column: path, by } => {
            let (by, column) = (column(&quote!(#row), by), column(&quote!(#other), path));
            quote_spanned!(span=> #make(#name, #by, #column))
        }
        Source::BelongsTo { by, profile } => {
            let by = column(&quote!(#row), by);
            let profile = profile_of(ty, &quote!(__p::ProjectedOne), profile.as_ref());
            quote_spanned!(span=> #make(#name, #by, #profile))
        }
        Source::HasOne { by, profile, which } => {
            let child = child(ty, &quote!(__p::ProjectedOne));
            // Of several rows the first in the order is the one.
            let first = (!which.order.is_empty()).then(|| quote!(.limit(1)));
            let (by, which) = (column(&child, by), expand_which(&child, which));
            let profile = profile_of(ty, &quote!(__p::ProjectedOne), profile.as_ref());
            quote_spanned!(span=> #make::<#row, _>(#name, #by, #profile) #which #first)
        }
        Source::HasMany { by, profile, which } => {
            let child = child(ty, &quote!(__p::ProjectedMany));
            let (by, which) = (column(&child, by), expand_which(&child, which));
            let profile = profile_of(ty, &quote!(__p::ProjectedMany), profile.as_ref());
            quote_spanned!(span=> #make::<#row, _>(#name, #by, #profile) #which)
        }
        Source::ManyToMany { through, from, to, profile, which } => {
            let which = expand_which(&child(ty, &quote!(__p::ProjectedMany)), which);
            let (from, to) = (column(&quote!(#through), from), column(&quote!(#through), to));
            let profile = profile_of(ty, &quote!(__p::ProjectedMany), profile.as_ref());
            quote_spanned! {span=>
                #make::<#row, _, _, _>(#name, #from, #to, #profile) #which
            }
        }
        Source::Count { row: other, by, which } | Source::Exists { row: other, by, which } => {
            let (by, which) = (column(&quote!(#other), by), expand_which(&quote!(#other), which));
            quote_spanned!(span=> #make::<#row, _, _>(#name, #by) #which)
        }
        Source::Sum { row: other, column: path, by, which } => {
            let (path, by) = (column(&quote!(#other), path), column(&quote!(#other), by));
            let which = expand_which(&quote!(#other), which);
            quote_spanned!(span=> #make::<#row, _, _, _>(#name, #path, #by) #which)
        }
        Source::Load(function) => {
            let after: Vec<usize> = field
                .depends_on
                .iter()
                .flat_map(|given| &given.value)
                .filter_map(|name| projection.position(name))
                .collect();
            let values = after.iter().map(|&at| {
                let constant = constant(at);
                quote!(, __input.values(&#constant, #at)?)
            });
            let id = quote!(<#row as __p::Table>::Id);
            // At the function, but not as the user's own code, which lints would look at.
            let at = Span::call_site().located_at(span_of(function));
            let call = quote_spanned! {at=>
                |__input: &__p::LoadInput<'_>| {
                    __p::Result::Ok(__p::gathered::<#row, #ty, _, _>(#function(__input.batch::<#id>()? #(#values)*)))
                }
            };
            quote_spanned!(span=> #make::<#row>(#name, &[#(#after),*], #call))
        }
        // Reported, so that this is not expanded.
        Source::Broken => TokenStream::new(),
    }
}

/// `Field::<Vec<LineView>>::has_many`, which the compiler reports at the whole type, as it does what is said of the type
/// elsewhere.
fn constructor(ty: &Type, name: &str) -> TokenStream {
    let last = ty.to_token_stream().into_iter().last().map_or_else(Span::call_site, |token| token.span());
    let name = Ident::new(name, last);
    let head = quote_spanned!(span_of(ty)=> __p::Field::<#ty>);
    quote_spanned!(last=> #head::#name)
}

/// `&<OrderRow>::COLUMNS.ship.street`, whose parts the compiler reports where they were written.
fn column(row: &TokenStream, path: &FieldPath) -> TokenStream {
    let fields = path.idents();
    quote_spanned!(path.first.span()=> &<#row>::COLUMNS #(.#fields)*)
}

/// The row type of the other table: `<Vec<LineView> as ProjectedMany>::Row`.
fn child(ty: &Type, kind: &TokenStream) -> TokenStream {
    associated(ty, kind, "Row")
}

/// `.filter(|| filtered::<LineRow>(open())).order(&[(<LineRow>::COLUMNS.position.parts(), false)]).limit(3)`
fn expand_which(row: &TokenStream, which: &Which) -> TokenStream {
    let filter = which.filter.iter().map(|function| {
        let at = Span::call_site().located_at(span_of(function));
        quote_spanned!(at=> .filter(|| __p::filtered::<#row>(#function())))
    });
    let order = which.order.iter().map(|(path, descending)| {
        let fields = path.idents();
        quote!((<#row>::COLUMNS #(.#fields)* .parts(), #descending))
    });
    let order = (!which.order.is_empty()).then(|| quote!(.order(&[#(#order),*])));
    let limit = which.limit.iter().map(|limit| quote!(.limit(#limit)));
    quote!(#(#filter)* #order #(#limit)*)
}

/// `LineView::BRIEF`, or all fields.
fn profile_of(ty: &Type, kind: &TokenStream, profile: Option<&Ident>) -> TokenStream {
    match profile {
        Some(profile) => {
            let (view, constant) = (associated(ty, kind, "View"), profile_constant(profile));
            quote!(<#view>::#constant)
        }
        None => quote!(__p::Profile::whole()),
    }
}
