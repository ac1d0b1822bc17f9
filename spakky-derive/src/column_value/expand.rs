//! `impl ColumnValue` and `impl ArrayElement`. Nothing here can fail.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{DeriveInput, Ident};

use super::model::{ColumnValue, Enum, Kind, Native, Newtype, NumberVariant, Other, Stored, TextVariant};
use crate::attr::CratePath;
use crate::keys::ReprKey;
use crate::syntax::ident::plain;
use crate::syntax::input::projection;

/// The items of one impl.
struct Body {
    ty: TokenStream,
    to_value: TokenStream,
    from_value: TokenStream,
}

/// ```text
/// impl ColumnValue for OrderStatus {
///     const TYPE: ColumnType = …;
///     fn to_value(&self) -> Result<Value, ValueError> { … }
///     fn from_value(value: Value) -> Result<Self, ValueError> { … }
/// }
/// impl ArrayElement for OrderStatus {}
/// impl Identity for CustomerId where Uuid: Identity { … }       // a newtype
/// ```
pub(crate) fn expand(input: &DeriveInput, value: &ColumnValue, krate: &CratePath) -> TokenStream {
    let private = krate.private();
    let ident = &input.ident;
    let Body { mut ty, to_value, from_value } = match &value.kind {
        Kind::Newtype(newtype) => expand_newtype(newtype),
        Kind::Native(native) => expand_native(&native.newtype),
        Kind::Text(made) => expand_text(ident, made),
        Kind::Number(repr, made) => expand_number(ident, *repr, made),
    };
    if let Some(name) = &value.pg_type {
        ty.extend(match &value.kind {
            Kind::Text(made) => {
                let labels = made.variants.iter().map(|variant| &variant.text);
                quote!(.with_pg_enum(#name, &[#(#labels),*]))
            }
            Kind::Newtype(_) | Kind::Native(_) | Kind::Number(..) => quote!(.with_pg_type(#name)),
        });
    }
    let (generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let predicates = where_clause.map(|clause| &clause.predicates).into_iter().flatten();
    let predicates = quote!(#(#predicates,)*);
    let (bound, element_bound) = match &value.kind {
        Kind::Newtype(Newtype { ty, .. }) if input.generics.params.is_empty() => {
            // The binder lets a bound that does not hold be written; the impl is then there for nobody.
            (TokenStream::new(), quote!(for<'__a> #ty: __p::ArrayElement))
        }
        Kind::Newtype(Newtype { ty, .. }) => (quote!(#ty: __p::ColumnValue,), quote!(#ty: __p::ArrayElement)),
        Kind::Native(..) | Kind::Text(_) | Kind::Number(..) => (TokenStream::new(), TokenStream::new()),
    };
    let identity = match &value.kind {
        Kind::Newtype(newtype) => {
            let for_all = input.generics.params.is_empty().then(|| quote!(for<'__a>));
            let Newtype { member, ty, markers } = newtype;
            quote! {
                #[automatically_derived]
                impl #generics __p::Identity for #ident #ty_generics where #predicates #for_all #ty: __p::Identity {
                    fn blank() -> Self {
                        Self { #member: <#ty as __p::Identity>::blank(), #(#markers: __p::PhantomData),* }
                    }
                }
            }
        }
        Kind::Native(..) | Kind::Text(_) | Kind::Number(..) => TokenStream::new(),
    };
    let native = match &value.kind {
        Kind::Native(native) => expand_codecs(ident, native),
        Kind::Newtype(_) | Kind::Text(_) | Kind::Number(..) => TokenStream::new(),
    };
    let diesel = value.diesel.then(|| expand_diesel(ident, value));
    quote! {
        const _: () = {
            use #private as __p;
            #native
            #[automatically_derived]
            impl #generics __p::ColumnValue for #ident #ty_generics where #predicates #bound {
                const TYPE: __p::ColumnType = #ty;
                fn to_value(&self) -> __p::Result<__p::Value, __p::ValueError> {
                    #to_value
                }
                fn from_value(__value: __p::Value) -> __p::Result<Self, __p::ValueError> {
                    #from_value
                }
            }
            #[automatically_derived]
            impl #generics __p::ArrayElement for #ident #ty_generics where #predicates #element_bound {}
            #identity
            #diesel
        };
    }
}

/// `__p::bridge::column!(OrderId as <Uuid as __p::bridge::DieselColumn>::SqlType);`
fn expand_diesel(ident: &Ident, value: &ColumnValue) -> TokenStream {
    let sql_type = match &value.kind {
        _ if value.pg_type.is_some() => quote!(native),
        Kind::Newtype(Newtype { ty, .. }) => projection(ty, &quote!(__p::bridge::DieselColumn), "SqlType"),
        Kind::Native(native) => native.sql_type.to_token_stream(),
        Kind::Text(_) => quote!(<__p::String as __p::bridge::DieselColumn>::SqlType),
        Kind::Number(repr, _) => {
            let number = format_ident!("{}", repr.name());
            quote!(<__p::#number as __p::bridge::DieselColumn>::SqlType)
        }
    };
    quote!(__p::bridge::column!(#ident as #sql_type);)
}

fn expand_newtype(newtype: &Newtype) -> Body {
    let Newtype { member, ty, markers } = newtype;
    let value = quote!(<#ty as __p::ColumnValue>);
    Body {
        ty: quote!(#value::TYPE),
        to_value: quote!(#value::to_value(&self.#member)),
        from_value: quote! {
            __p::Result::Ok(Self { #member: #value::from_value(__value)?, #(#markers: __p::PhantomData),* })
        },
    }
}

fn expand_native(newtype: &Newtype) -> Body {
    let Newtype { member, markers, .. } = newtype;
    Body {
        ty: quote!(__p::ColumnType::native(&__NATIVE)),
        to_value: quote!(__p::native::to_native::<Self>(&self.#member)),
        from_value: quote! {
            __p::Result::Ok(Self {
                #member: __p::native::from_native::<Self>(__value)?,
                #(#markers: __p::PhantomData),*
            })
        },
    }
}

/// ```text
/// static __NATIVE: NativeType = NativeType::of::<Address>();
/// impl NativeColumn for Address {
///     const NAME: &'static str = "Address";
///     type Stored = IpNetwork;
///     fn codecs() -> Codecs<IpNetwork> {
///         Codecs { postgres: …, sqlite: … }      // as the runtime was compiled, and as diesel has the type
///     }
/// }
/// ```
fn expand_codecs(ident: &Ident, Native { newtype, sql_type }: &Native) -> TokenStream {
    let name = plain(ident);
    let ty = &newtype.ty;
    quote! {
        type __Stored = #ty;
        type __SqlType = #sql_type;
        static __NATIVE: __p::native::NativeType = __p::native::NativeType::of::<#ident>();
        #[automatically_derived]
        impl __p::native::NativeColumn for #ident {
            const NAME: &'static __p::str = #name;
            type Stored = __Stored;
            fn codecs() -> __p::native::Codecs<__Stored> {
                __p::native::Codecs {
                    postgres: __p::native::if_postgres!({
                        use __p::native::postgres::*;
                        (&__p::native::Probe::<__SqlType, __Stored>::ASK).codec()
                    } else {
                        __p::Option::None
                    }),
                    sqlite: __p::native::if_sqlite!({
                        use __p::native::sqlite::*;
                        (&__p::native::Probe::<__SqlType, __Stored>::ASK).codec()
                    } else {
                        __p::Option::None
                    }),
                }
            }
        }
    }
}

fn expand_text(ident: &Ident, made: &Enum<TextVariant>) -> Body {
    let name = plain(ident);
    let to = made.variants.iter().map(|TextVariant { ident, text, .. }| quote!(Self::#ident => #text));
    let from = made.variants.iter().map(|TextVariant { ident, text, .. }| quote!(#text => Self::#ident));
    let (other_to, other_from) = match made.other.first() {
        Some(other) => {
            let texts = made.variants.iter().map(|variant| &variant.text);
            expand_other(other, &quote!(__p::String), &quote!(__p::other_text), &quote!(#name, &[#(#texts),*]))
        }
        None => (TokenStream::new(), quote!(_ => return __p::unknown_text(#name, &__stored))),
    };
    Body {
        ty: quote!(__p::ColumnType::scalar(__p::ScalarType::Text)),
        to_value: quote!(__p::text(match self { #(#to,)* #other_to })),
        from_value: quote! {
            let __stored = __p::read_text(__value)?;
            __p::Result::Ok(match __p::String::as_str(&__stored) { #(#from,)* #other_from })
        },
    }
}

fn expand_number(ident: &Ident, repr: ReprKey, made: &Enum<NumberVariant>) -> Body {
    let name = plain(ident);
    let (number, scalar) = match repr {
        ReprKey::I16 => (quote!(__p::i16), quote!(I16)),
        ReprKey::I32 => (quote!(__p::i32), quote!(I32)),
        ReprKey::I64 => (quote!(__p::i64), quote!(I64)),
    };
    let constants = constants(&number, &made.variants);
    let names: Vec<_> = (0..made.variants.len()).map(constant).collect();
    let variants: Vec<_> = made.variants.iter().map(|variant| &variant.ident).collect();
    let (other_to, other_from) = match made.other.first() {
        Some(other) => expand_other(other, &number, &quote!(__p::other_number), &quote!(#name, &[#(#names),*])),
        None => (TokenStream::new(), quote!(_ => return __p::unknown_number(#name, __stored))),
    };
    Body {
        ty: quote!(__p::ColumnType::scalar(__p::ScalarType::#scalar)),
        to_value: quote! {
            #constants
            <#number as __p::ColumnValue>::to_value(match self { #(Self::#variants => &#names,)* #other_to })
        },
        from_value: quote! {
            #constants
            let __stored = <#number as __p::ColumnValue>::from_value(__value)?;
            __p::Result::Ok(match __stored { #(#names => Self::#variants,)* #other_from })
        },
    }
}

fn constant(position: usize) -> Ident {
    format_ident!("__V{position}")
}

/// The number of each variant, counted as Rust does: `const __V1: i16 = __V0 + 1;`.
fn constants(number: &TokenStream, variants: &[NumberVariant]) -> TokenStream {
    let constants = variants.iter().enumerate().map(|(position, variant)| {
        let name = constant(position);
        let value = match (&variant.number, position.checked_sub(1)) {
            (Stored::Given(given), _) => {
                let value = proc_macro2::Literal::i64_unsuffixed(given.value);
                quote!(#value)
            }
            (Stored::Discriminant(expression), _) => quote!(#expression),
            (Stored::Next, Some(before)) => {
                let before = constant(before);
                quote!(#before + 1)
            }
            (Stored::Next, None) => quote!(0),
        };
        quote!(const #name: #number = #value;)
    });
    quote!(#(#constants)*)
}

/// The arms of the catch-all variant, which `checked` keeps from what other variants are stored as.
fn expand_other(
    other: &Other,
    stored: &TokenStream,
    checked: &TokenStream,
    known: &TokenStream,
) -> (TokenStream, TokenStream) {
    let Other { ident, member, ty, .. } = other;
    let kept = quote!(<#ty as __p::CatchAll<#stored>>);
    (
        quote!(Self::#ident { #member: __other } => #checked(#known, #kept::stored(__other))?),
        quote!(_ => Self::#ident { #member: #kept::from_stored(__stored) }),
    )
}
