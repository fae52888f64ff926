//! The options of `#[command(…)]`.

use proc_macro2::TokenStream;

use crate::{
    ctxt::Ctxt,
    handling::{CONCURRENCY, DEDUPE, HandlingOptions, ON_FAILURE, PREFETCH, QUEUE, RETRY, TIMEOUT},
    options::{Facade, KnownOption, Options},
};

const KNOWN: [KnownOption; 8] = [QUEUE, CONCURRENCY, PREFETCH, TIMEOUT, RETRY, DEDUPE, ON_FAILURE, Facade::KNOWN];

pub(crate) struct CommandAttr {
    pub(crate) handling: HandlingOptions,
    pub(crate) facade: Facade,
}

impl CommandAttr {
    pub(crate) fn read(cx: &Ctxt, tokens: TokenStream) -> Self {
        let mut this = Self { handling: HandlingOptions::default(), facade: Facade::DEFAULT };
        Options::new(cx, &KNOWN).read(tokens, |name, input| {
            if name == "crate" {
                // #[command(crate = "::bloodbank")]
                this.facade = Facade::parse(input)?;
                return Ok(());
            }
            this.handling.read_one(cx, name, input)
        });
        this
    }
}
