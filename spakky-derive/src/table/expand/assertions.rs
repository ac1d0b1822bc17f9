//! Checks that need types, as constants evaluated at compile time; each points at the field's type.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::column;
use super::row::child_row;
use crate::syntax::input::span_of;
use crate::table::model::{Column, Field, Relation, Storage, Table};

pub(super) fn expand(table: &Table) -> TokenStream {
    let of_relations = table.relations().filter_map(|(field, relation)| of_relation(table, field, relation));
    let assertions = table.columns().flat_map(|(field, column)| of_column(field, column)).chain(of_relations);
    quote!(#(const _: () = #assertions;)*)
}

/// The children's foreign key is stored as the key it holds.
fn of_relation(table: &Table, field: &Field, relation: &Relation) -> Option<TokenStream> {
    let by = relation.by.as_ref()?;
    let (ident, child) = (&table.ident, child_row(field));
    Some(quote_spanned! {by.span()=>
        __p::check::relation(
            __p::check::column_type(&<#child>::COLUMNS.#by),
            <<#ident as __p::Table>::Id as __p::SingleKey>::TYPE,
        )
    })
}

fn of_column(field: &Field, column: &Column) -> Vec<TokenStream> {
    let span = span_of(&field.ty);
    let ty = column::ty(field, column);
    let mut assertions = Vec::new();
    if let Storage::Id = column.storage {
        assertions.push(quote_spanned!(span=> __p::check::id(#ty)));
    }
    if column.generated.is_some() {
        assertions.push(quote_spanned!(span=> __p::check::generated(#ty)));
    }
    if column.length.is_some() {
        assertions.push(quote_spanned!(span=> __p::check::length(#ty)));
    }
    if let Some(references) = &column.references {
        let target = &references.row;
        let key = quote_spanned!(span_of(target)=> <<#target as __p::Table>::Id as __p::SingleKey>::TYPE);
        assertions.push(quote_spanned!(span=> __p::check::references(#ty, #key)));
        if references.set_null {
            assertions.push(quote_spanned!(span=> __p::check::set_null(#ty)));
        }
    }
    assertions
}
