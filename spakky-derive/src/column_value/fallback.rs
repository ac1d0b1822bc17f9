//! What is emitted beside errors: impls that make a use of the type no further error. They never run.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::attr::CratePath;

pub(crate) fn expand(input: &DeriveInput, krate: &CratePath) -> TokenStream {
    let private = krate.private();
    let ident = &input.ident;
    let (generics, ty_generics, where_clause) = input.generics.split_for_impl();
    quote! {
        const _: () = {
            use #private as __p;
            #[automatically_derived]
            impl #generics __p::ColumnValue for #ident #ty_generics #where_clause {
                const TYPE: __p::ColumnType = __p::ColumnType::scalar(__p::ScalarType::Text);
                fn to_value(&self) -> __p::Result<__p::Value, __p::ValueError> { loop {} }
                fn from_value(_: __p::Value) -> __p::Result<Self, __p::ValueError> { loop {} }
            }
            #[automatically_derived]
            impl #generics __p::ArrayElement for #ident #ty_generics #where_clause {}
        };
    }
}
