//! A subscriber after a mistake, which every app accepts, so that one mistake gives one message.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    ast::Subscriber,
    expand::{body, marker},
};

pub(crate) fn expand(subscriber: &Subscriber, errors: &TokenStream) -> TokenStream {
    let facade = &subscriber.attr.facade;
    let name = &subscriber.function.sig.ident;
    let marker = marker(subscriber);
    let vis = &subscriber.function.vis;
    let cfgs: Vec<_> = subscriber.cfgs().collect();
    let body = body(subscriber);
    quote! {
        #errors
        #marker
        #(#cfgs)*
        #[allow(dead_code, reason = "the macro reported a mistake")]
        #vis fn #name() -> #facade::__private::Handling<#name, ()> {
            ::core::panic!()
        }
        #(#cfgs)*
        const _: () = {
            use #facade::__private as __bb;
            // Not called, but its own mistakes are reported too.
            #[allow(dead_code, reason = "the macro reported a mistake")]
            #body
            impl<__Provided> __bb::Subscriber<__Provided, ()> for #name {
                fn descriptor(&self) -> &'static __bb::SubscriberDescriptor {
                    ::core::panic!()
                }
                fn call(
                    &self,
                    _: __bb::Context,
                ) -> __bb::BoxFuture<'static, __bb::Result<__bb::EventCollector, __bb::HandlerError>> {
                    ::core::panic!()
                }
            }
        };
    }
}
