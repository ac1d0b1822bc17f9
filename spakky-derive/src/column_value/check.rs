//! Rules that concern several variants. One function per rule.

use std::collections::HashMap;

use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, UnOp};

use super::model::{ColumnValue, Kind, NumberVariant, Other, Stored, TextVariant};
use crate::diagnostics::Diagnostics;
use crate::keys::ReprKey;

pub(crate) fn check(value: &ColumnValue, diagnostics: &mut Diagnostics) {
    match &value.kind {
        Kind::Newtype(_) | Kind::Native(..) => {}
        Kind::Text(made) => {
            check_other(&made.other, diagnostics);
            check_texts(&made.variants, diagnostics);
        }
        Kind::Number(repr, made) => {
            check_other(&made.other, diagnostics);
            check_values(&made.variants, diagnostics);
            check_numbers(*repr, &made.variants, diagnostics);
        }
    }
}

fn check_other(other: &[Other], diagnostics: &mut Diagnostics) {
    for second in other.iter().skip(1) {
        diagnostics.error(&second.at, "an enum has one catch-all variant; remove `other` here or there");
    }
}

/// Two variants stored alike could not be told apart when read.
fn check_texts(variants: &[TextVariant], diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<&str, &Ident> = HashMap::new();
    for variant in variants {
        if let Some(first) = seen.insert(&variant.text, &variant.ident) {
            let message = format!("`{first}` is stored as \"{}\" too; `rename` one of them", variant.text);
            match &variant.literal {
                Some(literal) => diagnostics.error(literal, message),
                None => diagnostics.error(&variant.ident, message),
            }
        }
        if variant.text.contains('\0') {
            diagnostics.error(&variant.literal, "text with a NUL character cannot be stored");
        }
    }
}

/// With some values given and others counted, nobody could tell the stored numbers at a glance.
fn check_values(variants: &[NumberVariant], diagnostics: &mut Diagnostics) {
    let given = |variant: &NumberVariant| matches!(variant.number, Stored::Given(_));
    if variants.iter().any(given) {
        for variant in variants.iter().filter(|variant| !given(variant)) {
            let message = format!("`{}` has no `value`, but other variants have; give it one", variant.ident);
            diagnostics.error(&variant.ident, message);
        }
    }
}

/// Numbers are known here only where they are literals; rustc keeps the discriminants apart.
fn check_numbers(repr: ReprKey, variants: &[NumberVariant], diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<i64, &Ident> = HashMap::new();
    for variant in variants {
        let value = match &variant.number {
            Stored::Given(number) => Some(number.value),
            Stored::Discriminant(expression) => literal(expression),
            Stored::Next => None,
        };
        let Some(value) = value else { continue };
        let fits = match repr {
            ReprKey::I16 => i16::try_from(value).is_ok(),
            ReprKey::I32 => i32::try_from(value).is_ok(),
            ReprKey::I64 => true,
        };
        if !fits {
            report(variant, diagnostics, format!("{value} does not fit `{}`; use a wider `repr`", repr.name()));
        }
        if let (Some(first), Stored::Given(_)) = (seen.insert(value, &variant.ident), &variant.number) {
            report(variant, diagnostics, format!("`{first}` is stored as {value} too; change one of them"));
        }
    }
}

fn report(variant: &NumberVariant, diagnostics: &mut Diagnostics, message: String) {
    match &variant.number {
        Stored::Given(number) => diagnostics.error(&number.literal, message),
        Stored::Discriminant(expression) => diagnostics.error(expression, message),
        Stored::Next => diagnostics.error(&variant.ident, message),
    }
}

fn literal(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => literal.base10_parse().ok(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => literal(expr).and_then(i64::checked_neg),
        _ => None,
    }
}
