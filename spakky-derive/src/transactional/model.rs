//! The scope that a function asks for, with nothing left to decide.

use std::time::Duration;

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Expr, GenericArgument, Ident, LitStr, PatIdent, Path, PathArguments, Receiver, ReceiverKind, ReturnType,
    Token, Type, TypeInfer,
};

use super::args::{CommitOn, RetryArgs, TransactionalArgs};
use super::input::{Function, Shape};
use crate::attr::CratePath;
use crate::diagnostics::Diagnostics;
use crate::keys::{IsolationKey, PropagationKey, RetryOnKey};

/// What the expansion is made of.
pub(crate) struct Scope<'a> {
    pub(crate) krate: CratePath,
    pub(crate) shape: Shape,
    pub(crate) options: Options<'a>,
    pub(crate) sessions: Sessions<'a>,
    pub(crate) returned: Returned,
    pub(crate) commit_on: Option<&'a CommitOn>,
    pub(crate) map_err: Option<&'a Path>,
    pub(crate) again: Option<Again<'a>>,
}

/// What becomes `TransactionOptions`.
pub(crate) struct Options<'a> {
    /// `None`: the function's path.
    pub(crate) name: Option<&'a LitStr>,
    pub(crate) propagation: Option<PropagationKey>,
    pub(crate) isolation: Option<IsolationKey>,
    pub(crate) read_only: bool,
    pub(crate) deferrable: bool,
    pub(crate) timeout: Option<Duration>,
}

/// Where the sessions come from.
pub(crate) enum Sessions<'a> {
    OfSelf(Token![self]),
    Given(&'a Expr),
    Registered(&'a LitStr),
}

/// What the function gives.
pub(crate) struct Returned {
    /// The type, with `_` for each `impl Trait`, which cannot be named inside the function.
    pub(crate) ty: Type,
    /// Where the type stands.
    pub(crate) at: Span,
    /// Where the error in it stands, as far as it can be told.
    pub(crate) error: Span,
}

/// What the body needs to run more than once.
pub(crate) struct Again<'a> {
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) on: RetryOnKey,
    /// The bindings to copy for each run.
    pub(crate) bindings: Vec<Binding<'a>>,
    /// A receiver that the body could use up.
    pub(crate) receiver: Option<&'a Receiver>,
}

/// A name that an argument's pattern binds.
pub(crate) struct Binding<'a> {
    pub(crate) cfg: Vec<&'a Attribute>,
    pub(crate) mutability: Option<Token![mut]>,
    pub(crate) ident: &'a Ident,
}

impl<'a> Scope<'a> {
    pub(crate) fn from_parts(
        args: &'a TransactionalArgs,
        function: &'a Function,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let shape = function.shape();
        let returned = shape.as_ref().and_then(|shape| Returned::new(function, shape));
        match (&shape, &returned) {
            (None, _) => diagnostics.push(not_async(function)),
            (Some(_), None) => diagnostics.error(
                &function.sig.ident,
                format!(
                    "`{}` returns nothing, but a transaction can fail; return a `Result` whose error type is \
                     `From<spakky::Error>`",
                    function.sig.ident
                ),
            ),
            (Some(_), Some(_)) => {}
        }
        let sessions = Sessions::new(args, function, diagnostics);
        let again = args.retry.as_ref().map(|retry| Again::new(&retry.value, function));
        Some(Scope {
            krate: CratePath::given(args.krate.as_ref()),
            shape: shape?,
            options: Options {
                name: args.name.as_ref().map(|name| &name.value),
                propagation: args.propagation.as_ref().map(|propagation| propagation.value),
                isolation: args.isolation.as_ref().map(|isolation| isolation.value),
                read_only: args.read_only.is_some(),
                deferrable: args.deferrable.is_some(),
                timeout: args.timeout.as_ref().map(|timeout| timeout.value),
            },
            sessions: sessions?,
            returned: returned?,
            commit_on: args.commit_on.as_ref().map(|pattern| &pattern.value),
            map_err: args.map_err.as_ref().map(|path| &path.value),
            again,
        })
    }
}

fn not_async(function: &Function) -> syn::Error {
    let sig = &function.sig;
    match (&sig.constness, &function.body) {
        (Some(constness), _) => syn::Error::new(
            constness.span,
            format!("a `const fn` cannot wait for a database; write `async fn {}`", sig.ident),
        ),
        (None, _) => syn::Error::new(
            sig.fn_token.span,
            format!("`#[transactional]` wraps what an `async fn` awaits; write `async fn {}`", sig.ident),
        ),
    }
}

