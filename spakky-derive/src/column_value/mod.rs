//! `#[derive(ColumnValue)]`: newtypes stored as what they wrap, unit enums stored as text or as a number.

mod attr;
mod check;
mod expand;
mod fallback;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::diagnostics::Diagnostics;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut diagnostics = Diagnostics::new();
    let attrs = attr::ValueAttrs::from_ast(&input.attrs, &mut diagnostics);
    let value = model::ColumnValue::from_ast(&input, &attrs, &mut diagnostics);
    if let Some(value) = &value {
        check::check(value, &mut diagnostics);
    }
    let krate = crate::attr::CratePath::new(attrs.krate);
    match (diagnostics.finish(), value) {
        (Ok(()), Some(value)) => expand::expand(&input, &value, &krate),
        (Ok(()), None) => TokenStream::new(),
        (Err(errors), _) => {
            let fallback = fallback::expand(&input, &krate);
            quote::quote!(#errors #fallback)
        }
    }
}
