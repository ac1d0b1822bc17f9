//! `domain = Self`: the row is the domain type.

use proc_macro2::TokenStream;
use quote::quote;

use crate::mappable::model::{Mappable, Place};

pub(super) fn expand(mappable: &Mappable) -> TokenStream {
    let version = mappable.fields.iter().find(|field| matches!(field.place, Place::Version(_))).map(|field| {
        let (ident, ty) = (&field.ident, &field.ty);
        quote! {
            fn revision(__domain: &Self) -> __p::Option<__p::Revision> {
                __p::Option::Some(<#ty as __p::VersionColumn>::to_revision(&__domain.#ident))
            }
            fn set_revision(__domain: &mut Self, __revision: __p::Revision) {
                __domain.#ident = <#ty as __p::VersionColumn>::from_revision(&__revision);
            }
        }
    });
    quote! {
        type Domain = Self;
        fn merge(__domain: &Self, _: __p::Option<&Self>) -> Self {
            __p::Clone::clone(__domain)
        }
        fn to_domain(self) -> __p::Result<Self, __p::MappingError> {
            __p::Result::Ok(self)
        }
        #version
    }
}
