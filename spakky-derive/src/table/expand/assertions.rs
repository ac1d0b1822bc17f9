//! Checks that need types, as constants evaluated at compile time; each points at the field's type.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Ident;

use super::column;
use super::row::request_column;
use crate::syntax::input::{option_of, span_of};
use crate::table::attr::FieldPath;
use crate::table::default::{DefaultAttr, check_of};
use crate::table::model::{Column, Field, Kind, Row, Storage, Table};

pub(super) fn expand(table: &Table) -> TokenStream {
    let assertions = table.columns().flat_map(|(field, column)| of_column(field, column));
    let request_fields = match &table.kind {
        Kind::Row(row) => of_request_fields(table, row),
        Kind::Embedded(_) => Vec::new(),
    };
    quote!(#(const _: () = #assertions;)* #(const _: () = #request_fields;)*)
}

/// At the name in the list.
fn of_request_fields(table: &Table, row: &Row) -> Vec<TokenStream> {
    let check = |path: &FieldPath, check: &str| {
        let column = request_column(table, row, path);
        let span = path.idents().last().unwrap_or(&path.first).span();
        let check = Ident::new(check, span);
        quote_spanned!(span=> __p::check::#check(__p::RequestField::type_of(&#column)))
    };
    let filterable = row.filterable.iter().map(|path| check(path, "filterable"));
    let sortable = row.sortable.iter().map(|path| check(path, "sortable"));
    filterable.chain(sortable).collect()
}

fn of_column(field: &Field, column: &Column) -> Vec<TokenStream> {
    let span = span_of(&field.ty);
    let ty = column::ty(field, column);
    let mut assertions = Vec::new();
    // Any other field of such a type is refused by its description, once that is compiled.
    if option_of(&field.ty).is_some() {
        assertions.push(quote_spanned!(span=> __p::check::optional(#ty)));
    }
    if let Storage::Id = column.storage {
        assertions.push(quote_spanned!(span=> __p::check::id(#ty)));
    }
    if column.generated.is_some() {
        assertions.push(quote_spanned!(span=> __p::check::generated(#ty)));
    }
    if column.length.is_some() {
        assertions.push(quote_spanned!(span=> __p::check::length(#ty)));
    }
    if let Some(default) = &column.default
        && let Some(check) = check_of(default, span)
    {
        let number = match &**default {
            DefaultAttr::Integer { value, .. } => {
                let value = proc_macro2::Literal::i128_suffixed(*value);
                quote!(, #value)
            }
            _ => TokenStream::new(),
        };
        assertions.push(quote_spanned!(span=> __p::check::#check(#ty #number)));
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
