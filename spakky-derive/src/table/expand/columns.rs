//! `impl Columns`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::LitStr;

use super::{column, handles};
use crate::syntax::ident::plain;
use crate::syntax::input::{option_of, span_of};
use crate::table::model::{Column, Field, FieldKind, Flatten, Storage, Table};

/// ```text
/// impl Columns for OrderRow {
///     const COUNT: usize = 7usize;
///     fn describe(prefix, columns) { __p::describe(const { &[ColumnSpec::column("id", <OrderId as ColumnValue>::TYPE), …] }, prefix, columns) }
///     fn encode(&self, record) -> Result<(), Error> { record.extend(&mut [<OrderId as ColumnValue>::to_value(&self.id), …]) }
///     fn decode(record) -> Result<Self, Error> { Ok(OrderRow { id: record.read(<OrderId as ColumnValue>::from_value)?, … }) }
/// }
/// ```
pub(super) fn expand(table: &Table) -> TokenStream {
    let ident = &table.ident;
    let specs = table.fields.iter().enumerate().filter_map(|(position, field)| spec(table, field, position));
    let count = count(table);
    let encode = encode(table);
    let decode = table.fields.iter().enumerate().map(|(position, field)| decode(table, field, position));
    quote! {
        #[automatically_derived]
        impl __p::Columns for #ident {
            const COUNT: __p::usize = #count;
            fn describe(__prefix: &__p::str, __columns: &mut __p::Vec<__p::ColumnDescriptor>) {
                __p::describe(const { &[#(#specs),*] }, __prefix, __columns)
            }
            fn encode(&self, __record: &mut __p::RecordWriter<'_>) -> __p::Result<(), __p::Error> {
                #encode
            }
            fn decode(__record: &mut __p::RecordReader<'_>) -> __p::Result<Self, __p::Error> {
                __p::Result::Ok(#ident { #(#decode),* })
            }
        }
    }
}

fn count(table: &Table) -> TokenStream {
    let own = table.columns().count();
    let parts = table.fields.iter().enumerate().filter_map(|(position, field)| match &field.kind {
        FieldKind::Flatten(flatten) => Some(part(table, field, flatten, position)),
        FieldKind::Column(_) | FieldKind::Relation(_) | FieldKind::Skip => None,
    });
    quote!(#own #(+ #parts::PART.count)*)
}

fn spec(table: &Table, field: &Field, position: usize) -> Option<TokenStream> {
    match &field.kind {
        FieldKind::Column(column) => Some(column_spec(field, column)),
        FieldKind::Flatten(flatten) => {
            let name = plain(&field.ident);
            let prefix = flatten.prefix.as_ref().map(LitStr::value).unwrap_or_default();
            let part = part(table, field, flatten, position);
            Some(quote!(__p::ColumnSpec::group(#name, #prefix, #part::PART.describe)))
        }
        FieldKind::Relation(_) | FieldKind::Skip => None,
    }
}

fn column_spec(field: &Field, column: &Column) -> TokenStream {
    let name = &column.name;
    let ty = column::ty(field, column);
    let span = span_of(&field.ty);
    let mut spec = match option_of(&field.ty) {
        Some(_) => quote_spanned!(span=> __p::ColumnSpec::optional(#name, #ty)),
        None => quote_spanned!(span=> __p::ColumnSpec::column(#name, #ty)),
    };
    let field_name = plain(&field.ident);
    if field_name != *name {
        spec.extend(quote!(.field(#field_name)));
    }
    spec.extend(match column.storage {
        Storage::Plain | Storage::Json => TokenStream::new(),
        Storage::Id => quote!(.role(__p::Role::Id)),
        Storage::Version(_) => quote!(.role(__p::Role::Version)),
        Storage::Stamp(stamp, _) => {
            let role = stamp.role();
            quote!(.role(#role))
        }
    });
    if column.generated.is_some() {
        spec.extend(quote!(.generated()));
    }
    if let Some(default) = &column.default {
        let default = column::default(field, column, default);
        spec.extend(quote!(.default(#default)));
    }
    if let Some(length) = column.length {
        spec.extend(quote!(.length(#length)));
    }
    if let Some(name) = &column.renamed_from {
        spec.extend(quote!(.renamed_from(#name)));
    }
    spec
}

/// Runs of columns are written by one call each; a flattened field lies between two runs.
fn encode(table: &Table) -> TokenStream {
    let mut calls = Vec::new();
    let mut run = Vec::new();
    for (position, field) in table.fields.iter().enumerate() {
        let ident = &field.ident;
        match &field.kind {
            FieldKind::Column(column) => run.push(column::to_value(field, column, &quote!(&self.#ident))),
            FieldKind::Flatten(flatten) => {
                calls.extend(extend(&mut run));
                let part = part(table, field, flatten, position);
                calls.push(quote!((#part::PART.encode)(&self.#ident, __record)));
            }
            FieldKind::Relation(_) => {
                calls.extend(extend(&mut run));
                let ty = &field.ty;
                calls.push(quote!(<#ty as __p::ChildRows>::write(&self.#ident, __record)));
            }
            FieldKind::Skip => {}
        }
    }
    calls.extend(extend(&mut run));
    match calls.split_last() {
        Some((last, others)) => quote!(#(#others?;)* #last),
        None => quote!(__p::Result::Ok(())),
    }
}

fn extend(run: &mut Vec<TokenStream>) -> Option<TokenStream> {
    let values = std::mem::take(run);
    (!values.is_empty()).then(|| quote!(__record.extend(&mut [#(#values),*])))
}

fn decode(table: &Table, field: &Field, position: usize) -> TokenStream {
    let ident = &field.ident;
    let value = match &field.kind {
        FieldKind::Column(column) => {
            let from_value = column::from_value(field, column);
            quote!(__record.read(#from_value)?)
        }
        FieldKind::Flatten(flatten) => {
            let part = part(table, field, flatten, position);
            quote!((#part::PART.decode)(__record)?)
        }
        FieldKind::Relation(_) => {
            let ty = &field.ty;
            quote!(<#ty as __p::ChildRows>::read(__record)?)
        }
        FieldKind::Skip => {
            let ty = &field.ty;
            quote_spanned!(span_of(ty)=> <#ty as __p::Default>::default())
        }
    };
    quote!(#ident: #value)
}

/// `<Address as Embedded<OrderRow, …>>`, by which a flattened field is reached.
fn part(table: &Table, field: &Field, flatten: &Flatten, position: usize) -> TokenStream {
    let ty = &field.ty;
    let ident = &table.ident;
    let prefix = handles::prefix(table, flatten, position, &quote!(__p::NoPrefix), &quote!(__p));
    quote!(<#ty as __p::Embedded<#ident, #prefix>>)
}
