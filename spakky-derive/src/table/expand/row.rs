//! `impl Table`, the constants of the row type, and its registry entry.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Index, Type};

use super::{column, handles};
use crate::keys::OnDeleteKey;
use crate::syntax::ident::plain;
use crate::table::attr::FieldPath;
use crate::table::model::{Column, Constraint, Field, FieldKind, Relation, Row, Stamp, Table, child_row};

/// ```text
/// static __TABLE: TableCell = TableCell::new(TableSpec::new::<OrderRow>("OrderRow", "orders", "pk_orders").uniques(…));
/// impl Table for OrderRow { type Id = OrderId; type Itself = OrderRow; type Handles …; fn descriptor() { __TABLE.get() } fn id(&self) … fn encode_id(id) … }
/// ```
pub(super) fn expand(table: &Table, row: &Row) -> TokenStream {
    let ident = &table.ident;
    let spec = spec(table, row);
    let prefixes = handles::expand_prefixes(table);
    let handles = handles::expand_items(table);
    let constants = constants(table, row);
    let soft_delete = soft_delete(table);
    let ids: Vec<_> = table.ids().collect();
    let id_type = id_type(&ids);
    let id = id(&ids);
    let encode_id = encode_id(&ids);
    let soft_deleted = table.has_stamp(Stamp::DeletedAt).then(|| {
        quote!(
            const SOFT_DELETED: __p::bool = true;
        )
    });
    quote! {
        #prefixes
        static __TABLE: __p::TableCell = __p::TableCell::new(#spec);
        #[automatically_derived]
        impl __p::Table for #ident {
            type Id = #id_type;
            #handles
            #soft_deleted
            fn descriptor() -> &'static __p::TableDescriptor {
                __TABLE.get()
            }
            fn id(&self) -> #id_type {
                #id
            }
            fn encode_id(__id: &#id_type) -> __p::Result<__p::Vec<__p::Value>, __p::Error> {
                __p::encode_key(__TABLE.get(), &mut [#encode_id])
            }
        }
        #soft_delete
        #constants
        __p::inventory::submit! { __p::TableEntry { descriptor: || __TABLE.get() } }
    }
}

/// `impl SoftDelete for OrderRow {}`
pub(in crate::table) fn soft_delete(table: &Table) -> TokenStream {
    if !table.has_stamp(Stamp::DeletedAt) {
        return TokenStream::new();
    }
    let ident = &table.ident;
    quote! {
        #[automatically_derived]
        impl __p::SoftDelete for #ident {}
    }
}

