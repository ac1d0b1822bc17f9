//! `#[derive(Projection)]`: where the fields of a read model come from.

mod attr;
mod check;
mod expand;
mod fallback;
mod link;
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
    let attrs = attr::ProjectionAttrs::from_ast(&input.attrs, &mut diagnostics);
    let projection = model::Projection::from_ast(&input, &attrs, &mut diagnostics);
    if let Some(projection) = &projection {
        check::check(projection, &mut diagnostics);
    }
    match (diagnostics.finish(), projection) {
        (Ok(()), Some(projection)) => expand::expand(&projection),
        (Ok(()), None) => fallback::expand(&input, &attrs),
        (Err(errors), _) => {
            let fallback = fallback::expand(&input, &attrs);
            quote::quote!(#errors #fallback)
        }
    }
}
