//! Implementations after a mistake, which let the rest of the program compile, so that one mistake gives one message.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Data;

use super::{ast::Event, expand::this, failure};

pub(crate) fn expand(event: &Event<'_>, errors: &TokenStream) -> TokenStream {
    let facade = &event.attr.facade;
    let name = event.name();
    let attr = &event.attr;
    let unsaid = attr.concrete.is_none() && event.is_generic();
    if unsaid || matches!(event.original.data, Data::Union(_)) {
        // Which type is the event was not said, or none can be.
        return errors.clone();
    }
    let this = this(event);
    let command = attr.command.as_ref().map(|_| {
        quote! {
            impl __bb::CommandEvent for #this {
                type Reply = ();
            }
        }
    });
    let failure = attr.failure.as_ref().map(|_| {
        let handler_failure = failure::handler_failure(&this);
        quote! {
            impl __bb::FailureEvent for #this {
                fn error_message(&self) -> &str {
                    ""
                }
                fn is_retryable(&self) -> bool {
                    false
                }
                fn retry_count(&self) -> u32 {
                    0
                }
                fn set_retry_count(&mut self, _: u32) {}
            }
            #handler_failure
        }
    });
    quote! {
        #errors
        const _: () = {
            use #facade::__private as __bb;
            impl __bb::Event for #this {
                const DECLARATION: __bb::Declaration =
                    __bb::Declaration::new("", "", #name, __bb::here!());
            }
            #command
            #failure
        };
    }
}
