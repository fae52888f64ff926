//! The item under `#[subscriber]`: the function that handles events.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, FnArg, ItemFn, ReturnType, Type, spanned::Spanned};

use super::attr::SubscriberAttr;
use crate::ctxt::Ctxt;

/// The number of arguments for which `SubscriberFn` is implemented.
const MOST_ARGUMENTS: usize = 12;

pub(crate) struct Subscriber {
    pub(crate) attr: SubscriberAttr,
    pub(crate) function: ItemFn,
    /// The type of the event, or `()` after a mistake.
    pub(crate) input: Type,
    /// The types of the arguments after the event.
    pub(crate) extractors: Vec<Type>,
    pub(crate) output: Type,
}

impl Subscriber {
    /// Parses the item; `None` if it is not a function.
    pub(crate) fn read(cx: &Ctxt, attr: SubscriberAttr, item: &TokenStream) -> Option<Self> {
        let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
            let message = "a subscriber is an async function; write `async fn`, outside of an `impl` block";
            match item.clone().into_iter().next() {
                // A method: `syn` reads it, but for the receiver.
                Some(first) => cx.push(syn::Error::new(first.span(), message)),
                None => cx.push(syn::Error::new(proc_macro2::Span::call_site(), message)),
            }
            return None;
        };
        let mut types = Vec::new();
        for argument in &function.sig.inputs {
            match argument {
                FnArg::Typed(argument) => types.push(named(cx, &argument.ty)),
                FnArg::Receiver(this) => {
                    cx.error(this, "a subscriber has no `self`; take a `State<S>` instead, outside of an `impl` block");
                    return None;
                }
            }
        }
        check_signature(cx, &function);
        if let Some(argument) = function.sig.inputs.iter().nth(MOST_ARGUMENTS) {
            cx.error(argument, format!("a subscriber takes at most {MOST_ARGUMENTS} arguments; put some into one type that implements `Extractor`"));
        }
        let mut types = types.into_iter();
        let input = types.next();
        if input.is_none() {
            cx.push(syn::Error::new(
                function.sig.paren_token.span.join(),
                format!("a subscriber takes the event it handles; write `{}(event: OrderPlaced)`", function.sig.ident),
            ));
        }
        let output = match &function.sig.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, ty) => named(cx, ty),
        };
        Some(Self {
            attr,
            input: input.unwrap_or_else(|| syn::parse_quote!(())),
            extractors: types.collect(),
            output,
            function,
        })
    }

    /// The attributes that concern the function as a named item. The others concern its body.
    pub(crate) fn outer_attrs(&self) -> impl Iterator<Item = &Attribute> {
        self.function.attrs.iter().filter(|attr| is_outer(attr))
    }

    pub(crate) fn inner_attrs(&self) -> impl Iterator<Item = &Attribute> {
        self.function.attrs.iter().filter(|attr| !is_outer(attr) || attr.path().is_ident("cfg"))
    }

    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.function.attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
    }
}

fn is_outer(attr: &Attribute) -> bool {
    ["doc", "cfg", "deprecated"].iter().any(|name| attr.path().is_ident(name))
}

fn check_signature(cx: &Ctxt, function: &ItemFn) {
    let sig = &function.sig;
    if sig.asyncness.is_none() {
        cx.error(sig.fn_token, format!("a subscriber is an async function; write `async fn {}`", sig.ident));
    }
    if !sig.generics.params.is_empty() {
        cx.error(&sig.generics, "a subscriber has no generics; write the types it is used with");
    }
    if let Some(abi) = &sig.abi {
        cx.error(abi, "a subscriber is an ordinary function; remove this");
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        cx.error(token, "a subscriber is a safe function; use `unsafe { … }` in its body");
    }
}

/// The type of an argument or of the return value, which must be owned and have a name.
fn named(cx: &Ctxt, ty: &Type) -> Type {
    if let Type::ImplTrait(anonymous) = ty {
        cx.error(anonymous, "the registry lists what a subscriber takes and returns; name the type");
        return syn::parse_quote!(());
    }
    if let Type::Reference(reference) = ty {
        cx.error(reference, format!("a subscriber owns its arguments; write `{}`", owned(&reference.elem)));
        return (*reference.elem).clone();
    }
    ty.clone()
}

fn owned(ty: &Type) -> String {
    // As the user typed it, where the compiler still knows.
    ty.span().source_text().unwrap_or_else(|| quote!(#ty).to_string())
}
