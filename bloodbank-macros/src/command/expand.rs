//! Generation of the executor and of its entry in the registry.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, PathArguments, Type, parse_quote_spanned, spanned::Spanned};

use super::ast::Command;
use crate::{guard, spans::call_site_at};

/// Generates the implementation with a type of the user's crate as the argument of the trait: without that type, only the crate
/// that declares a command could implement the trait for it.
pub(crate) fn expand(command: &Command, clean: bool, errors: &TokenStream) -> TokenStream {
    let facade = &command.attr.facade;
    let this = &command.original.self_ty;
    let at = call_site_at(command.trait_span());
    let executor = quote_spanned!(at=> __Executor);
    let mut implementation = command.original.clone();
    if let Some((path, _)) = &mut implementation.trait_
        && let Some(last) = path.segments.last_mut()
        && matches!(last.arguments, PathArguments::None)
    {
        last.arguments = PathArguments::AngleBracketed(parse_quote_spanned!(at=> <#executor>));
    }
    let cfgs = command.original.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    let here = quote_spanned!(this.span()=> __bb::here!());
    let options = command.attr.handling.expand();
    let guard = named(this).map(|name| guard::one_executor(&this.to_token_stream(), name));
    let descriptor = clean.then(|| {
        let transaction = command
            .attr
            .transaction
            .as_ref()
            .map(|transaction| quote_spanned!(call_site_at(transaction)=> .in_transaction::<#transaction>()));
        let of = quote_spanned!(call_site_at(this)=> __bb::Executor::of::<#this, #executor>);
        quote! {
            const _: () = {
                use #facade::__private as __bb;
                const __EXECUTOR: __bb::Executor = #of(#here, #options) #transaction;
                __bb::inventory::submit! { *__EXECUTOR.descriptor() }
                __bb::inventory::submit! { __EXECUTOR }
                #guard
            };
        }
    });
    let implementation = implementation.into_token_stream();
    quote! {
        #errors
        #(#cfgs)*
        const _: () = {
            enum __Executor {}
            #implementation
            #descriptor
        };
    }
}

/// The last segment of a type's path.
fn named(this: &Type) -> Option<&Ident> {
    match this {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}
