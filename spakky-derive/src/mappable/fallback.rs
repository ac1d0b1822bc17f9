//! What is emitted beside errors: an impl that makes a use of the type no further error. It never runs.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use super::attr::MappableAttrs;
use crate::attr::CratePath;

pub(crate) fn expand(input: &DeriveInput, attrs: &MappableAttrs) -> TokenStream {
    let private = CratePath::given(attrs.krate.as_ref()).private();
    let ident = &input.ident;
    let (generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let predicates = where_clause.map(|clause| &clause.predicates).into_iter().flatten();
    let domain = match attrs.domain.as_ref().and_then(|domain| domain.value.as_ref()) {
        Some(ty) => quote!(#ty),
        None => quote!(()),
    };
    quote! {
        const _: () = {
            use #private as __p;
            #[automatically_derived]
            impl #generics __p::Mappable for #ident #ty_generics
            where #(#predicates,)* Self: __p::Sized + __p::Send + __p::Sync + 'static
            {
                type Domain = #domain;
                fn mapped() -> &'static [__p::bool] { &[] }
                fn merge(_: &Self::Domain, _: __p::Option<&Self>) -> Self { loop {} }
                fn to_domain(self) -> __p::Result<Self::Domain, __p::MappingError> { loop {} }
            }
        };
    }
}
