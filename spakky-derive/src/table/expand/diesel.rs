//! `#[table(diesel)]`: the table and the row as diesel's query builder takes them.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, LitStr, Visibility};

use super::column;
use crate::syntax::input::span_of;
use crate::table::model::{Diesel, Row, Table};

/// Beside the row, as the names that queries are written with.
///
/// ```text
/// __p::bridge::module! { (pub(self), pub(super), pub(in super::super)) orders "The table `orders` …" { id "Column `id`.", … } }
/// ```
pub(super) fn expand_module(table: &Table, row: &Row) -> TokenStream {
    let Some(Diesel { path: None, .. }) = &row.diesel else { return TokenStream::new() };
    let (private, vis) = (table.krate.private(), &table.vis);
    let (inside, deeper) = (visibility_inside(vis, 1), visibility_inside(vis, 2));
    let module = module(row);
    let doc = format!("The table `{}` for diesel's query builder.", row.name);
    let columns = table.columns().map(|(field, column)| {
        let (ident, doc) = (&field.ident, format!("Column `{}`.", column.name));
        quote!(#ident #doc)
    });
    quote!(#private::bridge::module! { (#vis, #inside, #deeper) #module #doc { #(#columns,)* } })
}

/// ```text
/// __p::bridge::row! {
///     (OrderRow, orders::table)
///     __p::bridge::table!(OrderRow, orders, (orders::id), "orders" in "shop");
///     __p::bridge::columns!(orders { id: <OrderId as __p::bridge::DieselColumn>::SqlType = "id", [status …]; … });
/// }
/// ```
///
/// or, of a `table!` that is there,
///
/// ```text
/// __p::bridge::row! {
///     (OrderRow, orders::table)
///     use crate::schema::orders;
///     const _: fn() = || { let _ = orders::id; … };
///     __p::bridge::named_row!(OrderRow, orders::table);
/// }
/// ```
pub(super) fn expand(table: &Table, row: &Row) -> TokenStream {
    let Some(Diesel { at, path }) = &row.diesel else { return TokenStream::new() };
    let ident = &table.ident;
    let holds = table.relations().next().map(|_| quote!(, LoadsChildrenOf));
    let (source, items) = match path {
        None => {
            let module = module(row);
            let items = own_items(table, row, &module);
            (module, items)
        }
        Some(path) => {
            let Some(source) = path.segments.last().map(|last| last.ident.clone()) else { return TokenStream::new() };
            // One name is there already.
            let import = (path.segments.len() > 1).then(|| quote!(use #path;));
            let columns = columns_of_given(table);
            let items = quote! {
                #import
                const _: fn() = || { #(let _ = #source::#columns;)* };
                __p::bridge::named_row!(#ident, #source::table);
            };
            (source, items)
        }
    };
    let row = quote_spanned!(at.span()=> __p::bridge::row!);
    quote!(#row { (#ident, #source::table #holds) #items })
}

fn module(row: &Row) -> Ident {
    Ident::new(&row.name, row.name_literal.as_ref().map_or_else(Span::call_site, LitStr::span))
}

/// The visibility of the row, said some modules further in.
fn visibility_inside(vis: &Visibility, depth: usize) -> TokenStream {
    let up = (0..depth).map(|_| quote!(super));
    let here = match vis {
        Visibility::Inherited => true,
        Visibility::Public(_) => return quote!(pub),
        Visibility::Restricted(restricted) => {
            let path = &restricted.path;
            if path.segments.first().is_some_and(|first| first.ident == "super") {
                return quote!(pub(in #(#up::)* #path));
            }
            path.is_ident("self")
        }
    };
    if here { quote!(pub(in #(#up)::*)) } else { vis.to_token_stream() }
}

fn own_items(table: &Table, row: &Row, module: &Ident) -> TokenStream {
    let (ident, name) = (&table.ident, &row.name);
    let schema = row.schema.as_ref().map(|schema| quote!(in #schema));
    let ids: Vec<_> = table.ids().map(|(field, _)| &field.ident).collect();
    let key = match ids.as_slice() {
        [id] => quote!(#module::#id),
        ids => quote!((#(#module::#ids),*)),
    };
    let columns: Vec<_> = table.columns().collect();
    let items = columns.iter().enumerate().map(|(position, (field, column))| {
        let (ident, name) = (&field.ident, &column.name);
        let ty = column::handle_type(field, column, &quote!(__p));
        let ty = quote_spanned!(span_of(&field.ty)=> <#ty as __p::bridge::DieselColumn>::SqlType);
        let length = column.length.map(|length| {
            let length = proc_macro2::Literal::u32_unsuffixed(length);
            quote!(max #length)
        });
        let later = columns[position + 1..].iter().map(|(field, _)| &field.ident);
        quote!(#ident: #ty = #name #length, [#(#later)*];)
    });
    quote! {
        __p::bridge::table!(#ident, #module, #key, #name #schema);
        __p::bridge::columns!(#module { #(#items)* });
    }
}

/// The names of the columns, at the fields.
fn columns_of_given(table: &Table) -> impl Iterator<Item = Ident> {
    table.columns().filter_map(|(field, column)| {
        let mut name = syn::parse_str::<Ident>(&column.name).ok()?;
        name.set_span(field.ident.span());
        Some(name)
    })
}
