//! `#[transactional]`: the body of an `async fn` as one unit of work.

mod args;
mod check;
mod expand;
mod input;
mod model;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::diagnostics::Diagnostics;

pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut function: input::Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = input::not_a_function(&item).unwrap_or(error).into_compile_error();
            return quote!(#error #item);
        }
    };
    let mut diagnostics = Diagnostics::new();
    let args = args::TransactionalArgs::from_tokens(args, &mut diagnostics);
    check::check(&args, &function, &mut diagnostics);
    let scope = model::Scope::from_parts(&args, &function, &mut diagnostics);
    match (diagnostics.finish(), scope) {
        (Ok(()), Some(scope)) => expand::expand(&function, &scope),
        (Ok(()), None) => item,
        (Err(errors), _) => {
            // The compiler has a message of its own for `const async`.
            function.sig.constness = function.sig.constness.filter(|_| function.sig.asyncness.is_none());
            let function = function.into_token_stream();
            quote!(#errors #function)
        }
    }
}
