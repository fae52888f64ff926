//! Generation of the code for a set without mistakes.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::ast::EventSet;
use crate::spans::call_site_at;

pub(crate) fn expand(set: &EventSet<'_>) -> TokenStream {
    let facade = &set.facade;
    let this = &set.original.ident;
    let types = set.events.iter().map(|(_, ty)| ty);
    let distinct = (1..=set.events.len()).map(|end| distinct(set, end));
    let events = set.events.iter().map(|(variant, ty)| {
        quote! {
            if let __bb::Option::Some(event) = <#ty as __bb::Variant>::read(&raw)? {
                return __bb::Result::Ok(__bb::with_payload(&raw, Self::#variant(event)));
            }
        }
    });
    let rest = match set.other {
        Some((variant, ty)) => quote! {
            let __other = __bb::read_other::<#ty>(&raw)?;
            __bb::Result::Ok(__bb::with_payload(&raw, Self::#variant(__other)))
        },
        None => quote! {
            __bb::Result::Err(__bb::unexpected(&raw, <Self as __bb::Payload>::DECLARATIONS))
        },
    };
    quote! {
        const _: () = {
            use #facade::__private as __bb;
            impl __bb::Payload for #this {
                const DECLARATIONS: &'static [&'static __bb::Declaration] =
                    &[#(<#types as __bb::Variant>::DECLARATION),*];
                fn decode(body: &[u8]) -> __bb::Result<__bb::EventEnvelope<Self>, __bb::Error> {
                    let raw = __bb::read_raw(body)?;
                    #(#events)*
                    #rest
                }
            }
            #(#distinct)*
        };
    }
}

/// Generates the check that the last of the first `end` events shares its key with none before it.
fn distinct(set: &EventSet<'_>, end: usize) -> Option<TokenStream> {
    let events = set.events.get(..end)?;
    let (_, last) = events.last().filter(|_| end > 1)?;
    let this = &set.original.ident;
    let check = quote_spanned! {call_site_at(last)=>
        __bb::check_variant(<#this as __bb::Payload>::DECLARATIONS.split_at(#end).0)
    };
    Some(quote!(const _: () = #check;))
}
