//! The options of `#[subscriber(…)]`.

use bloodbank_routing::{check_pattern, explain};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, LitStr, parse::ParseStream};

use crate::{
    ctxt::Ctxt,
    handling::{CONCURRENCY, DEDUPE, HandlingOptions, ON_FAILURE, PREFETCH, QUEUE, RETRY, TIMEOUT},
    options::{Facade, KnownOption, Options, names, value},
};

const KNOWN: [KnownOption; 11] = [
    ("pattern", "pattern = \"orders.#\""),
    ("ordered_by", "ordered_by(order_id)"),
    ("transactional", "transactional"),
    QUEUE,
    CONCURRENCY,
    PREFETCH,
    TIMEOUT,
    RETRY,
    DEDUPE,
    ON_FAILURE,
    Facade::KNOWN,
];

pub(crate) struct SubscriberAttr {
    pub(crate) pattern: Option<LitStr>,
    pub(crate) ordered_by: Option<Ident>,
    pub(crate) transactional: Option<Ident>,
    pub(crate) handling: HandlingOptions,
    pub(crate) facade: Facade,
}

impl SubscriberAttr {
    pub(crate) fn read(cx: &Ctxt, tokens: TokenStream) -> Self {
        let mut this = Self {
            pattern: None,
            ordered_by: None,
            transactional: None,
            handling: HandlingOptions::default(),
            facade: Facade::DEFAULT,
        };
        Options::new(cx, &KNOWN).read(tokens, |name, input| this.read_one(cx, name, input));
        this
    }

    fn read_one(&mut self, cx: &Ctxt, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            // #[subscriber(pattern = "orders.#")]
            "pattern" => {
                let pattern: LitStr = value(input)?;
                let text = pattern.value();
                if let Err(error) = check_pattern(&text) {
                    cx.error(&pattern, explain(&text, &error));
                }
                self.handling.set(quote!(pattern(#pattern)));
                self.pattern = Some(pattern);
            }
            // #[subscriber(ordered_by(order_id))]
            "ordered_by" => {
                let fields = names(input)?;
                let mut fields = fields.into_iter();
                match (fields.next(), fields.next()) {
                    (Some(field), None) => {
                        let text = syn::ext::IdentExt::unraw(&field).to_string();
                        self.handling.set(quote!(ordered_by(#text)));
                        self.ordered_by = Some(field);
                    }
                    (_, Some(second)) => cx.error(second, "events are ordered by one field; remove the others"),
                    (None, None) => cx.error(name, "ordered by which field? write `ordered_by(order_id)`"),
                }
            }
            // #[subscriber(transactional)]
            "transactional" => {
                self.handling.set(quote!(transactional()));
                self.transactional = Some(name.clone());
            }
            // #[subscriber(crate = "::bloodbank")]
            "crate" => self.facade = Facade::parse(input)?,
            _ => self.handling.read_one(cx, name, input)?,
        }
        Ok(())
    }
}
