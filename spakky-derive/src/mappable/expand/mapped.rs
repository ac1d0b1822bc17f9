//! `mapped()`: which columns come from the domain type.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::mappable::model::{Conversion, Field, Mappable, Place, Source};
use crate::syntax::input::{projection, span_of};
use crate::table::model::Stamp;

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
    let merges = merges(mappable);
    quote! {
        fn mapped() -> &'static [__p::bool] {
            #body
        }
        #children
        #merges
    }
}

/// Whether a save has to look at the row that it is compared with, and how rows are then told apart.
fn merges(mappable: &Mappable) -> TokenStream {
    let mut children = Vec::new();
    for field in &mappable.fields {
        match (&field.source, &field.place) {
            (Source::Mapped { by: Conversion::Nested, .. }, Place::Rows) => {
                let nested = projection(&field.ty, &quote!(__p::NestedRow), "FNS");
                children.push(quote_spanned!(span_of(&field.ty)=> (#nested.merges_fields)()));
            }
            // Parts of the field may stay as they are; a tenant is held against the one that the row has.
            (Source::Mapped { by: Conversion::Nested, .. }, _)
            | (Source::RowOnly { new: Some(_), .. }, Place::Stamp(_, Stamp::Tenant)) => return is_same_row(mappable),
            _ => {}
        }
    }
    let merged = if children.is_empty() { quote!(false) } else { quote!(#(#children)||*) };
    let is_same_row = (!children.is_empty()).then(|| is_same_row(mappable));
    quote! {
        fn merges_fields() -> __p::bool {
            #merged
        }
        #is_same_row
    }
}

/// By their ids. Values inside a row have none.
fn is_same_row(mappable: &Mappable) -> TokenStream {
    let ids = mappable.fields.iter().filter(|field| matches!(field.place, Place::Id(_)));
    let same: Vec<_> =
        ids.map(|Field { ident, ty, .. }| quote!(__p::same_id::<#ty>(&self.#ident, &__other.#ident))).collect();
    if same.is_empty() {
        return TokenStream::new();
    }
    quote! {
        fn is_same_row(&self, __other: &Self) -> __p::Option<__p::bool> {
            __p::Option::Some(#(#same)&&*)
        }
    }
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
