//! Lists of options in attributes: `name`, `name = value`, `name(…)`, separated by commas.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Ident, LitStr, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
};

use crate::ctxt::Ctxt;

/// An option that an attribute knows: its name, and an example for messages.
pub(crate) type KnownOption = (&'static str, &'static str);

/// The parser for the options of one attribute, or of several of the same name.
pub(crate) struct Options<'a> {
    cx: &'a Ctxt,
    known: &'a [KnownOption],
    seen: Vec<String>,
}

impl<'a> Options<'a> {
    pub(crate) fn new(cx: &'a Ctxt, known: &'a [KnownOption]) -> Self {
        Self { cx, known, seen: Vec::new() }
    }

    /// Calls `read` for every option that is known and given once. A mistake in one option hides no mistake in another.
    pub(crate) fn read(
        &mut self,
        tokens: TokenStream,
        mut read: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
    ) {
        let list = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = self.one(input, &mut read) {
                    self.cx.push(error);
                    skip_to_comma(input);
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = list.parse2(tokens) {
            self.cx.push(error);
        }
    }

    fn one(
        &mut self,
        input: ParseStream<'_>,
        read: &mut impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
    ) -> syn::Result<()> {
        let name = Ident::parse_any(input)
            .map_err(|error| syn::Error::new(error.span(), format!("expected {}", self.all_names())))?;
        let text = name.to_string();
        let Some((_, example)) = self.known.iter().find(|(known, _)| *known == text) else {
            return Err(syn::Error::new(name.span(), self.unknown(&text)));
        };
        if self.seen.contains(&text) {
            return Err(syn::Error::new(name.span(), format!("`{text}` is given twice; remove one")));
        }
        self.seen.push(text);
        let value = input.fork();
        read(&name, input).and_then(|()| at_comma(input)).map_err(|error| {
            // After the `=`, where there is one.
            let _ = value.parse::<Token![=]>();
            let at = if at_comma(&value).is_ok() { name.span() } else { error.span() };
            syn::Error::new(at, format!("cannot read `{name}`; write `{example}`"))
        })
    }

    fn unknown(&self, name: &str) -> String {
        match bloodbank_routing::nearest(name, self.known.iter().map(|(known, _)| *known)) {
            Some(nearest) => format!("unknown option `{name}`; did you mean `{nearest}`?"),
            None => format!("unknown option `{name}`; known are {}", self.all_names()),
        }
    }

    fn all_names(&self) -> String {
        let names: Vec<_> = self.known.iter().map(|(known, _)| format!("`{known}`")).collect();
        names.join(", ")
    }
}

fn at_comma(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(input.error("expected `,`"))
}

fn skip_to_comma(input: ParseStream<'_>) {
    while at_comma(input).is_err() {
        // Cannot fail: there is a token.
        let _ = input.parse::<proc_macro2::TokenTree>();
    }
}

/// Parses `= value`.
pub(crate) fn value<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// Parses `(a, b)`.
pub(crate) fn names(input: ParseStream<'_>) -> syn::Result<Punctuated<Ident, Token![,]>> {
    let list;
    syn::parenthesized!(list in input);
    Punctuated::parse_terminated_with(&list, Ident::parse_any)
}

/// Parses `(…)` and returns the tokens inside.
pub(crate) fn group(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let list;
    syn::parenthesized!(list in input);
    list.parse()
}

/// The path of the facade, which the option `crate = "path"` sets.
pub(crate) struct Facade(Option<Path>);

impl Facade {
    pub(crate) const KNOWN: KnownOption = ("crate", "crate = \"::bloodbank\"");
    pub(crate) const DEFAULT: Self = Self(None);

    /// Parses `= "path"`.
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = value::<LitStr>(input)?;
        path.parse_with(Path::parse_mod_style).map(Some).map(Self)
    }
}

impl ToTokens for Facade {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.0 {
            Some(path) => path.to_tokens(tokens),
            None => quote::quote!(::bloodbank).to_tokens(tokens),
        }
    }
}
