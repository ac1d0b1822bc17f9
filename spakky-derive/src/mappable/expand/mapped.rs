//! `mapped()`: which columns come from the domain type.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::mappable::model::{Conversion, Field, Mappable, Place, Source};
use crate::syntax::input::{projection, span_of};

/// A constant slice; with a flattened struct, whose columns are not known here, one made at first use.
pub(super) fn expand(mappable: &Mappable) -> TokenStream {
    let has_groups = mappable.fields.iter().any(|field| matches!(field.place, Place::Group { .. }));
    let body = if has_groups {
        let specs = mappable.fields.iter().filter_map(spec);
        quote! {
            static __MAPPED: __p::MappedCell = __p::MappedCell::new(&[#(#specs),*]);
            __MAPPED.get()
        }
    } else {
        let is_column = |field: &&Field| !matches!(field.place, Place::Nowhere | Place::Rows);
        let flags = mappable.fields.iter().filter(is_column).map(is_mapped);
        quote!(&[#(#flags),*])
    };
    let children = children(mappable);
    let merges = (!mappable.fields.iter().any(merges)).then(|| {
        quote!(
            const MERGES_FIELDS: __p::bool = false;
        )
    });
    quote! {
        fn mapped() -> &'static [__p::bool] {
            #body
        }
        #children
        #merges
    }
}

/// Whether parts of the field may stay as they are.
fn merges(field: &Field) -> bool {
    let is_nested = matches!(field.source, Source::Mapped { by: Conversion::Nested, .. });
    // Rows of their own are told apart by their keys.
    is_nested && !matches!(field.place, Place::Rows)
}

/// What the domain type gives of the children, for each relation.
fn children(mappable: &Mappable) -> Option<TokenStream> {
    let relations: Vec<_> =
        mappable.fields.iter().filter(|field| matches!(field.place, Place::Rows)).map(child).collect();
    (!relations.is_empty()).then(|| {
        quote! {
            fn mapped_children() -> &'static [__p::Option<fn() -> __p::Mapping>] {
                &[#(#relations),*]
            }
        }
    })
}

fn child(field: &Field) -> TokenStream {
    match &field.source {
        Source::RowOnly { .. } | Source::Parent => quote!(__p::Option::None),
        Source::Mapped { by: Conversion::Nested, .. } => {
            let nested = projection(&field.ty, &quote!(__p::NestedRow), "FNS");
            quote_spanned!(span_of(&field.ty)=> __p::Option::Some(#nested.mapping))
        }
        Source::Mapped { .. } => quote!(__p::Option::Some(|| __p::Mapping::WHOLE)),
    }
}

/// Role columns are the runtime's, whether or not the domain type has a field for them.
fn is_mapped(field: &Field) -> bool {
    match field.place {
        Place::Version(_) | Place::Stamp(..) | Place::Nowhere | Place::Rows => false,
        Place::Column(_) | Place::Id(_) | Place::Group { .. } => matches!(field.source, Source::Mapped { .. }),
    }
}

fn spec(field: &Field) -> Option<TokenStream> {
    let ty = &field.ty;
    let mapped = is_mapped(field);
    Some(match (&field.place, &field.source) {
        (Place::Nowhere | Place::Rows, _) => return None,
        (Place::Group { .. }, Source::Mapped { by: Conversion::Nested, .. }) => {
            quote!(__p::MappedSpec::Nested(<#ty as __p::Mappable>::mapped))
        }
        (Place::Group { .. }, _) => quote!(__p::MappedSpec::Group(<#ty as __p::Columns>::describe, #mapped)),
        (Place::Column(_) | Place::Id(_) | Place::Version(_) | Place::Stamp(..), _) => {
            quote!(__p::MappedSpec::Column(#mapped))
        }
    })
}
