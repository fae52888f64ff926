//! The options: the path of a recording, and the places of payloads that are not compared.

use proc_macro2::TokenStream;
use syn::{
    ItemFn, LitStr, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
};

use crate::options::Facade;

pub(super) struct Options {
    pub(super) path: LitStr,
    pub(super) ignored: Vec<LitStr>,
    pub(super) facade: Facade,
}

impl Options {
    pub(super) fn read(options: TokenStream, start: &ItemFn) -> syn::Result<Self> {
        let signature = &start.sig;
        if signature.asyncness.is_none() {
            return Err(syn::Error::new_spanned(signature.fn_token, "the function that starts an app is `async`"));
        }
        if signature.inputs.len() != 1 {
            return Err(syn::Error::new_spanned(
                &signature.ident,
                "the function that starts an app takes its bus: `async fn …(bus: Bus) -> bloodbank::Result<RunningApp>`",
            ));
        }
        let missing =
            "name the recording, relative to the folder of `Cargo.toml`: `#[replay(\"tests/orders.ndjson\")]`";
        if options.is_empty() {
            return Err(syn::Error::new_spanned(&signature.ident, missing));
        }
        parse.parse2(options)
    }
}

fn parse(input: ParseStream<'_>) -> syn::Result<Options> {
    // `"tests/orders.ndjson"`
    let path = input.parse()?;
    let mut options = Options { path, ignored: Vec::new(), facade: Facade::DEFAULT };
    while !input.is_empty() {
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            break;
        }
        let name = syn::Ident::parse_any(input)?;
        match name.to_string().as_str() {
            // `ignore("/shipped_at", "/lines/*/id")`
            "ignore" => {
                let list;
                syn::parenthesized!(list in input);
                let places = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
                for place in &places {
                    if !place.value().starts_with('/') {
                        return Err(syn::Error::new_spanned(
                            place,
                            format!("{:?} is no JSON pointer into a payload; it begins with `/`", place.value()),
                        ));
                    }
                }
                options.ignored.extend(places);
            }
            // `crate = "::bloodbank"`
            "crate" => options.facade = Facade::parse(input)?,
            other => {
                return Err(syn::Error::new_spanned(
                    &name,
                    format!("unknown option `{other}`; `replay` has `ignore(\"/…\")` and `crate = \"…\"`"),
                ));
            }
        }
    }
    Ok(options)
}
