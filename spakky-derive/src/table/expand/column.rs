//! How one column's type is reached: always through one trait, with the user's type as written, so that a type that
//! does not fit is reported once, at the field.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use crate::syntax::input::{option_of, span_of};
use crate::table::default::DefaultAttr;
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

/// Whether the field is an `Option`, by whatever name. The second answer, which is no, needs the import where the first does
/// not, so that no lint takes it for unused.
fn optional(field: &Field) -> TokenStream {
    let ty = &field.ty;
    quote!({ use __p::NoOption as _; __p::JsonForm::<#ty>::OPTIONAL || __p::JsonForm::<()>::OPTIONAL })
}

/// The column's type: `<T as ColumnValue>::TYPE`.
pub(super) fn ty(field: &Field, column: &Column) -> TokenStream {
    if let Storage::Json = column.storage {
        let (json, optional) = (json(field), optional(field));
        return quote!(#json::TYPE.nullable_if(#optional));
    }
    let qualified = qualified(field, column);
    quote!(#qualified::TYPE)
}

/// The stored form of a reference: `<T as ColumnValue>::to_value(&self.status)`.
pub(super) fn to_value(field: &Field, column: &Column, reference: &TokenStream) -> TokenStream {
    if let Storage::Json = column.storage {
        let (json, optional) = (json(field), optional(field));
        return quote!(#json::to_json::<{ #optional }>(#reference));
    }
    let qualified = qualified(field, column);
    quote!(#qualified::to_value(#reference))
}

/// The function that reads the stored form: `<T as ColumnValue>::from_value`.
pub(super) fn from_value(field: &Field, column: &Column) -> TokenStream {
    if let Storage::Json = column.storage {
        let (json, optional) = (json(field), optional(field));
        return quote!(#json::from_json::<{ #optional }>);
    }
    let qualified = qualified(field, column);
    quote!(#qualified::from_value)
}

/// `ColumnDefault::number("5").read_by(|value| <i64 as ColumnValue>::from_value(value).map(|_| ()))`
pub(super) fn default(field: &Field, column: &Column, default: &DefaultAttr) -> TokenStream {
    let ty = &field.ty;
    let made = match default {
        DefaultAttr::Sql(text) => quote!(sql(#text)),
        DefaultAttr::Now => quote!(now()),
        DefaultAttr::EmptyList => quote!(empty_list()),
        DefaultAttr::Bool(value) => quote!(boolean(#value)),
        DefaultAttr::Integer { text, .. } | DefaultAttr::Float(text) => quote!(number(#text)),
        DefaultAttr::Text(text) => quote!(text(#text)),
        DefaultAttr::Value(path) => match column.storage {
            Storage::Json => {
                let value = to_value(field, column, &quote!(&#path));
                quote!(value(|| #value))
            }
            _ => {
                // At the value, but not as the user's own code, which lints would look at.
                let at = Span::call_site().located_at(span_of(path));
                quote_spanned!(at=> value(|| __p::default_value::<#ty, _>(#path)))
            }
        },
    };
    let from_value = from_value(field, column);
    quote!(__p::ColumnDefault::#made.read_by(|__value| #from_value(__value).map(|_| ())))
}

/// The type of the column's handle.
pub(super) fn handle_type(field: &Field, column: &Column, private: &TokenStream) -> TokenStream {
    let ty = &field.ty;
    match column.storage {
        Storage::Json => match option_of(ty) {
            Some(inner) => quote!(#private::Option<#private::Json<#inner>>),
            None => quote!(#private::Json<#ty>),
        },
        Storage::Plain | Storage::Id | Storage::Version(_) | Storage::Stamp(..) => quote!(#ty),
    }
}
