//! Generation of the code for a function without mistakes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{FnArg, Pat, PatIdent, PatType, ext::IdentExt};

use super::ast::Subscriber;
use crate::{doc_comment::doc_comment, spans::call_site_at};

/// Generates the function, the type that stands for it, and what the registry and the app need to know.
pub(crate) fn expand(subscriber: &Subscriber) -> TokenStream {
    let facade = &subscriber.attr.facade;
    let cfgs = subscriber.cfgs();
    let marker = marker(subscriber);
    let function = function(subscriber);
    let questions = questions(subscriber);
    let pattern_check = pattern_check(subscriber);
    let plain_check = plain_check(subscriber);
    let batch_check = batch_check(subscriber);
    let descriptor = descriptor(subscriber);
    let transaction = transaction(subscriber);
    let implementation = implementation(subscriber);
    quote! {
        #marker
        #function
        #(#cfgs)*
        const _: () = {
            use #facade::__private as __bb;
            #questions
            #[allow(clippy::needless_update, reason = "every option may be given")]
            const __DESCRIPTOR: __bb::SubscriberDescriptor = #descriptor;
            #pattern_check
            #plain_check
            #batch_check
            #transaction
            #implementation
            __bb::inventory::submit! { __DESCRIPTOR }
        };
    }
}

/// Generates the type that stands for the function. With braces it is no value, so that variables may have its name.
pub(super) fn marker(subscriber: &Subscriber) -> TokenStream {
    let cfgs = subscriber.cfgs();
    let vis = &subscriber.function.vis;
    let name = &subscriber.function.sig.ident;
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, non_camel_case_types, reason = "it stands for a function")]
        #[derive(::core::default::Default, ::core::fmt::Debug)]
        #vis struct #name {}
    }
}

/// Generates the function that users call and pass to the app; the one they wrote is inside.
fn function(subscriber: &Subscriber) -> TokenStream {
    let facade = &subscriber.attr.facade;
    let attrs = subscriber.outer_attrs();
    let vis = &subscriber.function.vis;
    let (name, output) = (&subscriber.function.sig.ident, &subscriber.output);
    let types = std::iter::once(&subscriber.input).chain(&subscriber.extractors);
    let arguments = named_arguments(subscriber);
    let body = body(subscriber);
    quote! {
        #(#attrs)*
        #[allow(clippy::too_many_arguments, reason = "the function inside is reported")]
        #vis fn #name(#(#arguments: #types),*) -> #facade::__private::Handling<#name, #output> {
            #body
            #facade::__private::Handling::new(#facade::__private::Box::pin(#name(#(#arguments),*)))
        }
    }
}

