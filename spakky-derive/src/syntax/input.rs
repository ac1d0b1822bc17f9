//! The shapes of the item under a derive.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Field, Fields, GenericArgument, Ident, PathArguments, Token, Type};

use crate::diagnostics::Diagnostics;

/// A field with its name.
pub(crate) struct NamedField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) field: &'a Field,
}

/// The fields of a plain struct with named fields; reports any other shape.
pub(crate) fn named_fields<'a>(
    input: &'a DeriveInput,
    derive: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<NamedField<'a>>> {
    let wanted = format!("`{derive}` can only be derived for a struct with named fields");
    if !input.generics.params.is_empty() {
        diagnostics.error(
            &input.generics,
            format!("`{derive}` cannot be derived for a generic struct; a row has one set of columns, write a struct for each"),
        );
        return None;
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(with_names(&fields.named)),
            Fields::Unnamed(_) => {
                diagnostics.error(&data.fields, format!("{wanted}; give these fields names"));
                None
            }
            Fields::Unit => {
                diagnostics.error(&input.ident, format!("{wanted}; `{}` has no fields", input.ident));
                None
            }
        },
        Data::Enum(data) => {
            diagnostics.error(data.enum_token, format!("{wanted}, not for an enum"));
            None
        }
        Data::Union(data) => {
            diagnostics.error(data.union_token, format!("{wanted}, not for a union"));
            None
        }
    }
}

fn with_names(fields: &Punctuated<Field, Token![,]>) -> Vec<NamedField<'_>> {
    fields.iter().filter_map(|field| field.ident.as_ref().map(|ident| NamedField { ident, field })).collect()
}

/// The last segment of a type's path, if it is a path.
pub(crate) fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|segment| &segment.ident),
        // What `macro_rules!` passed on as `$ty:ty`.
        Type::Group(group) => last_segment(&group.elem),
        _ => None,
    }
}

/// What an `Option` is of, for a type that is written as one.
pub(crate) fn option_of(ty: &Type) -> Option<&Type> {
    let path = match ty {
        Type::Path(path) if path.qself.is_none() => &path.path,
        Type::Group(group) => return option_of(&group.elem),
        _ => return None,
    };
    let last = path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match (arguments.args.first(), arguments.args.len()) {
        (Some(GenericArgument::Type(inner)), 1) => Some(inner),
        _ => None,
    }
}

/// The span of the first token, which stands for the whole.
pub(crate) fn span_of(tokens: impl ToTokens) -> Span {
    let tokens: TokenStream = tokens.to_token_stream();
    tokens.into_iter().next().map_or_else(Span::call_site, |token| token.span())
}

/// `<T as Trait>::item`, which rustc reports at exactly `T`, whose tokens the ends of the path take their spans from.
pub(crate) fn projection(ty: &impl ToTokens, implemented: &TokenStream, item: &str) -> TokenStream {
    let last = ty.to_token_stream().into_iter().last().map_or_else(Span::call_site, |token| token.span());
    let item = Ident::new(item, last);
    let head = quote_spanned!(span_of(ty)=> <#ty as #implemented>);
    quote_spanned!(last=> #head::#item)
}
