//! Rules that concern two things. One function per rule.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{FnArg, ItemFn};

use super::args::{Flavor, TestArgs};
use crate::diagnostics::Diagnostics;

pub(crate) fn check(args: &TestArgs, function: &ItemFn, diagnostics: &mut Diagnostics) {
    check_async(function, diagnostics);
    check_given_once(function, diagnostics);
    check_generics(function, diagnostics);
    check_parameters(function, diagnostics);
    check_workers(args, diagnostics);
    check_rollback(args, diagnostics);
}

/// The mistake of putting the attribute on something else than a function.
pub(crate) fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    match syn::parse2(item.clone()).ok()? {
        syn::Item::Fn(_) => None,
        item => Some(syn::Error::new_spanned(
            item.into_token_stream(),
            "`#[spakky::test]` belongs on an `async fn`; remove it here",
        )),
    }
}

fn check_async(function: &ItemFn, diagnostics: &mut Diagnostics) {
    if function.sig.asyncness.is_none() {
        let message = "a `#[spakky::test]` works with a database and so is an `async fn`; add `async`";
        diagnostics.error(function.sig.fn_token, message);
    }
}

/// Two frameworks would each run it.
fn check_given_once(function: &ItemFn, diagnostics: &mut Diagnostics) {
    for attribute in &function.attrs {
        if attribute.path().segments.last().is_some_and(|segment| segment.ident == "test") {
            let message = "the function is a test already by `#[spakky::test]`; remove the other attribute";
            diagnostics.error(attribute, message);
        }
    }
}

/// Nobody would choose what it is run with.
fn check_generics(function: &ItemFn, diagnostics: &mut Diagnostics) {
    if !function.sig.generics.params.is_empty() {
        diagnostics.error(&function.sig.generics, "a test cannot be generic; write it for one type");
    }
}

fn check_parameters(function: &ItemFn, diagnostics: &mut Diagnostics) {
    if function.sig.inputs.is_empty() {
        let message = "the test does not ask for its database; take `db: TestDatabase` or `sessions: SessionManager`, or \
                       use `#[tokio::test]`";
        diagnostics.error(&function.sig.ident, message);
    }
    for input in &function.sig.inputs {
        if let FnArg::Receiver(receiver) = input {
            diagnostics.error(receiver, "a test is no method; take `sessions: SessionManager` instead");
        }
    }
}

fn check_workers(args: &TestArgs, diagnostics: &mut Diagnostics) {
    let is_multi = args.flavor.as_ref().is_some_and(|flavor| flavor.value == Flavor::MultiThread);
    if let (Some(workers), false) = (&args.worker_threads, is_multi) {
        diagnostics.error(&workers.key, "`worker_threads` needs `flavor = \"multi_thread\"`");
    }
}

/// Databases without tables are not worth sharing.
fn check_rollback(args: &TestArgs, diagnostics: &mut Diagnostics) {
    if let (Some(rollback), None) = (&args.rollback, &args.schema) {
        let message = "`rollback` takes back what is done to tables that are there; name them with `schema = [OrderRow]`, or \
                       remove `rollback`";
        diagnostics.error(&rollback.key, message);
    }
}
