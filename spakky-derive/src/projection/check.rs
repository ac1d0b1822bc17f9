//! Rules that need more than one attribute to see. One function per rule.

use std::collections::HashMap;

use syn::Ident;

use super::model::{Field, Projection, Source};
use crate::diagnostics::{Diagnostics, suggestion};
use crate::syntax::case::screaming_snake;
use crate::syntax::ident::plain;
use crate::syntax::input::last_segment;

/// A profile is a bit of a number.
const MOST_PROFILES: usize = 64;

pub(crate) fn check(projection: &Projection, diagnostics: &mut Diagnostics) {
    check_profiles(projection, diagnostics);
    check_profiles_of_fields(projection, diagnostics);
    for field in &projection.fields {
        check_dependencies(projection, field, diagnostics);
        check_holder(field, diagnostics);
    }
    check_circles(projection, diagnostics);
}

/// Several views are a list. Said of the type as it is written, since all that is made of another would fail, each part by
/// itself.
fn check_holder(field: &Field, diagnostics: &mut Diagnostics) {
    let holders = ["Vec", "Loaded"];
    if let Source::HasMany { .. } | Source::ManyToMany { .. } = field.source
        && last_segment(&field.ty).is_none_or(|last| holders.iter().all(|holder| last != holder))
    {
        let name = field.source.constructor();
        let message = format!("a `{name}` field is a `Vec` of views, or a `Loaded` of one; write it as `Vec<..>`");
        diagnostics.error(&field.ty, message);
    }
}

/// Each profile is a constant.
fn check_profiles(projection: &Projection, diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for profile in &projection.profiles {
        let constant = screaming_snake(&plain(profile));
        if let Some(first) = seen.insert(constant.clone(), profile) {
            let message = format!("`{profile}` and `{first}` would both be the constant `{constant}`; rename one");
            let message = if first == profile { format!("`{profile}` is given twice; remove one") } else { message };
            diagnostics.error(profile, message);
        }
    }
    if let Some(first) = projection.profiles.get(MOST_PROFILES) {
        diagnostics.error(first, format!("a projection has {MOST_PROFILES} profiles at most; make it several"));
    }
}

fn check_profiles_of_fields(projection: &Projection, diagnostics: &mut Diagnostics) {
    for name in projection.fields.iter().flat_map(|field| field.profiles.iter().flatten()) {
        if projection.profile(name).is_some() {
            continue;
        }
        let (ident, name_text) = (&projection.ident, plain(name));
        let names: Vec<String> = projection.profiles.iter().map(plain).collect();
        let message = match names.is_empty() {
            true => format!("`{ident}` has no profiles; declare them on the struct: `profiles({name_text}, …)`"),
            false => {
                let hint = suggestion(&name_text, names.iter().map(String::as_str));
                format!("`{ident}` has no profile `{name_text}`{hint}")
            }
        };
        diagnostics.error(name, message);
    }
}

fn check_dependencies(projection: &Projection, field: &Field, diagnostics: &mut Diagnostics) {
    let Some(given) = &field.depends_on else { return };
    match field.source {
        Source::Load(_) => {}
        Source::Broken => return,
        _ => {
            let message = "`depends_on` goes with `load`, whose function takes the fields; remove it";
            return diagnostics.error(&given.key, message);
        }
    }
    for name in &given.value {
        let Some(other) = projection.position(name).and_then(|at| projection.fields.get(at)) else {
            let names: Vec<String> = projection.fields.iter().map(|field| plain(&field.ident)).collect();
            let hint = suggestion(&plain(name), names.iter().map(String::as_str));
            diagnostics.error(name, format!("`{}` has no field `{}`{hint}", projection.ident, plain(name)));
            continue;
        };
        let Some(loaded_by) = &other.profiles else { continue };
        let wanted = field.profiles.as_ref().unwrap_or(&projection.profiles);
        let left_out = wanted.iter().find(|profile| !loaded_by.iter().any(|other| plain(other) == plain(profile)));
        if let Some(profile) = left_out {
            let (ident, profile) = (plain(&field.ident), plain(profile));
            let message = format!(
                "`{ident}` is loaded by profile `{profile}`, which leaves `{0}` out; add `{profile}` to the profiles of `{0}`",
                plain(name)
            );
            diagnostics.error(name, message);
        }
    }
}

/// Reports each circle once, where it is closed.
fn check_circles(projection: &Projection, diagnostics: &mut Diagnostics) {
    let mut done = vec![false; projection.fields.len()];
    for at in 0..projection.fields.len() {
        follow(projection, at, &mut Vec::new(), &mut done, diagnostics);
    }
}

fn follow(projection: &Projection, at: usize, path: &mut Vec<usize>, done: &mut [bool], diagnostics: &mut Diagnostics) {
    let (Some(field), Some(false)) = (projection.fields.get(at), done.get(at)) else { return };
    path.push(at);
    for name in field.depends_on.iter().flat_map(|given| &given.value) {
        let Some(next) = projection.position(name) else { continue };
        match path.iter().position(|&earlier| earlier == next) {
            Some(start) => {
                let circle = path.iter().skip(start).chain([&next]);
                let names: Vec<String> = circle
                    .filter_map(|&at| projection.fields.get(at))
                    .map(|field| format!("`{}`", plain(&field.ident)))
                    .collect();
                let message = format!("{} is a circle; remove a dependency", names.join(" depends on "));
                diagnostics.error(name, message);
            }
            None => follow(projection, next, path, done, diagnostics),
        }
    }
    path.pop();
    if let Some(done) = done.get_mut(at) {
        *done = true;
    }
}
