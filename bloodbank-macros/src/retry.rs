//! The option `retry(max_attempts = 5, backoff = "1s..1m", max_age = "1h", keep_order, park_key)`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Ident, LitStr, Token, parse::ParseStream, punctuated::Punctuated, token::Bracket};

use crate::{
    ctxt::Ctxt,
    duration,
    numbers::{count, positive},
    options::{KnownOption, Options, value},
};

const KNOWN: [KnownOption; 5] = [
    ("max_attempts", "max_attempts = 5"),
    ("backoff", "backoff = \"1s..1m\""),
    ("max_age", "max_age = \"1h\""),
    ("keep_order", "keep_order"),
    ("park_key", "park_key"),
];

/// The fields of a `RetryPolicy` that are given, as generated code.
pub(crate) struct Retry {
    fields: Vec<TokenStream>,
    pub(crate) keep_order: Option<Ident>,
    pub(crate) park_key: Option<Ident>,
}

impl Retry {
    pub(crate) fn read(cx: &Ctxt, tokens: TokenStream) -> Self {
        let (mut fields, mut keep_order, mut park_key) = (Vec::new(), None, None);
        Options::new(cx, &KNOWN).read(tokens, |name, input| {
            match name.to_string().as_str() {
                // max_attempts = 5
                "max_attempts" => {
                    if let Some(count) = count::<u32>(cx, name, &value(input)?) {
                        fields.push(quote!(max_attempts: #count));
                    }
                }
                // backoff = "5s", "1s..1m" or ["1s", "10s"]
                "backoff" => {
                    if let Some(backoff) = backoff(cx, input)? {
                        fields.push(quote!(backoff: #backoff));
                    }
                }
                // keep_order
                "keep_order" => {
                    fields.push(quote!(keep_order: true));
                    keep_order = Some(name.clone());
                }
                // park_key
                "park_key" => {
                    fields.push(quote!(park_key: true));
                    park_key = Some(name.clone());
                }
                // max_age = "1h"
                _ => {
                    if let Some(age) = positive(cx, &value(input)?) {
                        fields.push(quote!(max_age: __bb::Option::Some(#age)));
                    }
                }
            }
            Ok(())
        });
        Self { fields, keep_order, park_key }
    }
}

impl ToTokens for Retry {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let fields = &self.fields;
        tokens.extend(match fields.len() {
            0 => quote!(__bb::RetryPolicy::DEFAULT),
            5 => quote!(__bb::RetryPolicy { #(#fields,)* }),
            _ => quote!(__bb::RetryPolicy { #(#fields,)* ..__bb::RetryPolicy::DEFAULT }),
        });
    }
}

fn backoff(cx: &Ctxt, input: ParseStream<'_>) -> syn::Result<Option<TokenStream>> {
    input.parse::<Token![=]>()?;
    if input.peek(Bracket) {
        let list;
        syn::bracketed!(list in input);
        let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
        let steps: Option<Vec<_>> = texts.iter().map(|text| delay(cx, text, &text.value())).collect();
        if texts.is_empty() {
            cx.push(list.error("no delays; write some, such as `[\"1s\", \"10s\"]`"));
            return Ok(None);
        }
        return Ok(steps.map(|steps| {
            let steps = steps.into_iter().map(duration::expand);
            quote!(__bb::Backoff::Steps(&[#(#steps),*]))
        }));
    }
    let text: LitStr = input.parse()?;
    let range = text.value();
    let Some((first, max)) = range.split_once("..") else {
        return Ok(delay(cx, &text, &range).map(|delay| {
            let delay = duration::expand(delay);
            quote!(__bb::Backoff::Fixed(#delay))
        }));
    };
    let (Some(first), Some(max)) = (delay(cx, &text, first), delay(cx, &text, max)) else {
        return Ok(None);
    };
    if first > max {
        cx.error(&text, format!("the first delay of `{range}` is longer than the longest; put the shorter one first"));
    }
    let (first, max) = (duration::expand(first), duration::expand(max));
    Ok(Some(quote!(__bb::Backoff::Exponential { first: #first, max: #max })))
}

fn delay(cx: &Ctxt, at: &LitStr, text: &str) -> Option<Duration> {
    duration::parse(text.trim()).map_err(|message| cx.error(at, message)).ok()
}