/// The type of the id field, or a tuple.
fn id_type(ids: &[(&Field, &Column)]) -> TokenStream {
    let types: Vec<&Type> = ids.iter().map(|(field, _)| &field.ty).collect();
    match types.as_slice() {
        [ty] => quote!(#ty),
        types => quote!((#(#types),*)),
    }
}

fn id(ids: &[(&Field, &Column)]) -> TokenStream {
    let clones: Vec<_> = ids
        .iter()
        .map(|(field, _)| {
            let ident = &field.ident;
            quote!(__p::Clone::clone(&self.#ident))
        })
        .collect();
    match clones.as_slice() {
        [clone] => quote!(#clone),
        clones => quote!((#(#clones),*)),
    }
}

fn encode_id(ids: &[(&Field, &Column)]) -> TokenStream {
    if let [(field, column)] = ids {
        return column::to_value(field, column, &quote!(__id));
    }
    let values = ids.iter().enumerate().map(|(position, (field, column))| {
        let position = Index::from(position);
        column::to_value(field, column, &quote!(&__id.#position))
    });
    quote!(#(#values),*)
}

fn spec(table: &Table, row: &Row) -> TokenStream {
    let ident = &table.ident;
    let (rust_name, name, key_name) = (plain(ident), &row.name, &row.key_name);
    let mut spec = quote!(__p::TableSpec::new::<#ident>(#rust_name, #name, #key_name));
    if let Some(schema) = &row.schema {
        spec.extend(quote!(.schema(#schema)));
    }
    if let Some(name) = &row.renamed_from {
        spec.extend(quote!(.renamed_from(#name)));
    }
    let uniques = |live: bool| {
        let wanted = row.uniques.iter().filter(move |unique| unique.body.live.is_some() == live);
        let uniques: Vec<_> = wanted
            .map(|Constraint { name, body, .. }| {
                let columns = body.columns.iter().map(|path| column_name(table, path));
                quote!((#name, &[#(#columns),*]))
            })
            .collect();
        (!uniques.is_empty()).then_some(uniques)
    };
    if let Some(uniques) = uniques(false) {
        spec.extend(quote!(.uniques(&[#(#uniques),*])));
    }
    if let Some(uniques) = uniques(true) {
        spec.extend(quote!(.live_uniques(&[#(#uniques),*])));
    }
    if !row.indexes.is_empty() {
        let indexes = row.indexes.iter().map(|Constraint { name, body, .. }| {
            let columns = body.columns.iter().map(|(path, descending)| {
                let column = column_name(table, path);
                quote!((#column, #descending))
            });
            let filter = match &body.filter {
                Some(sql) => quote!(__p::Option::Some(#sql)),
                None => quote!(__p::Option::None),
            };
            quote!(__p::IndexSpec { name: #name, columns: &[#(#columns),*], filter: #filter })
        });
        spec.extend(quote!(.indexes(&[#(#indexes),*])));
    }
    if !row.checks.is_empty() {
        let checks = row.checks.iter().map(|Constraint { name, body, .. }| quote!((#name, #body)));
        spec.extend(quote!(.checks(&[#(#checks),*])));
    }
    if !row.foreign_keys.is_empty() {
        let foreign_keys = row.foreign_keys.iter().map(|Constraint { name, body, .. }| {
            let column = match table.field(&body.field).map(|field| &field.kind) {
                Some(FieldKind::Column(column)) => column.name.clone(),
                Some(FieldKind::Flatten(_) | FieldKind::Relation(_) | FieldKind::Skip) | None => plain(&body.field),
            };
            let action = match body.on_delete {
                None => quote!(NoAction),
                Some(OnDeleteKey::Restrict) => quote!(Restrict),
                Some(OnDeleteKey::Cascade) => quote!(Cascade),
                Some(OnDeleteKey::SetNull) => quote!(SetNull),
            };
            let target = &body.row;
            quote!((#name, #column, <#target as __p::Table>::descriptor, __p::ForeignKeyAction::#action))
        });
        spec.extend(quote!(.foreign_keys(&[#(#foreign_keys),*])));
    }
    let relations: Vec<_> =
        table.relations().filter_map(|(field, relation)| relation_spec(table, field, relation)).collect();
    if !relations.is_empty() {
        spec.extend(quote!(.relations(&[#(#relations),*])));
    }
    for (list, paths) in [("filterable", &row.filterable), ("sortable", &row.sortable)] {
        if !paths.is_empty() {
            let list = format_ident!("{list}");
            let fields = paths.iter().map(|path| {
                let name = path.idents().map(plain).collect::<Vec<_>>().join(".");
                let column = request_column(table, row, path);
                quote!(__p::RequestField::of(#name, &#column))
            });
            spec.extend(quote!(.#list(&[#(#fields),*])));
        }
    }
    spec
}

/// `RelationSpec::new("lines", <OrderLineRow as Table>::descriptor, check::by(&<OrderLineRow as Table>::HANDLES.order_id, …))`
///
/// That the children's foreign key is stored as the key it holds is checked in the same place that names it.
fn relation_spec(table: &Table, field: &Field, relation: &Relation) -> Option<TokenStream> {
    let by = relation.by.as_ref()?;
    let (ident, name, child) = (&table.ident, plain(&field.ident), child_row(field));
    let by = quote_spanned! {by.span()=>
        __p::check::by(&<#child as __p::TableRow>::HANDLES.#by, <<#ident as __p::Table>::Id as __p::SingleKey>::TYPE)
    };
    let mut spec = quote! {
        __p::RelationSpec::new(#name, <#child as __p::Table>::descriptor, #by)
    };
    if !relation.order.is_empty() {
        let order = relation.order.iter().map(|(path, descending)| {
            let fields = path.idents();
            quote!((<#child as __p::Table>::HANDLES #(.#fields)* .parts(), #descending))
        });
        spec.extend(quote!(.order(&[#(#order),*])));
    }
    if relation.unversioned {
        spec.extend(quote!(.unversioned()));
    }
    Some(spec)
}

/// The handle of a column that requests may name: of the row, or of the row that a foreign key refers to.
pub(super) fn request_column(table: &Table, row: &Row, path: &FieldPath) -> TokenStream {
    match table.related(row, path) {
        Some(related) => {
            let fields = &path.rest;
            quote!(<#related as __p::Table>::HANDLES #(.#fields)*)
        }
        None => {
            let (ident, fields) = (&table.ident, path.idents());
            quote!(#ident::COLUMNS #(.#fields)*)
        }
    }
}

/// Prefix and name of a column, from the handle where it sits in a flattened struct.
fn column_name(table: &Table, path: &FieldPath) -> TokenStream {
    match table.field(&path.first).map(|field| &field.kind) {
        Some(FieldKind::Column(column)) => {
            let name = &column.name;
            quote!(("", #name))
        }
        Some(FieldKind::Flatten(_) | FieldKind::Relation(_) | FieldKind::Skip) | None => {
            let (ident, fields) = (&table.ident, path.idents());
            quote!(#ident::COLUMNS #(.#fields)* .parts())
        }
    }
}

/// `impl OrderRow { pub const COLUMNS: …; pub const TABLE: &str = "orders"; pub const UQ_EMAIL: &str = "uq_orders_email"; }`
pub(in crate::table) fn constants(table: &Table, row: &Row) -> TokenStream {
    let (ident, vis) = (&table.ident, &table.vis);
    let columns = handles::expand_constant(table, row);
    let names = std::iter::once(("table", "TABLE", &row.name))
        .chain(row.uniques.iter().map(|made| ("unique key", made.constant.as_str(), &made.name)))
        .chain(row.indexes.iter().map(|made| ("index", made.constant.as_str(), &made.name)))
        .chain(row.checks.iter().map(|made| ("check constraint", made.constant.as_str(), &made.name)))
        .chain(row.foreign_keys.iter().map(|made| ("foreign key", made.constant.as_str(), &made.name)));
    // Names that are declared twice are reported; here they would be reported again.
    let mut seen = HashSet::new();
    let constants = names.filter(|(_, constant, _)| seen.insert(*constant)).map(|(kind, constant, name)| {
        let doc = format!("The name of {kind} `{name}`.");
        let constant = format_ident!("{constant}");
        quote!(#[doc = #doc] #vis const #constant: &'static __p::str = #name;)
    });
    quote! {
        #[automatically_derived]
        #[allow(dead_code)]
        impl #ident {
            #columns
            #(#constants)*
        }
    }
}
