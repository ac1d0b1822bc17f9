//! The generated code. Nothing here can fail.
//!
//! ```text
//! const _: () = {
//!     use ::spakky::__private as __p;
//!     const __FIELD_0: __p::Field<OrderId> = __p::Field::column("id", &<OrderRow as Table>::HANDLES.id);
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
    let row = Rows::of_type(row).row();
    let names = projection.profiles.iter().map(plain);
    let profiles = Profiles::new(ident, &projection.vis, &projection.profiles);
    let (profile_struct, profile_items) = (&profiles.beside, &profiles.items);
    quote! {
        const _: () = {
            use #private as __p;
            #(#constants)*
            static __SPEC: __p::ProjectionSpec =
                __p::ProjectionSpec::new::<#row>(#name, &[#(#names),*], &[#(#specs),*]);
            #[automatically_derived]
            impl __p::Projection for #ident {
                type Row = #row;
                #profile_items
                fn spec() -> &'static __p::ProjectionSpec {
                    &__SPEC
                }
                fn read(__cells: &__p::Cells<'_>) -> __p::Result<Self, __p::Error> {
                    __p::Result::Ok(#ident { #(#reads),* })
                }
            }
            #profile_struct
            __p::inventory::submit! { __p::ProjectionEntry { spec: || &__SPEC } }
        };
    }
}

/// The profiles of a view, by the names that users and other views have for them.
pub(super) struct Profiles {
    /// `impl OrderView { pub const LIST: Profile<OrderView> = Profile::at(0); } pub struct #name { pub list: … }`
    pub(super) beside: TokenStream,
    /// `type Profiles = OrderViewProfiles; const PROFILES: OrderViewProfiles = OrderViewProfiles { list: OrderView::LIST };`
    pub(super) items: TokenStream,
}

