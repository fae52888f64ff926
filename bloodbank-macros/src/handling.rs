//! The options that `#[subscriber]` and `#[command]` share.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, LitStr, parse::ParseStream};

use crate::{
    ctxt::Ctxt,
    numbers::{count, positive},
    options::{KnownOption, Options, group, value},
    retry::Retry,
};

pub(crate) const QUEUE: KnownOption = ("queue", "queue = \"shipping.ship\"");
pub(crate) const CONCURRENCY: KnownOption = ("concurrency", "concurrency = 8");
pub(crate) const PREFETCH: KnownOption = ("prefetch", "prefetch = 256");
pub(crate) const TIMEOUT: KnownOption = ("timeout", "timeout = \"30s\"");
pub(crate) const RETRY: KnownOption = ("retry", "retry(max_attempts = 5, backoff = \"1s..1m\")");
pub(crate) const DEDUPE: KnownOption = ("dedupe", "dedupe(within = \"24h\")");
pub(crate) const SETTLE: KnownOption = ("settle", "settle = \"before_next\"");
pub(crate) const ON_FAILURE: KnownOption = ("on_failure", "on_failure = dead_letter");

const OUTCOMES: [(&str, &str); 2] = [("dead_letter", "DeadLetter"), ("discard", "Discard")];

/// The calls of the setters of `SubscriberOptions` whose values differ from the default, as generated code.
#[derive(Default)]
pub(crate) struct HandlingOptions {
    setters: Vec<TokenStream>,
    has_queue: bool,
    concurrency: Option<Ident>,
    keep_order: Option<Ident>,
    park_key: Option<Ident>,
    discards: Option<Ident>,
    prefetch: Option<(Ident, u16)>,
}

impl HandlingOptions {
    /// Parses one of the shared options.
    pub(crate) fn read_one(&mut self, cx: &Ctxt, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            // queue = "shipping.ship"
            "queue" => {
                let queue: LitStr = value(input)?;
                check_queue(cx, &queue);
                self.has_queue = true;
                self.set(quote!(queue(#queue)));
            }
            // concurrency = 8
            "concurrency" => {
                self.concurrency = Some(name.clone());
                if let Some(count) = count::<u16>(cx, name, &value(input)?) {
                    self.set(quote!(concurrency(#count)));
                }
            }
            // prefetch = 256
            "prefetch" => {
                if let Some(count) = count::<u16>(cx, name, &value(input)?) {
                    self.prefetch = Some((name.clone(), count));
                    self.set(quote!(prefetch(#count)));
                }
            }
            // timeout = "30s"
            "timeout" => {
                if let Some(timeout) = positive(cx, &value(input)?) {
                    self.set(quote!(timeout(#timeout)));
                }
            }
            // retry(max_attempts = 5, backoff = "1s..1m", max_age = "1h", keep_order, park_key)
            "retry" => {
                let retry = Retry::read(cx, group(input)?);
                self.keep_order.clone_from(&retry.keep_order);
                self.park_key.clone_from(&retry.park_key);
                self.set(quote!(retry(#retry)));
            }
            // dedupe(within = "24h"), dedupe(off)
            "dedupe" => self.read_dedupe(cx, name, group(input)?),
            // settle = "before_next"
            "settle" => {
                let text: LitStr = value(input)?;
                match text.value().as_str() {
                    "behind" => self.set(quote!(settle(__bb::Settle::Behind))),
                    "before_next" => self.set(quote!(settle(__bb::Settle::BeforeNext))),
                    other => {
                        cx.error(&text, format!("unknown way to settle `{other}`; write `behind` or `before_next`"))
                    }
                }
            }
            // on_failure = dead_letter
            "on_failure" => {
                let word: Ident = value(input)?;
                match OUTCOMES.iter().find(|(name, _)| word == name) {
                    Some((_, variant)) => {
                        self.discards = (word == "discard").then(|| word.clone());
                        let variant = Ident::new(variant, word.span());
                        self.set(quote!(on_failure(__bb::OnFailure::#variant)));
                    }
                    None => cx.error(&word, format!("unknown outcome `{word}`; write `dead_letter` or `discard`")),
                }
            }
            // The caller passes only the options above.
            _ => {}
        }
        Ok(())
    }

    fn read_dedupe(&mut self, cx: &Ctxt, name: &Ident, tokens: TokenStream) {
        let empty = tokens.is_empty();
        Options::new(cx, &[("within", "within = \"24h\""), ("off", "off")]).read(tokens, |word, input| {
            if word == "off" {
                self.set(quote!(dedupe_within(::core::time::Duration::ZERO)));
            } else if let Some(within) = positive(cx, &value(input)?) {
                self.set(quote!(dedupe_within(#within)));
            }
            Ok(())
        });
        if empty {
            cx.error(name, "for how long? write `dedupe(within = \"24h\")`, or `dedupe(off)`");
        }
    }

    /// The option `concurrency`.
    pub(crate) fn concurrency(&self) -> Option<&Ident> {
        self.concurrency.as_ref()
    }

    /// The option `keep_order` of `retry`.
    pub(crate) fn keep_order(&self) -> Option<&Ident> {
        self.keep_order.as_ref()
    }

    /// The option `park_key` of `retry`.
    pub(crate) fn park_key(&self) -> Option<&Ident> {
        self.park_key.as_ref()
    }

    /// The word `discard` of `on_failure`.
    pub(crate) fn discards(&self) -> Option<&Ident> {
        self.discards.as_ref()
    }

    /// The option `prefetch`, and its value.
    pub(crate) fn prefetch(&self) -> Option<&(Ident, u16)> {
        self.prefetch.as_ref()
    }

    /// Whether the queue has a name of its own.
    pub(crate) fn has_queue(&self) -> bool {
        self.has_queue
    }

    pub(crate) fn set(&mut self, setter: TokenStream) {
        self.setters.push(setter);
    }

    /// Generates the `SubscriberOptions` as an expression.
    pub(crate) fn expand(&self) -> TokenStream {
        let setters = &self.setters;
        quote!(__bb::SubscriberOptions::DEFAULT #(.#setters)*)
    }
}

fn check_queue(cx: &Ctxt, queue: &LitStr) {
    let name = queue.value();
    if name.is_empty() {
        cx.error(queue, "the name of the queue is empty; write one, or leave `queue` out");
    } else if name.len() > 255 {
        cx.error(queue, format!("the name of the queue has {} bytes; AMQP allows at most 255", name.len()));
    } else if name.starts_with("amq.") {
        cx.error(queue, "names that begin with `amq.` belong to the broker; write another");
    }
}