/// Generates the function as it was written.
pub(super) fn body(subscriber: &Subscriber) -> TokenStream {
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

/// The names of the arguments as the user wrote them, for the documentation.
fn named_arguments(subscriber: &Subscriber) -> Vec<Ident> {
    let inputs = subscriber.function.sig.inputs.iter();
    let name = |(argument, numbered): (&FnArg, Ident)| match argument {
        FnArg::Typed(PatType { pat, .. }) => match &**pat {
            // The function inside would hide a variable of its name.
            Pat::Ident(PatIdent { ident, .. }) if *ident != subscriber.function.sig.ident => {
                let mut own = ident.clone();
                own.set_span(Span::mixed_site());
                own
            }
            _ => numbered,
        },
        FnArg::Receiver(_) => numbered,
    };
    inputs.zip(arguments(subscriber)).map(name).collect()
}

fn arguments(subscriber: &Subscriber) -> Vec<Ident> {
    let count = subscriber.extractors.len() + 1;
    (0..count).map(|i| format_ident!("argument_{i}", span = Span::mixed_site())).collect()
}

/// Generates the questions about the types of the signature, whose answers decide which mistake is reported.
fn questions(subscriber: &Subscriber) -> TokenStream {
    let (input, output) = (&subscriber.input, &subscriber.output);
    let fits = subscriber.extractors.iter().enumerate().map(|(i, extractor)| {
        let fits = fits(i);
        quote!(const #fits: bool = __bb::Is::<#input>::AN_INPUT && __bb::Is::<#extractor>::AN_EXTRACTOR;)
    });
    quote! {
        #[allow(unused_imports, reason = "every answer may be yes")]
        use __bb::IsNot as _;
        const __EVENT_FIRST: bool = __bb::Is::<#input>::AN_INPUT;
        const __MISPLACED: bool = __bb::Is::<#input>::AN_EXTRACTOR && !__EVENT_FIRST;
        const __RESULT: bool = __bb::Is::<#output>::A_RESULT;
        #(#fits)*
    }
}

/// The name of the constant that says whether an extractor fits.
fn fits(index: usize) -> Ident {
    format_ident!("__FITS_{index}")
}

/// The trait of the first argument, with the argument.
fn input(subscriber: &Subscriber) -> TokenStream {
    let input = &subscriber.input;
    quote_spanned!(call_site_at(input)=> <<#input as __bb::ReceivedFirst<{ __MISPLACED }>>::This as __bb::Input>)
}

fn descriptor(subscriber: &Subscriber) -> TokenStream {
    let name = subscriber.function.sig.ident.unraw().to_string();
    let docs = doc_comment(&subscriber.function.attrs);
    let here = quote_spanned!(subscriber.function.sig.ident.span()=> __bb::here!());
    let options = subscriber.attr.handling.expand();
    let input = input(subscriber);
    let inputs = quote_spanned!(call_site_at(&subscriber.input)=> #input::events);
    let output = &subscriber.output;
    let outputs = quote_spanned!(call_site_at(output)=> <#output as __bb::HandlerReturn<{ __RESULT }>>::declarations);
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
    let input = input(subscriber);
    let events = quote_spanned!(call_site_at(&subscriber.input)=> #input::EVENTS);
    let check = quote_spanned! {call_site_at(pattern)=>
        __bb::check_pattern(#pattern, #events)
    };
    Some(quote!(const _: () = #check;))
}

fn plain_check(subscriber: &Subscriber) -> Option<TokenStream> {
    let format = subscriber.attr.plain.as_ref()?;
    let input = input(subscriber);
    let events = quote_spanned!(call_site_at(&subscriber.input)=> #input::EVENTS);
    let check = quote_spanned!(call_site_at(format)=> __bb::check_plain(#events));
    Some(quote!(const _: () = #check;))
}

fn batch_check(subscriber: &Subscriber) -> TokenStream {
    let input = &subscriber.input;
    let is_list = quote!(__bb::Is::<#input>::A_BATCH);
    let check = match &subscriber.attr.batch {
        Some(option) => quote_spanned!(call_site_at(option)=> __bb::check_batch(#is_list, true)),
        None => quote_spanned!(call_site_at(input)=> __bb::check_batch(#is_list, false)),
    };
    quote!(const _: () = #check;)
}

/// Generates the one transaction of a transactional subscriber, or the check that there is none.
fn transaction(subscriber: &Subscriber) -> TokenStream {
    let of = |extractor| quote_spanned!(call_site_at(extractor)=> __bb::Is::<#extractor>::TRANSACTION);
    let transactions: Vec<_> = subscriber.extractors.iter().map(of).collect();
    match &subscriber.attr.transactional {
        Some(option) => {
            let the_transaction = quote_spanned!(call_site_at(option)=> __bb::the_transaction(&[#(#transactions),*]));
            quote!(const __OPEN: __bb::OpenTransaction = #the_transaction;)
        }
        None => {
            let checks = subscriber.extractors.iter().zip(transactions).map(|(extractor, transaction)| {
                quote_spanned!(call_site_at(extractor)=> const _: () = __bb::check_no_transaction(#transaction);)
            });
            quote!(#(#checks)*)
        }
    }
}

fn implementation(subscriber: &Subscriber) -> TokenStream {
    let name = &subscriber.function.sig.ident;
    let output = &subscriber.output;
    let indices: Vec<_> = (0..subscriber.extractors.len()).map(|i| format_ident!("__Index{i}")).collect();
    let bounds = subscriber.extractors.iter().zip(&indices).enumerate().map(|(i, (extractor, index))| {
        let fits = fits(i);
        quote_spanned! {call_site_at(extractor)=>
            #extractor: __bb::ExtractFrom<__Provided, #index, { #fits }>,
        }
    });
    let takes = takes(subscriber);
    let take_functions = (0..takes.len()).map(take);
    let finish = quote_spanned!(call_site_at(output)=> <#output as __bb::HandlerReturn<{ __RESULT }>>::finish);
    let arguments = arguments(subscriber);
    let (lane_function, lane) = lane(subscriber).unzip();
    let (key_function, key) = key(subscriber).unzip();
    let handling = quote! {
        __bb::Box::pin(async move {
            #(let #arguments = #take_functions(&context)?;)*
            #finish(#name(#(#arguments),*).await, &context)
        })
    };
    let call = match subscriber.attr.transactional {
        Some(_) => quote!(__bb::in_transaction(context, __OPEN, |context| #handling)),
        None => handling,
    };
    quote! {
        // Neither generic nor asynchronous, so that the compiler knows the answers to the questions.
        #(#takes)*
        fn __call(
            context: __bb::Context,
        ) -> __bb::BoxFuture<'static, __bb::Result<__bb::EventCollector, __bb::HandlerError>> {
            #call
        }
        #lane_function
        #key_function
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
                __call(context)
            }
            #lane
            #key
        }
    }
}

/// Generates a function for each argument that takes it from the context.
fn takes(subscriber: &Subscriber) -> Vec<TokenStream> {
    let input = &subscriber.input;
    let receive = quote_spanned!(call_site_at(input)=> <#input as __bb::TakenFirst<{ __EVENT_FIRST }>>::receive);
    let extracts = subscriber.extractors.iter().map(|extractor| {
        quote_spanned!(call_site_at(extractor)=> <#extractor as __bb::TakenAfter<{ __EVENT_FIRST }>>::extract)
    });
    let types = std::iter::once(&subscriber.input).chain(&subscriber.extractors);
    let functions = std::iter::once(receive).chain(extracts).zip(types).enumerate().map(|(i, (take_it, ty))| {
        let take = take(i);
        quote! {
            fn #take(context: &__bb::Context) -> __bb::Result<#ty, __bb::HandlerError> {
                #take_it(context)
            }
        }
    });
    functions.collect()
}

/// The name of the function that takes an argument.
fn take(index: usize) -> Ident {
    format_ident!("__take_{index}")
}

/// Generates the function that finds the lane of an event, and the method that calls it.
fn lane(subscriber: &Subscriber) -> Option<(TokenStream, TokenStream)> {
    let field = subscriber.attr.ordered_by.as_ref()?;
    let input = input(subscriber);
    let peek = quote_spanned!(call_site_at(&subscriber.input)=> #input::peek);
    let value = quote_spanned!(call_site_at(field)=> &payload.#field);
    let function = quote! {
        fn __lane(context: &__bb::Context) -> __bb::Option<u64> {
            let payload = #peek(context)?;
            __bb::Option::Some(__bb::lane(#value))
        }
    };
    let method = quote! {
        fn lane(&self, context: &__bb::Context) -> __bb::Option<u64> {
            __lane(context)
        }
    };
    Some((function, method))
}

/// Generates the function that finds the key of an event (`park_key`), and the method that calls it.
fn key(subscriber: &Subscriber) -> Option<(TokenStream, TokenStream)> {
    subscriber.attr.handling.park_key()?;
    let field = subscriber.attr.ordered_by.as_ref()?;
    let input = input(subscriber);
    let peek = quote_spanned!(call_site_at(&subscriber.input)=> #input::peek);
    let value = quote_spanned!(call_site_at(field)=> &payload.#field);
    let function = quote! {
        fn __key(context: &__bb::Context) -> __bb::Option<__bb::String> {
            let payload = #peek(context)?;
            __bb::parked_key(#value)
        }
    };
    let method = quote! {
        fn key(&self, context: &__bb::Context) -> __bb::Option<__bb::String> {
            __key(context)
        }
    };
    Some((function, method))
}
