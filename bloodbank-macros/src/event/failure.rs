//! The option `failure` of `#[event(…)]`: its required fields, and `FailureEvent`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, Type, spanned::Spanned};

use super::ast::Event;
use crate::{ctxt::Ctxt, spans::call_site_at};

const REQUIRED: [(&str, &str); 3] = [("error_message", "String"), ("is_retryable", "bool"), ("retry_count", "u32")];

pub(super) fn check(cx: &Ctxt, event: &Event<'_>, flag: &Ident) {
    let missing: Vec<_> = REQUIRED
        .iter()
        .filter(|(field, _)| event.field(field).is_none())
        .map(|(field, ty)| format!("`{field}: {ty}`"))
        .collect();
    if !missing.is_empty() {
        let name = event.name();
        cx.error(flag, format!("a failure event says more than `{name}` does; add {}", missing.join(", ")));
    }
}

/// Generates `FailureEvent`, and `HandlerFailure`, with which a subscriber can return the event as `Err`.
pub(super) fn expand(event: &Event<'_>, this: &TokenStream) -> TokenStream {
    let read = |field: &str, of: &str| read(event, field, of).unwrap_or_default();
    let error_message = read("error_message", "ErrorMessage");
    let is_retryable = read("is_retryable", "IsRetryable");
    let retry_count = read("retry_count", "RetryCount");
    let set_retry_count = call(event, "retry_count", "RetryCount", "set").unwrap_or_default();
    let error_code = self::read(event, "error_code", "ErrorCode").map(|get| {
        quote! {
            fn error_code(&self) -> __bb::Option<&str> {
                #get(&self.error_code)
            }
        }
    });
    let handler_failure = handler_failure(this);
    quote! {
        impl __bb::FailureEvent for #this {
            fn error_message(&self) -> &str {
                #error_message(&self.error_message)
            }
            #error_code
            fn is_retryable(&self) -> bool {
                #is_retryable(&self.is_retryable)
            }
            fn retry_count(&self) -> u32 {
                #retry_count(&self.retry_count)
            }
            fn set_retry_count(&mut self, retry_count: u32) {
                #set_retry_count(&mut self.retry_count, retry_count);
            }
        }
        #handler_failure
    }
}

pub(super) fn handler_failure(this: &TokenStream) -> TokenStream {
    quote! {
        impl __bb::HandlerFailure for #this {
            fn into_handler_error(self, attempt: u32) -> __bb::HandlerError {
                __bb::failure(self, attempt)
            }
            fn declarations(list: &mut __bb::Vec<&'static __bb::Declaration>) {
                list.push(const { &<Self as __bb::Event>::DECLARATION });
            }
        }
    }
}

fn read(event: &Event<'_>, field: &str, of: &str) -> Option<TokenStream> {
    call(event, field, of, "get")
}

/// The path of a method such as `<u32 as RetryCount>::get`, so that a field of another type is reported at that type.
fn call(event: &Event<'_>, field: &str, of: &str, method: &str) -> Option<TokenStream> {
    let ty: &Type = &event.field(field)?.original.ty;
    let span = call_site_at(ty.span());
    let of = Ident::new(of, span);
    let method = Ident::new(method, span);
    Some(if event.is_generic() {
        quote_spanned!(span=> __bb::#of::#method)
    } else {
        quote_spanned!(span=> <#ty as __bb::#of>::#method)
    })
}
