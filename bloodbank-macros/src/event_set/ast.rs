//! The item under `#[derive(EventSet)]`: an enum with one variant per event.

use syn::{Attribute, Data, DeriveInput, Fields, Ident, Meta, Type, Variant};

use crate::{
    ctxt::Ctxt,
    options::{Facade, KnownOption, Options},
};

const ON_ENUM: [KnownOption; 1] = [Facade::KNOWN];
const ON_VARIANT: [KnownOption; 1] = [("other", "other")];

pub(crate) struct EventSet<'a> {
    pub(crate) original: &'a DeriveInput,
    pub(crate) events: Vec<(&'a Ident, &'a Type)>,
    /// The variant for events that no other variant names.
    pub(crate) other: Option<(&'a Ident, &'a Type)>,
    pub(crate) facade: Facade,
}

impl<'a> EventSet<'a> {
    pub(crate) fn read(cx: &Ctxt, original: &'a DeriveInput) -> Self {
        let mut facade = Facade::DEFAULT;
        let mut options = Options::new(cx, &ON_ENUM);
        for tokens in options_of(cx, &original.attrs) {
            // #[event_set(crate = "::bloodbank")]
            options.read(tokens, |_, input| {
                facade = Facade::parse(input)?;
                Ok(())
            });
        }
        let mut this = Self { original, events: Vec::new(), other: None, facade };
        let name = &original.ident;
        match &original.data {
            Data::Enum(data) => {
                data.variants.iter().for_each(|variant| this.read_variant(cx, variant));
                if data.variants.is_empty() {
                    cx.error(name, format!("`{name}` has no events; add a variant such as `Placed(OrderPlaced)`"));
                }
            }
            Data::Struct(_) | Data::Union(_) => {
                cx.error(name, format!("`{name}` is no enum; a set of events is an enum with one variant per event"))
            }
        }
        if !original.generics.params.is_empty() {
            cx.error(&original.generics, "a set of events has no generics; name the events");
        }
        this
    }

    fn read_variant(&mut self, cx: &Ctxt, variant: &'a Variant) {
        let name = &variant.ident;
        let mut other = None;
        let mut options = Options::new(cx, &ON_VARIANT);
        for tokens in options_of(cx, &variant.attrs) {
            // #[event_set(other)]
            options.read(tokens, |word, _| {
                other = Some(word.clone());
                Ok(())
            });
        }
        let ty = match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first().map(|field| &field.ty),
            Fields::Named(_) | Fields::Unnamed(_) | Fields::Unit => None,
        };
        let Some(ty) = ty else {
            let example = if other.is_some() { "serde_json::Value" } else { "OrderPlaced" };
            cx.error(variant, format!("a variant of a set holds one event; write `{name}({example})`"));
            return;
        };
        match (other, &self.other) {
            (Some(word), Some((first, _))) => {
                cx.error(word, format!("`{first}` takes the other events already; remove one"));
            }
            (Some(_), None) => self.other = Some((name, ty)),
            (None, _) => self.events.push((name, ty)),
        }
    }
}

fn options_of(cx: &Ctxt, attrs: &[Attribute]) -> Vec<proc_macro2::TokenStream> {
    let read = |attr: &Attribute| match &attr.meta {
        Meta::List(list) => Some(list.tokens.clone()),
        Meta::Path(_) | Meta::NameValue(_) => {
            cx.error(attr, "write `#[event_set(other)]`");
            None
        }
    };
    attrs.iter().filter(|attr| attr.path().is_ident("event_set")).filter_map(read).collect()
}
