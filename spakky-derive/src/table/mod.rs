//! `#[derive(Table)]`: attributes to a model, the model checked, then impls of `Columns` and `Table`.

pub(crate) mod attr;
mod check;
pub(crate) mod default;
mod expand;
mod fallback;
pub(crate) mod field;
pub(crate) mod model;
mod name;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::diagnostics::Diagnostics;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut diagnostics = Diagnostics::new();
    let table = model::Table::from_ast(&input, &mut diagnostics);
    if let Some(table) = &table {
        check::check(table, &mut diagnostics);
    }
    match (diagnostics.finish(), table) {
        (Ok(()), Some(table)) => expand::expand(&table),
        (Ok(()), None) => TokenStream::new(),
        (Err(errors), table) => {
            let fallback = fallback::expand(&input, table.as_ref());
            quote::quote!(#errors #fallback)
        }
    }
}
