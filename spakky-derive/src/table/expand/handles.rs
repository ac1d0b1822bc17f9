//! The struct of column handles: `OrderRow::COLUMNS.status`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;
use syn::ext::IdentExt;

use super::column;
use crate::syntax::input::{projection, span_of};
use crate::table::model::{Field, FieldKind, Flatten, Kind, Row, Table};

fn name(table: &Table) -> Ident {
    format_ident!("{}Columns", table.ident.unraw(), span = table.ident.span())
}

/// The row type that the handles are of: the struct itself, or a parameter where several rows may flatten it.
fn row(table: &Table) -> TokenStream {
    match table.kind {
        Kind::Row(_) => {
            let ident = &table.ident;
            quote!(#ident)
        }
        Kind::Embedded(_) => quote!(__Row),
    }
}

/// ```text
/// pub struct OrderRowColumns { pub id: Column<OrderRow, OrderId>, pub ship: <Address as Embedded<OrderRow, NoPrefix>>::Handles }
/// pub struct AddressColumns<__Row> { pub street: Column<__Row, String> }
/// ```
pub(in crate::table) fn expand_struct(table: &Table) -> TokenStream {
    let private = table.krate.private();
    let (vis, ident, name, row) = (&table.vis, &table.ident, name(table), row(table));
    let generics = match table.kind {
        Kind::Row(_) => TokenStream::new(),
        Kind::Embedded(_) => quote!(<__Row>),
    };
    // Columns last: the last field decides whether the struct has a size, and a column always has.
    let (columns, groups): (Vec<_>, Vec<_>) =
        table.fields.iter().enumerate().partition(|(_, field)| matches!(field.kind, FieldKind::Column(_)));
    let fields = groups.into_iter().chain(columns).filter_map(|(position, field)| {
        let field_ident = &field.ident;
        let (doc, ty) = match &field.kind {
            FieldKind::Column(column) => {
                let ty = column::handle_type(field, column, &private);
                (format!("Column `{}`.", column.name), quote!(#private::Column<#row, #ty>))
            }
            FieldKind::Flatten(flatten) => {
                let ty = &field.ty;
                let prefix = prefix(table, flatten, position, &quote!(#private::NoPrefix), &private);
                let doc = format!("The columns of `{}`.", crate::syntax::ident::plain(field_ident));
                (doc, projection(ty, &quote!(#private::Embedded<#row, #prefix>), "Handles"))
            }
            FieldKind::Relation(_) | FieldKind::Skip => return None,
        };
        Some(quote!(#[doc = #doc] #vis #field_ident: #ty))
    });
    let doc = format!("The columns of [`{}`], as typed handles.", ident.unraw());
    quote! {
        #[doc = #doc]
        #[allow(dead_code, private_interfaces, missing_copy_implementations, missing_debug_implementations)]
        #vis struct #name #generics { #(#fields),* }
    }
}

/// `pub const COLUMNS: OrderRowColumns = OrderRowColumns { id: Column::new("", "id"), … };`
pub(super) fn expand_constant(table: &Table, row: &Row) -> TokenStream {
    let (vis, name) = (&table.vis, name(table));
    let fields = initializers(table, &quote!(__p::NoPrefix), &quote!(""));
    let doc = format!("The columns of `{}`, as typed handles.", row.name);
    quote! {
        #[doc = #doc]
        #vis const COLUMNS: #name = #name { #(#fields),* };
    }
}

/// `type Itself = OrderRow; type Handles = OrderRowColumns; const HANDLES: OrderRowColumns = OrderRow::COLUMNS;`
///
/// Flattened structs are named again, so that rustc ends where they are none, as it does in `COLUMNS`.
pub(in crate::table) fn expand_items(table: &Table) -> TokenStream {
    let (ident, name) = (&table.ident, name(table));
    let groups = table.fields.iter().enumerate().filter_map(|(position, field)| match &field.kind {
        FieldKind::Flatten(flatten) => Some(group(table, field, flatten, position, &quote!(__p::NoPrefix))),
        FieldKind::Column(_) | FieldKind::Relation(_) | FieldKind::Skip => None,
    });
    quote! {
        type Itself = #ident;
        type Handles = #name;
        const HANDLES: #name = {
            #(let _ = #groups;)*
            #ident::COLUMNS
        };
    }
}

fn initializers(table: &Table, outer: &TokenStream, text: &TokenStream) -> Vec<TokenStream> {
    let initializer = |position: usize, field: &Field| match &field.kind {
        FieldKind::Column(column) => {
            let name = &column.name;
            let ident = &field.ident;
            Some(quote!(#ident: __p::Column::new(#text, #name)))
        }
        FieldKind::Flatten(flatten) => {
            let handles = group(table, field, flatten, position, outer);
            // Like the value, so that rustc reports both at the type.
            let mut ident = field.ident.clone();
            ident.set_span(span_of(&field.ty));
            Some(quote!(#ident: #handles))
        }
        FieldKind::Relation(_) | FieldKind::Skip => None,
    };
    table.fields.iter().enumerate().filter_map(|(position, field)| initializer(position, field)).collect()
}

/// The handles of a flattened field.
fn group(table: &Table, field: &Field, flatten: &Flatten, position: usize, outer: &TokenStream) -> TokenStream {
    let (row, prefix) = (row(table), prefix(table, flatten, position, outer, &quote!(__p)));
    projection(&field.ty, &quote!(__p::Embedded<#row, #prefix>), "HANDLES")
}

/// The prefix of a flattened field as a type: `Nested<NoPrefix, OrderRow, 4>`, for which [`expand_prefixes`] writes the text.
pub(super) fn prefix(
    table: &Table,
    flatten: &Flatten,
    position: usize,
    outer: &TokenStream,
    private: &TokenStream,
) -> TokenStream {
    let ident = &table.ident;
    match flatten.prefix {
        Some(_) => quote!(#private::Nested<#outer, #ident, #position>),
        None => outer.clone(),
    }
}

/// `impl FieldPrefix<4> for OrderRow { const PREFIX: &'static str = "ship_"; }`
pub(in crate::table) fn expand_prefixes(table: &Table) -> TokenStream {
    let ident = &table.ident;
    let impls = table.fields.iter().enumerate().filter_map(|(position, field)| match &field.kind {
        FieldKind::Flatten(Flatten { prefix: Some(prefix) }) => Some(quote! {
            #[automatically_derived]
            impl __p::FieldPrefix<#position> for #ident {
                const PREFIX: &'static __p::str = #prefix;
            }
        }),
        FieldKind::Column(_)
        | FieldKind::Flatten(Flatten { prefix: None })
        | FieldKind::Relation(_)
        | FieldKind::Skip => None,
    });
    quote!(#(#impls)*)
}

/// ```text
/// impl<__Row, __P: Prefix> Embedded<__Row, __P> for Address {
///     type Handles = AddressColumns<__Row>;
///     const HANDLES: AddressColumns<__Row> = AddressColumns { street: Column::new(__P::PREFIX, "street") };
///     const PART: Part<Self> = Part::OF;
/// }
/// ```
pub(in crate::table) fn expand_embedded(table: &Table) -> TokenStream {
    let (ident, name) = (&table.ident, name(table));
    let fields = initializers(table, &quote!(__P), &quote!(<__P as __p::Prefix>::PREFIX));
    let prefixes = expand_prefixes(table);
    quote! {
        #prefixes
        #[automatically_derived]
        impl<__Row, __P: __p::Prefix> __p::Embedded<__Row, __P> for #ident {
            type Handles = #name<__Row>;
            const HANDLES: #name<__Row> = #name { #(#fields),* };
            const PART: __p::Part<Self> = __p::Part::OF;
        }
    }
}
