//! Rules that concern two things. One function per rule.

use syn::visit::Visit;
use syn::{Ident, Pat, PatIdent, ReceiverKind, Type};

use super::args::{RetryArgs, TransactionalArgs};
use super::input::Function;
use crate::attr::Spanned;
use crate::diagnostics::Diagnostics;
use crate::keys::{IsolationKey, PropagationKey};

pub(crate) fn check(args: &TransactionalArgs, function: &Function, diagnostics: &mut Diagnostics) {
    if diagnostics.is_empty() {
        check_deferrable(args, diagnostics);
        check_attempts(args, diagnostics);
    }
    check_given_once(function, diagnostics);
    check_body(function, diagnostics);
    check_sessions(args, diagnostics);
    check_without_transaction(args, diagnostics);
    check_retry(args, diagnostics);
    if args.retry.is_some() {
        check_receiver(function, diagnostics);
        check_arguments(function, diagnostics);
    }
}

/// The second one would run in the scope of the first, which is never meant.
fn check_given_once(function: &Function, diagnostics: &mut Diagnostics) {
    for attribute in &function.attrs {
        if attribute.path().segments.last().is_some_and(|segment| segment.ident == "transactional") {
            diagnostics.error(attribute, "`#[transactional]` is given twice; remove one");
        }
    }
}

/// A trait's method says nothing about how it is implemented.
fn check_body(function: &Function, diagnostics: &mut Diagnostics) {
    if function.body.is_none() {
        let message =
            format!("`{}` has no body to run; put `#[transactional]` on its implementations", function.sig.ident);
        diagnostics.error(&function.sig.ident, message);
    }
}

fn check_sessions(args: &TransactionalArgs, diagnostics: &mut Diagnostics) {
    if let (Some(_), Some(registry)) = (&args.sessions, &args.registry) {
        diagnostics.error(&registry.key, "`registry` and `sessions` both name the sessions; remove one");
    }
}

/// Only such a transaction can be deferred.
fn check_deferrable(args: &TransactionalArgs, diagnostics: &mut Diagnostics) {
    let Some(deferrable) = &args.deferrable else { return };
    let serializable = args.isolation.as_ref().is_some_and(|isolation| isolation.value == IsolationKey::Serializable);
    let missing = match (args.read_only.is_some(), serializable) {
        (true, true) => return,
        (false, true) => "`read_only`",
        (true, false) => "`isolation = serializable`",
        (false, false) => "`read_only` and `isolation = serializable`",
    };
    diagnostics.error(&deferrable.key, format!("`deferrable` needs {missing}; add it or remove `deferrable`"));
}

/// Nothing that describes a transaction has a meaning where there is none.
fn check_without_transaction(args: &TransactionalArgs, diagnostics: &mut Diagnostics) {
    let name = match args.propagation.as_ref().map(|propagation| propagation.value) {
        Some(PropagationKey::Never) => "never",
        Some(PropagationKey::NotSupported) => "not_supported",
        _ => return,
    };
    let keys = [
        args.isolation.as_ref().map(|given| &given.key),
        args.read_only.as_ref().map(|given| &given.key),
        args.deferrable.as_ref().map(|given| &given.key),
        args.commit_on.as_ref().map(|given| &given.key),
    ];
    for key in keys.into_iter().flatten() {
        let message =
            format!("`{key}` has no effect with `propagation = {name}`, which runs without a transaction; remove it");
        diagnostics.error(key, message);
    }
}

/// How often nobody should have to guess.
fn check_attempts(args: &TransactionalArgs, diagnostics: &mut Diagnostics) {
    if let Some(Spanned { key, value: RetryArgs { attempts: None, backoff: _, on: _ } }) = &args.retry {
        diagnostics.error(key, "`retry` needs `attempts`; write `retry(attempts = 5)`");
    }
}

/// Only the scope that opens the transaction can run it again.
fn check_retry(args: &TransactionalArgs, diagnostics: &mut Diagnostics) {
    let Some(retry) = &args.retry else { return };
    let Some(Spanned { value: propagation, .. }) = &args.propagation else { return };
    let why = match propagation {
        PropagationKey::Required | PropagationKey::RequiresNew => return,
        PropagationKey::Nested => "nested`, whose failure the outer scope handles",
        PropagationKey::Mandatory => "mandatory`, as only the outer scope can run again",
        PropagationKey::Supports => "supports`, as only the outer scope can run again",
        PropagationKey::Never => "never`, which runs without a transaction",
        PropagationKey::NotSupported => "not_supported`, which runs without a transaction",
    };
    diagnostics.error(&retry.key, format!("`retry` has no effect with `propagation = {why}; remove it"));
}

/// What a failed run did to `self` would be seen by the next.
fn check_receiver(function: &Function, diagnostics: &mut Diagnostics) {
    let Some(receiver) = function.sig.receiver() else { return };
    let is_mutable = match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
        ReceiverKind::Typed(_, ty) => is_mutable_reference(ty),
        _ => false,
    };
    if is_mutable {
        diagnostics.error(
            receiver,
            "with `retry` the body may run twice, and `&mut self` would keep what a failed run did; take `&self`",
        );
    }
}

/// The same, for arguments.
fn check_arguments(function: &Function, diagnostics: &mut Diagnostics) {
    let message = |name: &str| {
        format!(
            "with `retry` the body may run twice, and {name} would keep what a failed run did; take it by value or by `&`"
        )
    };
    for argument in function.patterns() {
        if is_mutable_reference(&argument.ty) {
            let name = match &*argument.pat {
                Pat::Ident(pattern) => format!("`{}`", pattern.ident),
                _ => "this argument".to_owned(),
            };
            diagnostics.error(&argument.ty, message(&name));
        }
        let mut found = MutableBindings(Vec::new());
        found.visit_pat(&argument.pat);
        for binding in found.0 {
            diagnostics.error(binding, message(&format!("`{binding}`")));
        }
    }
}

fn is_mutable_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => reference.mutability.is_some(),
        Type::Paren(inner) => is_mutable_reference(&inner.elem),
        Type::Group(inner) => is_mutable_reference(&inner.elem),
        _ => false,
    }
}

/// `ref mut` in a pattern.
struct MutableBindings<'a>(Vec<&'a Ident>);

impl<'a> Visit<'a> for MutableBindings<'a> {
    fn visit_pat_ident(&mut self, pattern: &'a PatIdent) {
        if pattern.by_ref.is_some() && pattern.mutability.is_some() {
            self.0.push(&pattern.ident);
        }
        syn::visit::visit_pat_ident(self, pattern);
    }
}
