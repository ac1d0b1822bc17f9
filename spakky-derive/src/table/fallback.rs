//! What is emitted beside errors: impls that make a use of the type no further error. They never run.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use super::expand::{constants, expand_embedded, expand_items, expand_prefixes, expand_struct, soft_delete};
use super::model::{Kind, Table};
use crate::attr::CratePath;

pub(crate) fn expand(input: &DeriveInput, table: Option<&Table>) -> TokenStream {
    let default = CratePath::new(None);
    let private = table.map_or(&default, |table| &table.krate).private();
    let ident = &input.ident;
    let (generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let predicates = where_clause.map(|clause| &clause.predicates).into_iter().flatten();
    let predicates = quote!(#(#predicates,)*);
    let is_row = table.is_none_or(|table| matches!(table.kind, Kind::Row(_)));
    let id = id_type(table);
    let items = match table {
        Some(table) => expand_items(table),
        None => quote! {
            type Itself = Self;
            type Handles = ();
            const HANDLES: () = ();
        },
    };
    let row = is_row.then(|| {
        quote! {
            #[automatically_derived]
            impl #generics __p::Table for #ident #ty_generics where #predicates Self: __p::Columns + __p::Clone {
                type Id = #id;
                #items
                fn descriptor() -> &'static __p::TableDescriptor { loop {} }
                fn id(&self) -> Self::Id { loop {} }
                fn encode_id(_: &Self::Id) -> __p::Result<__p::Vec<__p::Value>, __p::Error> { loop {} }
            }
        }
    });
    let handles = table.map(expand_struct);
    let columns = table.map(|table| match &table.kind {
        Kind::Row(row) => {
            let (prefixes, constants, soft_delete) =
                (expand_prefixes(table), constants(table, row), soft_delete(table));
            quote!(#prefixes #constants #soft_delete)
        }
        Kind::Embedded(_) => expand_embedded(table),
    });
    quote! {
        #handles
        const _: () = {
            use #private as __p;
            #[automatically_derived]
            impl #generics __p::Columns for #ident #ty_generics
            where #predicates Self: __p::Sized + __p::Send + __p::Sync + 'static
            {
                const COUNT: __p::usize = 0;
                fn describe(_: &__p::str, _: &mut __p::Vec<__p::ColumnDescriptor>) {}
                fn encode(&self, _: &mut __p::RecordWriter<'_>) -> __p::Result<(), __p::Error> { loop {} }
                fn decode(_: &mut __p::RecordReader<'_>) -> __p::Result<Self, __p::Error> { loop {} }
            }
            #row
            #columns
        };
    }
}

fn id_type(table: Option<&Table>) -> TokenStream {
    let types: Vec<_> = table.iter().flat_map(|table| table.ids()).map(|(field, _)| &field.ty).collect();
    match types.as_slice() {
        [ty] => quote!(#ty),
        types => quote!((#(#types),*)),
    }
}
