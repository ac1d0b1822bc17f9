//! What is emitted beside errors: impls that make a use of the type no further error. They never run.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use super::attr::ProjectionAttrs;
use super::expand::{Profiles, profile_constant};
use crate::attr::CratePath;

pub(crate) fn expand(input: &DeriveInput, attrs: &ProjectionAttrs) -> TokenStream {
    let Some(row) = attrs.row.as_ref().and_then(|row| row.value.as_ref()) else { return TokenStream::new() };
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let private = CratePath::given(attrs.krate.as_ref()).private();
    let ident = &input.ident;
    let mut names: Vec<syn::Ident> = Vec::new();
    for name in attrs.profiles.iter().flat_map(|given| &given.value) {
        if !names.iter().any(|other| profile_constant(other) == profile_constant(name)) {
            names.push(name.clone());
        }
    }
    let Profiles { beside, items } = Profiles::new(ident, &input.vis, &names);
    quote! {
        const _: () = {
            use #private as __p;
            #[automatically_derived]
            impl __p::Projection for #ident {
                type Row = #row;
                #items
                fn spec() -> &'static __p::ProjectionSpec { loop {} }
                fn read(_: &__p::Cells<'_>) -> __p::Result<Self, __p::Error> { loop {} }
            }
            #beside
        };
    }
}
