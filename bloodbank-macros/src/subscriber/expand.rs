//! Generation of the code for a function without mistakes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

use super::ast::Subscriber;
use crate::{doc_comment::doc_comment, spans::call_site_at};

pub(crate) fn expand(subscriber: &Subscriber) -> TokenStream {
    let facade = &subscriber.attr.facade;
    let cfgs = subscriber.cfgs();
    let unit_struct = unit_struct(subscriber);
    let function = function(subscriber);
    let pattern_check = pattern_check(subscriber);
    let deref = deref(subscriber);
    let descriptor = descriptor(subscriber);
    let implementation = implementation(subscriber);
    quote! {
        #unit_struct
        #(#cfgs)*
        const _: () = {
            use #facade::__private as __bb;
            #function
            #deref
            #[allow(clippy::needless_update, reason = "every option may be given")]
            const __DESCRIPTOR: __bb::SubscriberDescriptor = #descriptor;
            #pattern_check
            #implementation
            __bb::inventory::submit! { __DESCRIPTOR }
        };
    }
}

/// Generates the unit struct that is passed to the app.
pub(super) fn unit_struct(subscriber: &Subscriber) -> TokenStream {
    let attrs = subscriber.outer_attrs();
    let vis = &subscriber.function.vis;
    let name = &subscriber.function.sig.ident;
    quote! {
        #(#attrs)*
        #[allow(non_camel_case_types, reason = "it stands for a function")]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #vis struct #name;
    }
}

/// Generates the function as it was written, in a scope of its own, so that an argument may have the function's name.
pub(super) fn function(subscriber: &Subscriber) -> TokenStream {
    let attrs = subscriber.inner_attrs();
    let (sig, block) = (&subscriber.function.sig, &subscriber.function.block);
    quote! {
        #[allow(
            clippy::needless_pass_by_value,
            clippy::unused_async,
            reason = "a subscriber is async and owns its arguments"
        )]
        #(#attrs)*
        #sig #block
    }
}

/// Generates `Deref` to the function, so that a call of the subscriber is a call of the function. The runtime calls it in the same
/// way, so that a body that is not `Send` is reported once.
fn deref(subscriber: &Subscriber) -> TokenStream {
    let name = &subscriber.function.sig.ident;
    let target = function_pointer(subscriber);
    let arguments = arguments(subscriber);
    quote! {
        const __FUNCTION: #target = |#(#arguments),*| __bb::Box::pin(#name(#(#arguments),*));
        impl ::core::ops::Deref for #name {
            type Target = #target;
            fn deref(&self) -> &Self::Target {
                &__FUNCTION
            }
        }
    }
}

fn function_pointer(subscriber: &Subscriber) -> TokenStream {
    let (input, extractors, output) = (&subscriber.input, &subscriber.extractors, &subscriber.output);
    quote!(fn(#input #(, #extractors)*) -> __bb::BoxFuture<'static, #output>)
}

fn arguments(subscriber: &Subscriber) -> Vec<proc_macro2::Ident> {
    let count = subscriber.extractors.len() + 1;
    (0..count).map(|i| format_ident!("argument_{i}", span = proc_macro2::Span::mixed_site())).collect()
}

fn descriptor(subscriber: &Subscriber) -> TokenStream {
    let name = subscriber.function.sig.ident.unraw().to_string();
    let docs = doc_comment(&subscriber.function.attrs);
    let here = quote_spanned!(subscriber.function.sig.ident.span()=> __bb::here!());
    let options = subscriber.attr.handling.expand();
    let input = &subscriber.input;
    let inputs = quote_spanned!(call_site_at(input)=> <#input as __bb::Input>::events);
    let output = &subscriber.output;
    let outputs = quote_spanned!(call_site_at(output)=> <#output as __bb::HandlerReturn>::declarations);
    quote! {
        __bb::SubscriberDescriptor {
            name: #name,
            docs: #docs,
            location: #here,
            options: #options,
            inputs: #inputs,
            outputs: #outputs,
        }
    }
}

fn pattern_check(subscriber: &Subscriber) -> Option<TokenStream> {
    let pattern = subscriber.attr.pattern.as_ref()?;
    let input = &subscriber.input;
    let events = quote_spanned!(call_site_at(input)=> <#input as __bb::Input>::EVENTS);
    let check = quote_spanned! {call_site_at(pattern)=>
        __bb::check_pattern(#pattern, #events)
    };
    Some(quote!(const _: () = #check;))
}

fn implementation(subscriber: &Subscriber) -> TokenStream {
    let name = &subscriber.function.sig.ident;
    let (input, output) = (&subscriber.input, &subscriber.output);
    let indices: Vec<_> = (0..subscriber.extractors.len()).map(|i| format_ident!("__Index{i}")).collect();
    let bounds = subscriber.extractors.iter().zip(&indices).map(|(extractor, index)| {
        quote_spanned! {call_site_at(extractor)=>
            #extractor: __bb::ExtractFrom<__Provided, #index>,
        }
    });
    let receive = quote_spanned!(call_site_at(input)=> <#input as __bb::Input>::receive);
    let extracts = subscriber
        .extractors
        .iter()
        .map(|extractor| quote_spanned!(call_site_at(extractor)=> <#extractor as __bb::Extractor>::extract));
    let finish = quote_spanned!(call_site_at(output)=> <#output as __bb::HandlerReturn>::finish);
    let arguments = arguments(subscriber);
    let takes = std::iter::once(receive).chain(extracts);
    let lane = lane(subscriber);
    quote! {
        impl<__Provided #(, #indices)*> __bb::Subscriber<__Provided, (#(#indices,)*)> for #name
        where
            #(#bounds)*
        {
            fn descriptor(&self) -> &'static __bb::SubscriberDescriptor {
                &__DESCRIPTOR
            }
            fn call(
                &self,
                context: __bb::Context,
            ) -> __bb::BoxFuture<'static, __bb::Result<__bb::EventCollector, __bb::HandlerError>> {
                __bb::Box::pin(async move {
                    #(let #arguments = #takes(&context)?;)*
                    #finish(__FUNCTION(#(#arguments),*).await, &context)
                })
            }
            #lane
        }
    }
}

fn lane(subscriber: &Subscriber) -> Option<TokenStream> {
    let field = subscriber.attr.ordered_by.as_ref()?;
    let input = &subscriber.input;
    let peek = quote_spanned!(call_site_at(input)=> <#input as __bb::Input>::peek);
    let value = quote_spanned!(call_site_at(field)=> &payload.#field);
    Some(quote! {
        fn lane(&self, context: &__bb::Context) -> __bb::Option<u64> {
            let payload = #peek(context)?;
            __bb::Option::Some(__bb::lane(#value))
        }
    })
}
