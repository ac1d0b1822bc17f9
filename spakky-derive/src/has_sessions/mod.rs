//! `#[derive(HasSessions)]`: which field of a service holds its session manager.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, Member, Path, Type};

use crate::attr::{CratePath, Spanned, parse_attributes, parse_crate, set_once};
use crate::diagnostics::Diagnostics;
use crate::keys::{HasSessionsKey, Keys};
use crate::syntax::input::last_segment;

/// The field that holds the session manager.
struct Sessions<'a> {
    member: Member,
    ty: &'a Type,
}

/// A field as it is looked at.
struct Candidate<'a> {
    member: Member,
    ty: &'a Type,
    mark: Option<&'a Attribute>,
}

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut diagnostics = Diagnostics::new();
    let krate = CratePath::new(parse_container(&input, &mut diagnostics));
    let sessions = match &input.data {
        Data::Struct(data) => find(&input.ident, &data.fields, &mut diagnostics),
        Data::Enum(data) => {
            diagnostics.error(data.enum_token, "`HasSessions` can only be derived for a struct, not for an enum");
            None
        }
        Data::Union(data) => {
            diagnostics.error(data.union_token, "`HasSessions` can only be derived for a struct, not for a union");
            None
        }
    };
    let private = krate.private();
    // By the trait, which the manager itself implements: a marked field may be another service as well.
    let body = match &sessions {
        Some(Sessions { member, ty }) => quote!(<#ty as #private::HasSessions>::sessions(&self.#member)),
        None => quote!(loop {}),
    };
    let expanded = expand(&input, &krate, &body);
    match diagnostics.finish() {
        Ok(()) => expanded,
        // The same impl is the fallback: without a field its body never returns.
        Err(errors) => quote!(#errors #expanded),
    }
}

/// ```text
/// impl HasSessions for Orders { fn sessions(&self) -> &SessionManager { <SessionManager as HasSessions>::sessions(&self.sessions) } }
/// ```
fn expand(input: &DeriveInput, krate: &CratePath, body: &TokenStream) -> TokenStream {
    let private = krate.private();
    let ident = &input.ident;
    let (generics, ty_generics, where_clause) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #generics #private::HasSessions for #ident #ty_generics #where_clause {
            fn sessions(&self) -> &#private::SessionManager {
                #body
            }
        }
    }
}

/// `#[sessions(crate = path)]` on the struct.
fn parse_container(input: &DeriveInput, diagnostics: &mut Diagnostics) -> Option<Spanned<Path>> {
    let mut krate = None;
    parse_attributes(&input.attrs, diagnostics, &[], |key, entry, diagnostics| {
        match key {
            HasSessionsKey::Crate => set_once(&mut krate, &entry.key, parse_crate(entry)?, diagnostics),
        }
        Ok(())
    });
    krate
}

fn find<'a>(ident: &Ident, fields: &'a Fields, diagnostics: &mut Diagnostics) -> Option<Sessions<'a>> {
    let candidates: Vec<_> =
        fields.members().zip(fields).map(|(member, field)| Candidate::new(member, field, diagnostics)).collect();
    let marked = candidates.iter().filter(|candidate| candidate.mark.is_some());
    let of_type = candidates.iter().filter(|candidate| candidate.is_manager());
    let found: Vec<_> = if marked.clone().next().is_some() { marked.collect() } else { of_type.collect() };
    match found.as_slice() {
        [] => {
            let message = format!(
                "`{ident}` has no field of type `SessionManager`; add one, or mark the field that is one under another \
                 name with `#[sessions]`"
            );
            diagnostics.error(ident, message);
            None
        }
        [found] => Some(Sessions { member: found.member.clone(), ty: found.ty }),
        [_, second, ..] => {
            match second.mark {
                Some(mark) => diagnostics.error(mark, "two fields are marked `#[sessions]`; remove one mark"),
                None => diagnostics.error(
                    second.ty,
                    format!("`{ident}` has several session managers; mark the one to use with `#[sessions]`"),
                ),
            }
            None
        }
    }
}

impl<'a> Candidate<'a> {
    fn new(member: Member, field: &'a syn::Field, diagnostics: &mut Diagnostics) -> Self {
        let mut marks = field.attrs.iter().filter(|attribute| attribute.path().is_ident(HasSessionsKey::ATTRIBUTE));
        let mark = marks.next();
        if let Some(mark) = mark {
            match mark.meta.require_path_only() {
                Ok(_) => {}
                Err(_) => diagnostics.error(&mark.meta, "`#[sessions]` on a field takes no keys; write it alone"),
            }
        }
        if let Some(second) = marks.next() {
            diagnostics.error(second, "`#[sessions]` is given twice; remove one");
        }
        Candidate { member, ty: &field.ty, mark }
    }

    fn is_manager(&self) -> bool {
        last_segment(self.ty).is_some_and(|name| name == "SessionManager")
    }
}