impl<'a> Sessions<'a> {
    fn new(args: &'a TransactionalArgs, function: &'a Function, diagnostics: &mut Diagnostics) -> Option<Self> {
        match (&args.sessions, &args.registry, function.sig.receiver()) {
            (Some(sessions), _, _) => Some(Sessions::Given(&sessions.value)),
            (None, Some(registry), _) => Some(Sessions::Registered(&registry.value)),
            (None, None, Some(receiver)) => Some(Sessions::OfSelf(receiver.self_token)),
            (None, None, None) => {
                let ways = match function.argument_of_type("SessionManager") {
                    Some(argument) => format!("write `#[transactional(sessions = {argument})]`"),
                    None => "name them: `#[transactional(sessions = …)]`, with an argument for instance, or \
                             `#[transactional(registry = \"…\")]`"
                        .to_owned(),
                };
                diagnostics.error(
                    &function.sig.ident,
                    format!("`{}` has no `self` to find sessions by; {ways}", function.sig.ident),
                );
                None
            }
        }
    }
}

impl Returned {
    /// `None` where nothing is returned.
    fn new(function: &Function, shape: &Shape) -> Option<Self> {
        let mut ty = match (shape, &function.sig.output) {
            (Shape::Boxed(boxed), _) => boxed.output.clone(),
            (Shape::Async, ReturnType::Type(_, ty)) => (**ty).clone(),
            (Shape::Async, ReturnType::Default) => return None,
        };
        if matches!(&ty, Type::Tuple(tuple) if tuple.elems.is_empty()) {
            return None;
        }
        let (at, error) = (name_span(&ty), error_span(&ty));
        Unnamed.visit_type_mut(&mut ty);
        Some(Returned { ty, at, error })
    }
}

/// The span of one token that stands for a type.
fn name_span(ty: &Type) -> Span {
    crate::syntax::input::last_segment(ty).map_or_else(|| crate::syntax::input::span_of(ty), Ident::span)
}

/// The span of `E` in `Result<T, E>`, else that of the whole type, whose error is hidden in an alias.
fn error_span(ty: &Type) -> Span {
    let Type::Path(path) = ty else { return name_span(ty) };
    match path.path.segments.last().map(|segment| &segment.arguments) {
        Some(PathArguments::AngleBracketed(arguments)) if arguments.args.len() > 1 => match arguments.args.last() {
            Some(GenericArgument::Type(error)) => name_span(error),
            _ => name_span(ty),
        },
        _ => name_span(ty),
    }
}

/// Puts `_` for `impl Trait`.
struct Unnamed;

impl VisitMut for Unnamed {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::ImplTrait(unnamed) = ty {
            let underscore_token = Token![_](unnamed.impl_token.span);
            *ty = Type::Infer(TypeInfer { attrs: Vec::new(), underscore_token });
            return;
        }
        visit_mut::visit_type_mut(self, ty);
    }
}

impl<'a> Again<'a> {
    fn new(retry: &RetryArgs, function: &'a Function) -> Self {
        Again {
            attempts: retry.attempts.as_ref().map_or(2, |attempts| attempts.value),
            backoff: retry.backoff.as_ref().map_or(Duration::from_millis(20), |backoff| backoff.value),
            on: retry.on.as_ref().map_or(RetryOnKey::Transient, |on| on.value),
            bindings: bindings(function),
            receiver: function.sig.receiver().filter(|receiver| is_used_up(receiver)),
        }
    }
}

/// Whether the receiver is no reference.
fn is_used_up(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(..) => false,
        ReceiverKind::Typed(_, ty) => !matches!(**ty, Type::Reference(_)),
        _ => true,
    }
}

fn bindings(function: &Function) -> Vec<Binding<'_>> {
    let mut found = Vec::new();
    for argument in function.patterns() {
        let mut names = Names(Vec::new());
        names.visit_pat(&argument.pat);
        found.extend(names.0.into_iter().map(|pattern| Binding {
            cfg: argument.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect(),
            mutability: pattern.mutability.filter(|_| pattern.by_ref.is_none()),
            ident: &pattern.ident,
        }));
    }
    found
}

/// The names that a pattern binds.
struct Names<'a>(Vec<&'a PatIdent>);

impl<'a> Visit<'a> for Names<'a> {
    fn visit_pat_ident(&mut self, pattern: &'a PatIdent) {
        self.0.push(pattern);
        visit::visit_pat_ident(self, pattern);
    }
}
