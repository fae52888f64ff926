//! The options of `#[command(…)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use crate::{
    ctxt::Ctxt,
    handling::{CONCURRENCY, DEDUPE, HandlingOptions, ON_FAILURE, PREFETCH, QUEUE, RETRY, SETTLE, TIMEOUT},
    options::{Facade, KnownOption, Options, group},
};

const KNOWN: [KnownOption; 10] = [
    ("transactional", "transactional(Tx<Postgres>)"),
    QUEUE,
    CONCURRENCY,
    PREFETCH,
    TIMEOUT,
    RETRY,
    DEDUPE,
    ON_FAILURE,
    SETTLE,
    Facade::KNOWN,
];

pub(crate) struct CommandAttr {
    pub(crate) transaction: Option<Type>,
    pub(crate) handling: HandlingOptions,
    pub(crate) facade: Facade,
}

impl CommandAttr {
    pub(crate) fn read(cx: &Ctxt, tokens: TokenStream) -> Self {
        let mut this = Self { transaction: None, handling: HandlingOptions::default(), facade: Facade::DEFAULT };
        Options::new(cx, &KNOWN).read(tokens, |name, input| {
            if name == "crate" {
                // #[command(crate = "::bloodbank")]
                this.facade = Facade::parse(input)?;
                return Ok(());
            }
            if name == "transactional" {
                // #[command(transactional(Tx<Postgres>))]
                this.transaction = Some(syn::parse2(group(input)?)?);
                this.handling.set(quote!(transactional()));
                return Ok(());
            }
            this.handling.read_one(cx, name, input)
        });
        if let Some(park_key) = this.handling.park_key() {
            cx.error(park_key, "commands have no field that orders them; remove `park_key`");
        }
        this
    }
}
