//! The generated code. Nothing here can fail.
//!
//! ```text
//! pub struct OrderRowColumns { pub id: Column<OrderRow, OrderId>, … }      // handles
//! const _: () = {
//!     use ::spakky::__private as __p;
//!     impl __p::Columns for OrderRow { describe, encode, decode }          // columns
//!     static __TABLE: __p::TableCell = …;
//!     impl __p::Table for OrderRow { Id, descriptor, id, encode_id }       // row
//!     impl OrderRow { const COLUMNS, TABLE, UQ_…  }                        // constants
//!     const _: () = __p::check::id(…);                                     // assertions
//!     __p::inventory::submit! { … }
//!     __p::bridge::row! { … }                                              // diesel
//! };
//! ```

mod assertions;
mod column;
mod columns;
mod diesel;
mod handles;
mod row;

use proc_macro2::TokenStream;
use quote::quote;

use super::model::{Kind, Table};

pub(crate) fn expand(table: &Table) -> TokenStream {
    let private = table.krate.private();
    let handles = handles::expand_struct(table);
    let columns = columns::expand(table);
    let (kind, diesel_module, diesel) = match &table.kind {
        Kind::Row(row) => (row::expand(table, row), diesel::expand_module(table, row), diesel::expand(table, row)),
        Kind::Embedded(_) => (handles::expand_embedded(table), TokenStream::new(), TokenStream::new()),
    };
    let assertions = assertions::expand(table);
    quote! {
        #handles
        #diesel_module
        const _: () = {
            use #private as __p;
            #columns
            #kind
            #assertions
            #diesel
        };
    }
}

// For the fallback.
pub(super) use handles::{expand_embedded, expand_items, expand_prefixes, expand_struct};
pub(super) use row::{constants, soft_delete};
