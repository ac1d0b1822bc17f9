//! Names.

use syn::Ident;
use syn::ext::IdentExt;

/// The name without `r#`, as it is used in the database.
pub(crate) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}
