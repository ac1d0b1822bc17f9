//! `#[spakky::test]`: an `async fn` as a test with a database of its own.

mod args;
mod check;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemFn;

use crate::diagnostics::Diagnostics;

pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        // What is half-typed is for the compiler to report.
        Err(_) => {
            let error = check::not_a_function(&item).map(syn::Error::into_compile_error);
            return quote!(#error #item);
        }
    };
    let mut diagnostics = Diagnostics::new();
    let args = args::TestArgs::from_tokens(args, &mut diagnostics);
    check::check(&args, &function, &mut diagnostics);
    match diagnostics.finish() {
        Ok(()) => expand::expand(function, &args),
        Err(errors) => {
            // Kept, so that what it uses is used, and compiled as a test is.
            quote!(#errors #[cfg(test)] #[allow(dead_code)] #function)
        }
    }
}
