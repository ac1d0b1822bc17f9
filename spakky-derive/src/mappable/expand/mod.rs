//! `impl Mappable`. Nothing here can fail.

mod domain;
mod itself;
mod mapped;

use proc_macro2::TokenStream;
use quote::quote;

use super::model::{Build, Domain, Mappable, Registered};

/// ```text
/// type __Domain = …;                                                     // Order, if it has the fields
/// impl Mappable for OrderRow {
///     type Domain = Order;
///     fn mapped() -> &'static [bool] { … }
///     fn merge(domain: &Order, base: Option<&Self>) -> Self { … }
///     fn to_domain(self) -> Result<Order, MappingError> { … }
///     fn revision(domain: &Order) -> Option<Revision> { … }              // where the domain holds the version
///     fn set_revision(domain: &mut Order, revision: Revision) { … }
/// }
/// inventory::submit! { … }
/// ```
pub(crate) fn expand(mappable: &Mappable) -> TokenStream {
    let private = mappable.krate.private();
    let ident = &mappable.ident;
    let mapped = mapped::expand(mappable);
    let body = match &mappable.domain {
        Domain::Itself => itself::expand(mappable),
        Domain::Other { ty, access, build } => domain::expand(mappable, ty, *access, build),
        Domain::Missing => TokenStream::new(),
    };
    let checked = match &mappable.domain {
        Domain::Other { ty, build: Build::Literal, .. } => domain::checked(mappable, ty),
        Domain::Itself | Domain::Other { .. } | Domain::Missing => TokenStream::new(),
    };
    let entry = match mappable.registered {
        Registered::No => TokenStream::new(),
        Registered::Yes => quote!(__p::inventory::submit! { __p::MappingEntry::of::<#ident>(false) }),
        Registered::Primary => quote!(__p::inventory::submit! { __p::MappingEntry::of::<#ident>(true) }),
    };
    quote! {
        const _: () = {
            use #private as __p;
            #checked
            #[automatically_derived]
            impl __p::Mappable for #ident {
                #mapped
                #body
            }
            #entry
        };
    }
}
