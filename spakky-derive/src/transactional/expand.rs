//! The function around the body.
//!
//! ```text
//! async fn pay(&self, id: OrderId) -> Result<(), PayError> {
//!     let __options = &const { TransactionOptions::new().written_at(concat!(module_path!(), "::", "pay"), file!(), line!()) };
//!     let __type = returned::<Result<(), PayError>>();
//!     let __policy = policy(__type, |_| false, FromSpakkyError::from_spakky);
//!     let __sessions = sessions_of::<Self>(&self);
//!     let __body = pin!(Some(async move {
//!         if let Some(returned) = nothing(__type) { return returned; }
//!         /* what the user wrote */
//!     }));
//!     run_once(&__sessions, __options, __body, &__policy).await
//! }
//! ```
//!
//! The first statement of the inner block is never taken. It tells the compiler what the block returns, so that the
//! body's coercions, `?` and literals are typed as they were in the function.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::token::Brace;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, FnArg, PatIdent, Signature, Token};

use super::input::{Body, Boxed, Function, Shape};
use super::model::{Again, Binding, Options, Scope, Sessions};
use crate::keys::{IsolationKey, PropagationKey, RetryOnKey};

pub(crate) fn expand(function: &Function, scope: &Scope<'_>) -> TokenStream {
    let Function { attrs, vis, sig, body } = function;
    let Some(Body { brace, inner_attrs, tokens }) = body else { return function.to_token_stream() };
    let mut sig = sig.clone();
    if let Some(again) = &scope.again {
        adapt_signature(&mut sig, again);
    }
    let content = match &scope.shape {
        Shape::Async => run(function, scope, *brace, tokens),
        Shape::Boxed(boxed) => expand_boxed(function, scope, boxed),
    };
    let mut expanded = quote!(#(#attrs)* #vis #sig);
    brace.surround(&mut expanded, |tokens| tokens.extend(quote!(#(#inner_attrs)* #content)));
    expanded
}

/// `Box::pin(async move { … })` with the scope inside; it stays the last expression, where other attributes look for it.
fn expand_boxed(function: &Function, scope: &Scope<'_>, boxed: &Boxed) -> TokenStream {
    let Boxed { statements, call, future, output: _ } = boxed;
    let Block { brace_token, stmts } = &future.block;
    let content = run(function, scope, *brace_token, &quote!(#(#stmts)*));
    let (attrs, asyncness, capture) = (&future.attrs, &future.async_token, &future.capture);
    let (call_attrs, path) = (&call.attrs, &call.func);
    quote! {
        #(#statements)*
        #(#call_attrs)* #path(#(#attrs)* #asyncness #capture { #content })
    }
}

/// The statements that run `statements` in their scope.
fn run(function: &Function, scope: &Scope<'_>, brace: Brace, statements: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let private = scope.krate.private();
    let returned = &scope.returned.ty;
    let options = expand_options(function, scope, &private);
    let policy = expand_policy(scope, &private);
    let sessions = expand_sessions(scope, &private);
    let hint = quote_spanned! {site=>
        if let #private::Option::Some(__returned) = #private::nothing(__type) {
            return __returned;
        }
    };
    // The user's braces and nothing inside them but the user's statements: what the compiler says of the body, it says of
    // these.
    let mut block = TokenStream::new();
    brace.surround(&mut block, |block| block.extend([hint, statements.clone()]));
    let body = quote_spanned!(site=> ::core::pin::pin!(#private::Option::Some(async move #block)));
    let call = match &scope.again {
        None => quote_spanned! {site=>
            let __body = #body;
            #private::run_once(&__sessions, __options, __body, &__policy).await
        },
        Some(again) => {
            let copies = again.bindings.iter().map(|binding| expand_copy(binding, &scope.sessions, &private));
            let (keep, restore) = expand_receiver(again, &private);
            quote_spanned! {site=>
                let mut __retry = #private::Retry::new(__options);
                loop {
                    #keep
                    #(#copies)*
                    let __body = #body;
                    match #private::run(&__sessions, __options, __body, &__policy, &mut __retry).await {
                        #private::Attempt::Done(__result) => break __result,
                        #private::Attempt::Again => { #restore }
                    }
                }
            }
        }
    };
    quote_spanned! {site=>
        let __options = #options;
        let __type = #private::returned::<#returned>();
        let __policy = #policy;
        let __sessions = #sessions;
        #call
    }
}

/// `&const { TransactionOptions::new()… }`
fn expand_options(function: &Function, scope: &Scope<'_>, private: &TokenStream) -> TokenStream {
    let Options { name, propagation, isolation, read_only, deferrable, timeout } = &scope.options;
    let site = Span::mixed_site();
    let function = function.sig.ident.unraw().to_string();
    let function = quote_spanned!(site=> ::core::concat!(::core::module_path!(), "::", #function));
    let name = name.as_ref().map(|name| quote_spanned!(site=> .name(#name)));
    let propagation = propagation.map(|propagation| {
        let variant = match propagation {
            PropagationKey::Required => quote!(Required),
            PropagationKey::RequiresNew => quote!(RequiresNew),
            PropagationKey::Nested => quote!(Nested),
            PropagationKey::Mandatory => quote!(Mandatory),
            PropagationKey::Supports => quote!(Supports),
            PropagationKey::Never => quote!(Never),
            PropagationKey::NotSupported => quote!(NotSupported),
        };
        quote_spanned!(site=> .propagation(#private::Propagation::#variant))
    });
    let isolation = isolation.map(|isolation| {
        let variant = match isolation {
            IsolationKey::ReadCommitted => quote!(ReadCommitted),
            IsolationKey::RepeatableRead => quote!(RepeatableRead),
            IsolationKey::Serializable => quote!(Serializable),
        };
        quote_spanned!(site=> .isolation(#private::Isolation::#variant))
    });
    let read_only = read_only.then(|| quote_spanned!(site=> .read_only()));
    let deferrable = deferrable.then(|| quote_spanned!(site=> .deferrable()));
    let timeout = timeout.map(|timeout| {
        let timeout = expand_duration(timeout);
        quote_spanned!(site=> .timeout(#timeout))
    });
    let retry = scope.again.as_ref().map(|again| {
        let (attempts, backoff) = (again.attempts, expand_duration(again.backoff));
        let on = match again.on {
            RetryOnKey::Transient => quote!(Transient),
            RetryOnKey::Conflict => quote!(Conflict),
        };
        quote_spanned! {site=>
            .retry(#private::RetryPolicy { attempts: #attempts, backoff: #backoff, on: #private::RetryOn::#on })
        }
    });
    quote_spanned! {site=>
        &const {
            #private::TransactionOptions::new().written_at(#function, ::core::file!(), ::core::line!())
                #name #propagation #isolation #read_only #deferrable #timeout #retry
        }
    }
}

fn expand_duration(duration: Duration) -> TokenStream {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    quote_spanned!(Span::mixed_site()=> ::core::time::Duration::new(#seconds, #nanos))
}

/// What happens to errors, in terms of the function's error type. That it returns a `Result`, and that its error takes up
/// the library's, is checked here and nowhere else, where the types stand.
fn expand_policy(scope: &Scope<'_>, private: &TokenStream) -> TokenStream {
    let site = scope.returned.at.resolved_at(Span::mixed_site());
    let commits = match scope.commit_on {
        Some(pattern) => quote_spanned!(site=> |__error| ::core::matches!(__error, #pattern)),
        None => quote_spanned!(site=> |_| false),
    };
    let convert = match scope.map_err {
        Some(path) => path.to_token_stream(),
        None => {
            let (site, private) = (scope.returned.error.resolved_at(site), located_at(private, scope.returned.error));
            quote_spanned!(site=> #private::FromSpakkyError::from_spakky)
        }
    };
    let private = located_at(private, scope.returned.at);
    quote_spanned!(site=> #private::policy(__type, #commits, #convert))
}

/// The same tokens where an error about them is to be shown.
fn located_at(tokens: &TokenStream, span: Span) -> TokenStream {
    let locate = |mut token: TokenTree| {
        token.set_span(token.span().located_at(span));
        token
    };
    tokens.clone().into_iter().map(locate).collect()
}

fn expand_sessions(scope: &Scope<'_>, private: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    match &scope.sessions {
        Sessions::OfSelf(self_token) => {
            let site = self_token.span.resolved_at(site);
            quote_spanned!(site=> #private::sessions_of::<Self>(&#self_token))
        }
        Sessions::Given(expression) => {
            let site = crate::syntax::input::span_of(expression).resolved_at(site);
            quote_spanned!(site=> #private::sessions_of(&#expression))
        }
        Sessions::Registered(name) => quote_spanned! {site=>
            match #private::registered(#name, __options).await {
                #private::Result::Ok(__sessions) => __sessions,
                #private::Result::Err(__error) => return __policy.failed(__error),
            }
        },
    }
}

/// A copy of an argument for one run. An argument that cannot be copied is reported where it is declared.
fn expand_copy(binding: &Binding<'_>, sessions: &Sessions<'_>, private: &TokenStream) -> TokenStream {
    let Binding { cfg, mutability, ident } = binding;
    let site = ident.span().resolved_at(Span::mixed_site());
    // One that only the sessions are found by is used, though the body does not.
    let used = match sessions {
        Sessions::Given(expression) if mentions(expression.to_token_stream(), ident) => {
            Some(quote_spanned!(site=> #(#cfg)* let _ = &#ident;))
        }
        Sessions::Given(_) | Sessions::OfSelf(_) | Sessions::Registered(_) => None,
    };
    quote_spanned!(site=> #(#cfg)* let #mutability #ident = #private::again(&#ident); #used)
}

/// Whether the name stands anywhere in the tokens.
fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// A receiver that the body uses up is kept before each run and put back after it, as no other name can be given to it.
fn expand_receiver(again: &Again<'_>, private: &TokenStream) -> (Option<TokenStream>, Option<TokenStream>) {
    let Some(receiver) = again.receiver else { return (None, None) };
    let self_token = receiver.self_token;
    let site = self_token.span.resolved_at(Span::mixed_site());
    let keep = quote_spanned!(site=> let __kept = #private::again(&#self_token););
    let restore = quote_spanned!(site=> #self_token = __kept;);
    (Some(keep), Some(restore))
}

/// With retry, what the body may change are copies, and only a receiver is put back in place.
fn adapt_signature(sig: &mut Signature, again: &Again<'_>) {
    for argument in &mut sig.inputs {
        match argument {
            FnArg::Receiver(receiver) if again.receiver.is_some() => {
                receiver.mutability.get_or_insert_with(|| Token![mut](receiver.self_token.span));
            }
            FnArg::Receiver(_) => {}
            FnArg::Typed(argument) => Immutable.visit_pat_mut(&mut argument.pat),
        }
    }
}

/// Takes `mut` from bindings by value.
struct Immutable;

impl VisitMut for Immutable {
    fn visit_pat_ident_mut(&mut self, pattern: &mut PatIdent) {
        pattern.mutability = pattern.mutability.filter(|_| pattern.by_ref.is_some());
        visit_mut::visit_pat_ident_mut(self, pattern);
    }
}
