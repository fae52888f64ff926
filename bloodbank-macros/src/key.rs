//! The macros `routing_key!` and `pattern!`.

use bloodbank_routing::{KeyError, check_key, check_pattern, explain};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    LitStr, Token,
    parse::{ParseStream, Parser},
};

use crate::options::Facade;

pub(crate) fn routing_key(input: TokenStream) -> TokenStream {
    checked(input, "RoutingKey", "routing_key!(\"orders.order.placed\")", check_key)
}

pub(crate) fn pattern(input: TokenStream) -> TokenStream {
    checked(input, "BindingPattern", "pattern!(\"orders.#\")", check_pattern)
}

fn checked(input: TokenStream, ty: &str, usage: &str, check: fn(&str) -> Result<(), KeyError>) -> TokenStream {
    let ty = format_ident!("{ty}");
    let parse = |input: ParseStream<'_>| {
        let text: LitStr = input.parse()?;
        let facade = if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            input.parse::<Token![crate]>()?;
            Facade::parse(input)?
        } else {
            Facade::DEFAULT
        };
        Ok((text, facade))
    };
    match parse.parse2(input) {
        Err(error) => syn::Error::new(error.span(), format!("expected a text, as in `{usage}`")).to_compile_error(),
        Ok((text, facade)) => match check(&text.value()) {
            Ok(()) => quote!(const { #facade::__private::#ty::from_static(#text) }),
            Err(error) => {
                let error = syn::Error::new(text.span(), explain(&text.value(), &error)).to_compile_error();
                // Of the right type, so that the mistake gives one message.
                quote!({ #error #facade::__private::#ty::from_static("not.valid") })
            }
        },
    }
}