impl Profiles {
    pub(super) fn new(ident: &Ident, vis: &syn::Visibility, profiles: &[Ident]) -> Self {
        if profiles.is_empty() {
            let items = quote! {
                type Profiles = __p::NoProfiles<#ident>;
                const PROFILES: __p::NoProfiles<#ident> = __p::NoProfiles::NEW;
            };
            return Profiles { beside: TokenStream::new(), items };
        }
        let name = format_ident!("{}Profiles", plain(ident));
        let names: Vec<Ident> = profiles.iter().map(profile_constant).collect();
        let constants = profiles.iter().zip(&names).zip(0u32..).map(|((profile, name), at)| {
            let doc = format!("The fields of profile `{}`.", plain(profile));
            quote!(#[doc = #doc] #vis const #name: __p::Profile<#ident> = __p::Profile::at(#at);)
        });
        let beside = quote! {
            #[automatically_derived]
            #[allow(dead_code)]
            impl #ident { #(#constants)* }
            #[allow(
                dead_code, non_snake_case, missing_docs, missing_copy_implementations, missing_debug_implementations
            )]
            pub struct #name { #(pub #profiles: __p::Profile<#ident>),* }
        };
        let items = quote! {
            type Profiles = #name;
            const PROFILES: #name = #name { #(#profiles: #ident::#names),* };
        };
        Profiles { beside, items }
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
    let own = Rows::of_type(&projection.row);
    let (row, ty, name) = (own.row(), &field.ty, plain(&field.ident));
    let (span, make) = (span_of(ty), constructor(ty, &field.source));
    match &field.source {
        Source::Column(path) => {
            let column = own.column(path);
            quote_spanned!(span=> #make(#name, #column))
        }
        Source::Joined { row: other, column: path, by } => {
            let (by, column) = (own.column(by), Rows::of_type(other).column(path));
            quote_spanned!(span=> #make(#name, #by, #column))
        }
        Source::BelongsTo { by, profile } => {
            let by = own.column(by);
            let profile = profile_of(ty, &quote!(__p::ProjectedOne), profile.as_ref());
            quote_spanned!(span=> #make(#name, #by, #profile))
        }
        Source::HasOne { by, profile, which } => {
            let child = Rows::Field(ty, quote!(__p::ProjectedOne));
            // Of several rows the first in the order is the one.
            let first = (!which.order.is_empty()).then(|| quote!(.limit(1)));
            let (by, which) = (child.column(by), child.which(which));
            let profile = profile_of(ty, &quote!(__p::ProjectedOne), profile.as_ref());
            quote_spanned!(span=> #make::<#row, _>(#name, #by, #profile) #which #first)
        }
        Source::HasMany { by, profile, which } => {
            let child = Rows::Field(ty, quote!(__p::ProjectedMany));
            let (by, which) = (child.column(by), child.which(which));
            let profile = profile_of(ty, &quote!(__p::ProjectedMany), profile.as_ref());
            quote_spanned!(span=> #make::<#row, _>(#name, #by, #profile) #which)
        }
        Source::ManyToMany { through, from, to, profile, which } => {
            let (link, child) = (Rows::of_type(through), Rows::Field(ty, quote!(__p::ProjectedMany)));
            let (from, to, which) = (link.column(from), link.column(to), child.which(which));
            let profile = profile_of(ty, &quote!(__p::ProjectedMany), profile.as_ref());
            quote_spanned! {span=>
                #make::<#row, _, _, _>(#name, #from, #to, #profile) #which
            }
        }
        Source::Count { row: other, by, which } | Source::Exists { row: other, by, which } => {
            let other = Rows::of_type(other);
            let (by, which) = (other.column(by), other.which(which));
            quote_spanned!(span=> #make::<#row, _, _>(#name, #by) #which)
        }
        Source::Sum { row: other, column: path, by, which } => {
            let other = Rows::of_type(other);
            let (path, by, which) = (other.column(path), other.column(by), other.which(which));
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
            let maker = associated(ty, &quote!(__p::ProjectedLoad), "MAKER");
            // At the function, but not as the user's own code, which lints would look at.
            let at = Span::call_site().located_at(span_of(function));
            let call = quote_spanned! {at=>
                |__input: &__p::LoadInput<'_>| {
                    __p::Result::Ok(#maker.gathered::<#row, _, _>(#function(__input.batch::<#id>()? #(#values)*)))
                }
            };
            quote_spanned!(span=> #make::<#row>(#name, &[#(#after),*], #call))
        }
        // Reported, so that this is not expanded.
        Source::Broken => TokenStream::new(),
    }
}

/// `Field::<i64>::count`, which the compiler reports at the whole type, as it does what is said of the type elsewhere.
///
/// Of related rows and loaders it is `<Vec<LineView> as ProjectedMany>::MAKER.has_many`, so that nothing is made of a type that does not
/// fit.
fn constructor(ty: &Type, source: &Source) -> TokenStream {
    let last = ty.to_token_stream().into_iter().last().map_or_else(Span::call_site, |token| token.span());
    let name = Ident::new(source.constructor(), last);
    if let Some(kind) = maker(source) {
        let maker = associated(ty, &kind, "MAKER");
        return quote_spanned!(last=> #maker.#name);
    }
    let head = quote_spanned!(span_of(ty)=> __p::Field::<#ty>);
    quote_spanned!(last=> #head::#name)
}

/// The trait by which a field's type has what makes fields of it.
fn maker(source: &Source) -> Option<TokenStream> {
    match source {
        Source::BelongsTo { .. } | Source::HasOne { .. } => Some(quote!(__p::ProjectedOne)),
        Source::HasMany { .. } | Source::ManyToMany { .. } => Some(quote!(__p::ProjectedMany)),
        Source::Load(_) => Some(quote!(__p::ProjectedLoad)),
        Source::Column(_)
        | Source::Joined { .. }
        | Source::Count { .. }
        | Source::Exists { .. }
        | Source::Sum { .. }
        | Source::Broken => None,
    }
}

/// The rows of a table, as the compiler has them once it knows that the type fits.
enum Rows<'a> {
    /// Of a row type.
    Type(TokenStream),
    /// Those that a field of this type and kind holds views of.
    Field(&'a Type, TokenStream),
}

impl Rows<'_> {
    fn of_type(row: impl ToTokens) -> Self {
        Rows::Type(row.into_token_stream())
    }

    /// `<OrderRow as Table>::Itself`, `<Vec<LineView> as ProjectedMany>::Row`
    fn row(&self) -> TokenStream {
        match self {
            Rows::Type(row) => associated(row, &quote!(__p::TableRow), "Itself"),
            Rows::Field(ty, kind) => associated(*ty, kind, "Row"),
        }
    }

    /// `<OrderRow as Table>::HANDLES.ship.street`, whose parts the compiler reports where they were written.
    fn handle(&self, path: &FieldPath) -> TokenStream {
        let (span, fields) = (path.first.span(), path.idents());
        let handles = match self {
            Rows::Type(row) => quote_spanned!(span=> <#row as __p::TableRow>::HANDLES),
            Rows::Field(ty, kind) => associated(*ty, kind, "HANDLES"),
        };
        quote_spanned!(span=> #handles #(.#fields)*)
    }

    fn column(&self, path: &FieldPath) -> TokenStream {
        let handle = self.handle(path);
        quote_spanned!(path.first.span()=> &#handle)
    }

    /// `.filter(|| filtered::<LineRow>(open())).order(&[(<LineRow as Table>::HANDLES.position.parts(), false)]).limit(3)`
    fn which(&self, which: &Which) -> TokenStream {
        let row = self.row();
        let filter = which.filter.iter().map(|function| {
            let at = Span::call_site().located_at(span_of(function));
            quote_spanned!(at=> .filter(|| __p::filtered::<#row>(#function())))
        });
        let order = which.order.iter().map(|(path, descending)| {
            let handle = self.handle(path);
            quote!((#handle.parts(), #descending))
        });
        let order = (!which.order.is_empty()).then(|| quote!(.order(&[#(#order),*])));
        let limit = which.limit.iter().map(|limit| quote!(.limit(#limit)));
        quote!(#(#filter)* #order #(#limit)*)
    }
}

/// `<Vec<LineView> as ProjectedMany>::PROFILES.brief`, or all fields.
fn profile_of(ty: &Type, kind: &TokenStream, profile: Option<&Ident>) -> TokenStream {
    match profile {
        Some(profile) => {
            let profiles = associated(ty, kind, "PROFILES");
            quote!(#profiles.#profile)
        }
        None => quote!(__p::Profile::whole()),
    }
}
