//! The item under `#[derive(RoutingSegment)]`: an enum whose variants are words of routing keys.

use bloodbank_routing::{check_segment, explain};
use syn::{
    Attribute, Data, DeriveInput, Fields, Ident, LitStr, Meta, Token, Variant, ext::IdentExt, parse::ParseStream,
};

use crate::{
    ctxt::Ctxt,
    options::{Facade, Options, value},
};

pub(crate) struct Segment<'a> {
    pub(crate) original: &'a DeriveInput,
    pub(crate) words: Vec<(&'a Ident, String)>,
    pub(crate) facade: Facade,
}

impl<'a> Segment<'a> {
    pub(crate) fn read(cx: &Ctxt, original: &'a DeriveInput) -> Self {
        let mut facade = Facade::DEFAULT;
        let mut options = Options::new(cx, &[Facade::KNOWN]);
        for attr in segment_attrs(&original.attrs) {
            match &attr.meta {
                // #[segment(crate = "::bloodbank")]
                Meta::List(list) => options.read(list.tokens.clone(), |_, input| {
                    facade = Facade::parse(input)?;
                    Ok(())
                }),
                Meta::Path(_) | Meta::NameValue(_) => cx.error(attr, "write `#[segment(\"word\")]` above a variant"),
            }
        }
        let mut this = Self { original, words: Vec::new(), facade };
        match &original.data {
            Data::Enum(data) => data.variants.iter().for_each(|variant| this.read_variant(cx, variant)),
            Data::Struct(_) | Data::Union(_) => cx.error(
                &original.ident,
                format!(
                    "`{}` is no enum; use a `String` or an integer in the key, or implement `RoutingSegment` by hand",
                    original.ident
                ),
            ),
        }
        this
    }

    fn read_variant(&mut self, cx: &Ctxt, variant: &'a Variant) {
        let name = &variant.ident;
        if !matches!(variant.fields, Fields::Unit) {
            cx.error(&variant.fields, format!("a segment of a key is one word; remove the fields of `{name}`"));
        }
        let given = given_word(cx, variant);
        let word = match &given {
            Some(word) => word.value(),
            None => snake_case(&name.unraw().to_string()),
        };
        if let Err(error) = check_segment(&word) {
            let message = explain(&word, &error);
            match &given {
                Some(word) => cx.error(word, message),
                None => cx.error(name, format!("{message}, with `#[segment(\"…\")]`")),
            }
        }
        if let Some((other, _)) = self.words.iter().find(|(_, other)| *other == word) {
            let message =
                format!("`{name}` and `{other}` are both `{word}` in a key; rename one with `#[segment(\"…\")]`");
            match given {
                Some(word) => cx.error(word, message),
                None => cx.error(name, message),
            }
        }
        self.words.push((name, word));
    }
}

fn segment_attrs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("segment"))
}

/// The word given by `#[segment("word")]`, or by `#[serde(rename = "word")]`.
fn given_word(cx: &Ctxt, variant: &Variant) -> Option<LitStr> {
    let mut words = Vec::new();
    for attr in segment_attrs(&variant.attrs) {
        match attr.parse_args::<LitStr>() {
            Ok(word) => words.push(word),
            Err(error) => cx.push(syn::Error::new(error.span(), "write `#[segment(\"word\")]`")),
        }
    }
    if let [_, second, ..] = words.as_slice() {
        cx.error(second, "a second word for the same variant; remove one");
    }
    words.into_iter().next().or_else(|| variant.attrs.iter().find_map(serde_rename))
}

/// The name that serde serialises the variant under, if it is renamed. Mistakes are left to serde to report.
fn serde_rename(attr: &Attribute) -> Option<LitStr> {
    if !attr.path().is_ident("serde") {
        return None;
    }
    let mut word = None;
    let _ = attr.parse_nested_meta(|meta| {
        if meta.path.is_ident("rename") && meta.input.peek(Token![=]) {
            // #[serde(rename = "word")]
            word = Some(value(meta.input)?);
        } else if meta.path.is_ident("rename") {
            // #[serde(rename(serialize = "word", deserialize = "other"))]
            meta.parse_nested_meta(|direction| {
                let text: LitStr = value(direction.input)?;
                if direction.path.is_ident("serialize") {
                    word = Some(text);
                }
                Ok(())
            })?;
        } else {
            skip(meta.input)?;
        }
        Ok(())
    });
    word
}

fn skip(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

/// Converts a name as serde's `rename_all = "snake_case"` does, so that the word in the key is the word in the JSON.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (i, c) in name.char_indices() {
        if i > 0 && c.is_uppercase() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}
