//! `#[derive(Mappable)]`: how a row becomes a domain value and back.
//!
//! It reads `#[table(..)]` too, for roles, keys and flattened fields; mistakes there are reported by
//! `#[derive(Table)]` alone.

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
    let attrs = attr::MappableAttrs::from_ast(&input.attrs, &mut diagnostics);
    let mappable = model::Mappable::from_ast(&input, &attrs, &mut diagnostics);
    if let Some(mappable) = &mappable {
        check::check(mappable, &attrs, &mut diagnostics);
    }
    match (diagnostics.finish(), mappable) {
        (Ok(()), Some(mappable)) if mappable.is_sound => expand::expand(&mappable),
        (Ok(()), _) => fallback::expand(&input, &attrs),
        (Err(errors), _) => {
            let fallback = fallback::expand(&input, &attrs);
            quote::quote!(#errors #fallback)
        }
    }
}
