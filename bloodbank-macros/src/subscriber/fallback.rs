//! A subscriber after a mistake, which every app accepts, so that one mistake gives one message.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    ast::Subscriber,
    expand::{function, unit_struct},
};

pub(crate) fn expand(subscriber: &Subscriber, errors: &TokenStream) -> TokenStream {
    let facade = &subscriber.attr.facade;
    let name = &subscriber.function.sig.ident;
    let unit_struct = unit_struct(subscriber);
    let cfgs = subscriber.cfgs();
    let function = function(subscriber);
    quote! {
        #errors
        #unit_struct
        #(#cfgs)*
        const _: () = {
            use #facade::__private as __bb;
            // Not called, but its own mistakes are reported too.
            #[allow(dead_code, reason = "the macro reported a mistake")]
            #function
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
