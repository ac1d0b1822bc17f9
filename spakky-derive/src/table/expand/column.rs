//! How one column's type is reached: always through one trait, with the user's type as written, so that a type that
//! does not fit is reported once, at the field.

use proc_macro2::TokenStream;
use quote::quote;

use crate::table::model::{Column, Field, Storage};

/// `<T as ColumnValue>`, or the trait of the column's role.
fn qualified(field: &Field, column: &Column) -> TokenStream {
    let ty = &field.ty;
    match column.storage {
        Storage::Plain | Storage::Id | Storage::Json => quote!(<#ty as __p::ColumnValue>),
        Storage::Version(_) => quote!(<#ty as __p::VersionColumn>),
        Storage::Stamp(stamp, _) => {
            let column_trait = stamp.column_trait();
            quote!(<#ty as #column_trait>)
        }
    }
}

/// `<T as JsonColumn>`, for a field stored as JSON.
fn json(field: &Field) -> TokenStream {
    let ty = &field.ty;
    quote!(<#ty as __p::JsonColumn>)
}

/// The column's type: `<T as ColumnValue>::TYPE`.
pub(super) fn ty(field: &Field, column: &Column) -> TokenStream {
    if let Storage::Json = column.storage {
        let json = json(field);
        return quote!(#json::TYPE);
    }
    let qualified = qualified(field, column);
    quote!(#qualified::TYPE)
}

/// The stored form of a reference: `<T as ColumnValue>::to_value(&self.status)`.
pub(super) fn to_value(field: &Field, column: &Column, reference: &TokenStream) -> TokenStream {
    if let Storage::Json = column.storage {
        let json = json(field);
        return quote!(#json::to_json(#reference));
    }
    let qualified = qualified(field, column);
    quote!(#qualified::to_value(#reference))
}

/// The function that reads the stored form: `<T as ColumnValue>::from_value`.
pub(super) fn from_value(field: &Field, column: &Column) -> TokenStream {
    if let Storage::Json = column.storage {
        let json = json(field);
        return quote!(#json::from_json);
    }
    let qualified = qualified(field, column);
    quote!(#qualified::from_value)
}

/// The type of the column's handle.
pub(super) fn handle_type(field: &Field, column: &Column, private: &TokenStream) -> TokenStream {
    let ty = &field.ty;
    match column.storage {
        Storage::Json => quote!(#private::Json<#ty>),
        Storage::Plain | Storage::Id | Storage::Version(_) | Storage::Stamp(..) => quote!(#ty),
    }
}
