//! The test, or one for each backend. Nothing here can fail.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, ItemFn, ReturnType};

use super::args::{Flavor, TestArgs};
use crate::attr::CratePath;
use crate::keys::BackendKey;
use crate::syntax::ident::plain;

/// For both backends, where `name` is the user's function as it stands:
///
/// ```text
/// #[cfg(test)]
/// async fn name(sessions: SessionManager) { … }
///
/// #[cfg(test)]
/// mod name {
///     if_sqlite!(items #[test] fn sqlite() { super::__spakky_test_name(Backend::Sqlite) });
///     if_postgres!(items #[test] fn postgres() { super::__spakky_test_name(Backend::Postgres) });
/// }
///
/// #[cfg(test)]
/// fn __spakky_test_name(backend: Backend) {
///     run(Setup::new(backend).schema(…), |context| name(TestArgument::of(context)))
/// }
/// ```
///
/// For one backend, a test of that name with the function in it.
pub(crate) fn expand(mut function: ItemFn, args: &TestArgs) -> TokenStream {
    let private = CratePath::given(args.krate.as_ref()).private();
    let testing = quote!(#private::testing);
    let name = function.sig.ident.clone();
    let output = function.sig.output.clone();
    let of_tests: Vec<Attribute> = function.attrs.extract_if(.., |attribute| is_of_test(attribute)).collect();
    let conditions: Vec<&Attribute> = function.attrs.iter().filter(|attribute| is_condition(attribute)).collect();
    let arguments = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => {
            let ty = &input.ty;
            Some(quote_spanned!(ty.span()=> <#ty as #testing::TestArgument>::of(__context)))
        }
        FnArg::Receiver(_) => None,
    });
    let arguments: Vec<_> = arguments.collect();
    let options = expand_options(args, &private);
    let run = |backend: TokenStream| quote!(#testing::run(#testing::Setup::new(#backend) #options, |__context| #name(#(#arguments),*)));
    if let Some(backend) = &args.backend {
        let run = run(match backend.value {
            BackendKey::Sqlite => quote!(#testing::Backend::Sqlite),
            BackendKey::Postgres => quote!(#testing::Backend::Postgres),
        });
        let conditions = conditions.into_iter().cloned().collect::<Vec<_>>();
        function.attrs.retain(|attribute| !is_condition(attribute));
        return quote! {
            #(#conditions)*
            #[::core::prelude::v1::test]
            #(#of_tests)*
            fn #name() #output {
                #function
                #run
            }
        };
    }
    // The type itself may have no name in the module.
    let returned = match &output {
        ReturnType::Default => TokenStream::new(),
        ReturnType::Type(..) => quote!(-> impl ::std::process::Termination),
    };
    let runner = format_ident!("__spakky_test_{}", plain(&name));
    let run = run(quote!(__backend));
    quote! {
        #[cfg(test)]
        #function

        #(#conditions)*
        #[cfg(test)]
        mod #name {
            #private::native::if_sqlite!(items
                #[::core::prelude::v1::test]
                #(#of_tests)*
                fn sqlite() #returned {
                    super::#runner(#testing::Backend::Sqlite)
                }
            );
            #private::native::if_postgres!(items
                #[::core::prelude::v1::test]
                #(#of_tests)*
                fn postgres() #returned {
                    super::#runner(#testing::Backend::Postgres)
                }
            );
        }

        #(#conditions)*
        #[cfg(test)]
        fn #runner(__backend: #testing::Backend) #output {
            #run
        }
    }
}

fn expand_options(args: &TestArgs, private: &TokenStream) -> TokenStream {
    let mut options = TokenStream::new();
    if args.flavor.as_ref().is_some_and(|flavor| flavor.value == Flavor::MultiThread) {
        let workers = args.worker_threads.as_ref().map_or(0, |workers| workers.value);
        options.extend(quote!(.workers(#workers)));
    }
    if args.rollback.is_some() {
        options.extend(quote!(.rollback()));
    }
    if let Some(schema) = &args.schema {
        let tables =
            schema.value.iter().map(|row| quote_spanned!(row.span()=> <#row as #private::Table>::descriptor()));
        options.extend(quote!(.schema(#private::testing::SchemaRegistry::of([#(#tables),*]))));
    }
    options
}

/// What the test harness reads.
fn is_of_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("ignore") || attribute.path().is_ident("should_panic")
}

/// What everything depends on that stands for the function.
fn is_condition(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
}
