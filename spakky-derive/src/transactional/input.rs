//! The function under the attribute.
//!
//! The body is kept as tokens, so that a half-typed one still expands and the mistakes in it are the compiler's to report.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{
    Attribute, Block, Expr, ExprAsync, ExprCall, GenericArgument, Pat, PathArguments, ReturnType, Signature, Stmt,
    Token, Type, TypeParamBound, Visibility, braced, token,
};

/// A function whose body may not be valid Rust yet.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `None` for a trait's method without a default.
    pub(crate) body: Option<Body>,
}

/// What stands between the braces.
pub(crate) struct Body {
    pub(crate) brace: token::Brace,
    pub(crate) inner_attrs: Vec<Attribute>,
    pub(crate) tokens: TokenStream,
}

/// How the function is asynchronous.
pub(crate) enum Shape {
    /// `async fn`.
    Async,
    /// A function that ends in `Box::pin(async move { … })`, as `#[async_trait]` writes it.
    Boxed(Box<Boxed>),
}

/// The parts of a function that ends in `Box::pin(async move { … })`.
pub(crate) struct Boxed {
    /// What stands before the last expression.
    pub(crate) statements: Vec<Stmt>,
    /// `Box::pin(..)`.
    pub(crate) call: ExprCall,
    /// The block in it.
    pub(crate) future: ExprAsync,
    /// What the future gives.
    pub(crate) output: Type,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
            return Ok(Function { attrs, vis, sig, body: None });
        }
        let content;
        let brace = braced!(content in input);
        let inner_attrs = content.call(Attribute::parse_inner)?;
        let tokens = content.parse()?;
        Ok(Function { attrs, vis, sig, body: Some(Body { brace, inner_attrs, tokens }) })
    }
}

impl Function {
    /// The arguments other than `self`.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &syn::PatType> {
        self.sig.inputs.iter().filter_map(|argument| match argument {
            syn::FnArg::Typed(argument) => Some(argument),
            syn::FnArg::Receiver(_) => None,
        })
    }

    /// The name of an argument whose type is called `name`.
    pub(crate) fn argument_of_type(&self, name: &str) -> Option<&syn::Ident> {
        self.patterns().find_map(|argument| {
            let Pat::Ident(pattern) = &*argument.pat else { return None };
            let ty = match &*argument.ty {
                Type::Reference(reference) => &*reference.elem,
                ty => ty,
            };
            let is_it = crate::syntax::input::last_segment(ty).is_some_and(|segment| segment == name);
            is_it.then_some(&pattern.ident)
        })
    }

    /// How the function is asynchronous, if it is.
    pub(crate) fn shape(&self) -> Option<Shape> {
        if self.sig.asyncness.is_some() {
            return Some(Shape::Async);
        }
        let ReturnType::Type(_, returned) = &self.sig.output else { return None };
        let output = future_output(returned)?.clone();
        let body = self.body.as_ref()?.tokens.clone();
        let mut statements = Block::parse_within.parse2(body).ok()?;
        let Some(Stmt::Expr(Expr::Call(call), None)) = statements.pop() else { return None };
        let Expr::Path(function) = &*call.func else { return None };
        if function.path.segments.last()?.ident != "pin" || call.args.len() != 1 {
            return None;
        }
        let Some(Expr::Async(future)) = call.args.first() else { return None };
        let future = future.clone();
        Some(Shape::Boxed(Box::new(Boxed { statements, call, future, output })))
    }
}

/// The mistake of putting the attribute on something else than a function.
pub(crate) fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    let item: syn::Item = syn::parse2(item.clone()).ok()?;
    let (tokens, hint) = match &item {
        syn::Item::Fn(_) => return None,
        syn::Item::Impl(item) => (item.impl_token.into_token_stream(), "put it on each method"),
        syn::Item::Trait(item) => {
            (item.trait_token.into_token_stream(), "put it on the methods of its implementations")
        }
        item => (item.into_token_stream(), "remove it here"),
    };
    Some(syn::Error::new_spanned(tokens, format!("`#[transactional]` belongs on an `async fn`; {hint}")))
}

/// `T` of `Pin<Box<dyn Future<Output = T>>>`.
fn future_output(ty: &Type) -> Option<&Type> {
    let boxed = only_type_argument(ty, "Pin")?;
    let Type::TraitObject(object) = only_type_argument(boxed, "Box")? else { return None };
    object.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let segment = bound.path.segments.last().filter(|segment| segment.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(&assoc.ty),
            _ => None,
        })
    })
}

/// `T` of `name<T>`, whatever path leads to `name`.
fn only_type_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) => Some(ty),
        _ => None,
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { attrs, vis, sig, body } = self;
        for attribute in attrs {
            attribute.to_tokens(tokens);
        }
        vis.to_tokens(tokens);
        sig.to_tokens(tokens);
        match body {
            None => token::Semi::default().to_tokens(tokens),
            Some(Body { brace, inner_attrs, tokens: body }) => brace.surround(tokens, |tokens| {
                for attribute in inner_attrs {
                    attribute.to_tokens(tokens);
                }
                body.to_tokens(tokens);
            }),
        }
    }
}
