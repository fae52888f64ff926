//! The options of `#[subscriber(…)]`.

use bloodbank_routing::{check_pattern, explain};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, LitStr, parse::ParseStream};

use crate::{
    ctxt::Ctxt,
    handling::{CONCURRENCY, DEDUPE, HandlingOptions, ON_FAILURE, PREFETCH, QUEUE, RETRY, SETTLE, TIMEOUT},
    numbers::{count, positive},
    options::{Facade, KnownOption, Options, group, names, value},
    rate::rate,
};

const KNOWN: [KnownOption; 18] = [
    ("pattern", "pattern = \"orders.#\""),
    ("ordered_by", "ordered_by(order_id)"),
    ("partitions", "partitions = 8"),
    ("transactional", "transactional"),
    ("foreign", "foreign"),
    ("format", "format = \"json\""),
    ("rate", "rate = \"50/s\""),
    ("batch", "batch(max = 100, within = \"1s\")"),
    ("max_priority", "max_priority = 9"),
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

pub(crate) struct SubscriberAttr {
    pub(crate) pattern: Option<LitStr>,
    pub(crate) ordered_by: Option<Ident>,
    partitions: Option<Ident>,
    pub(crate) transactional: Option<Ident>,
    pub(crate) foreign: Option<Ident>,
    /// The format, where it is plain JSON.
    pub(crate) plain: Option<LitStr>,
    pub(crate) batch: Option<Ident>,
    batch_max: Option<u16>,
    max_priority: Option<Ident>,
    pub(crate) handling: HandlingOptions,
    pub(crate) facade: Facade,
}

impl SubscriberAttr {
    pub(crate) fn read(cx: &Ctxt, tokens: TokenStream) -> Self {
        let mut this = Self {
            pattern: None,
            ordered_by: None,
            partitions: None,
            transactional: None,
            foreign: None,
            plain: None,
            batch: None,
            batch_max: None,
            max_priority: None,
            handling: HandlingOptions::default(),
            facade: Facade::DEFAULT,
        };
        Options::new(cx, &KNOWN).read(tokens, |name, input| this.read_one(cx, name, input));
        this.check(cx);
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
            // #[subscriber(ordered_by(order_id), partitions = 8)]
            "partitions" => {
                if let Some(partitions) = count::<u16>(cx, name, &value(input)?) {
                    self.handling.set(quote!(partitions(#partitions)));
                }
                self.partitions = Some(name.clone());
            }
            // #[subscriber(transactional)]
            "transactional" => {
                self.handling.set(quote!(transactional()));
                self.transactional = Some(name.clone());
            }
            // #[subscriber(queue = "legacy.orders", foreign)]
            "foreign" => {
                self.handling.set(quote!(foreign()));
                self.foreign = Some(name.clone());
            }
            // #[subscriber(format = "json")]
            "format" => {
                let format: LitStr = value(input)?;
                match format.value().as_str() {
                    "json" => {
                        self.handling.set(quote!(format(__bb::Format::Json)));
                        self.plain = Some(format);
                    }
                    "envelope" => {}
                    other => cx.error(&format, format!("unknown format `{other}`; write `json` or `envelope`")),
                }
            }
            // #[subscriber(rate = "50/s")]
            "rate" => {
                if let Some(rate) = rate(cx, &value(input)?) {
                    self.handling.set(quote!(rate(#rate)));
                }
            }
            // #[subscriber(batch(max = 100, within = "1s"))]
            "batch" => self.read_batch(cx, name, group(input)?),
            // #[subscriber(max_priority = 9)]
            "max_priority" => {
                if let Some(priority) = count::<u8>(cx, name, &value(input)?) {
                    self.handling.set(quote!(max_priority(#priority)));
                    self.max_priority = Some(name.clone());
                }
            }
            // #[subscriber(crate = "::bloodbank")]
            "crate" => self.facade = Facade::parse(input)?,
            _ => self.handling.read_one(cx, name, input)?,
        }
        Ok(())
    }

    fn read_batch(&mut self, cx: &Ctxt, name: &Ident, tokens: TokenStream) {
        let (mut max, mut within) = (None, None);
        let mut known = Options::new(cx, &[("max", "max = 100"), ("within", "within = \"1s\"")]);
        known.read(tokens, |word, input| {
            if word == "max" {
                max = Some(count::<u16>(cx, word, &value(input)?));
            } else {
                within = Some(positive(cx, &value(input)?));
            }
            Ok(())
        });
        match (max, within) {
            (Some(max), Some(within)) => {
                if let (Some(max), Some(within)) = (max, within) {
                    self.batch_max = Some(max);
                    self.handling.set(quote!(batch(__bb::BatchPolicy { max: #max, within: #within })));
                }
            }
            (None, _) => cx.error(name, "of how many events at most? write `batch(max = 100, within = \"1s\")`"),
            (_, None) => cx.error(name, "for how long does it wait? write `batch(max = 100, within = \"1s\")`"),
        }
        self.batch = Some(name.clone());
    }

    /// Checks the options that contradict each other.
    fn check(&self, cx: &Ctxt) {
        self.check_foreign(cx);
        self.check_partitions(cx);
        self.check_keep_order(cx);
        self.check_park_key(cx);
        if let (Some(_), Some(field)) = (&self.batch, &self.ordered_by) {
            cx.error(field, "the events of a batch are handled together; remove `ordered_by`, or `batch`");
        }
        if let (Some(_), Some(transactional)) = (&self.batch, &self.transactional) {
            cx.error(transactional, "a transaction has the mark of one event; remove `transactional`, or `batch`");
        }
        if let (Some(max), Some((name, prefetch))) = (self.batch_max, self.handling.prefetch())
            && *prefetch < max
        {
            cx.error(
                name,
                format!("a batch of {max} never fills with {prefetch} deliveries; write `prefetch = {max}` or more"),
            );
        }
    }

    fn check_keep_order(&self, cx: &Ctxt) {
        let Some(keep_order) = self.handling.keep_order() else { return };
        if self.batch.is_some() {
            cx.error(keep_order, "a batch has no order to keep; remove `keep_order`, or `batch`");
        }
        if self.handling.concurrency().is_some() && self.ordered_by.is_none() {
            cx.error(keep_order, "several events at a time have no order to keep; write `ordered_by(order_id)` as well, or remove `concurrency`");
        }
    }

    fn check_park_key(&self, cx: &Ctxt) {
        let Some(park_key) = self.handling.park_key() else { return };
        if self.handling.keep_order().is_none() {
            cx.error(
                park_key,
                "what lets others pass while it is tried again holds nothing back; write `retry(keep_order, park_key)`",
            );
        }
        if self.ordered_by.is_none() {
            cx.error(park_key, "the key of which field? write `ordered_by(order_id)` as well");
        }
        if let Some(discard) = self.handling.discards() {
            cx.error(discard, "what is dropped does not come back, and holds nothing back; remove `on_failure = discard`, or `park_key`");
        }
    }

    fn check_partitions(&self, cx: &Ctxt) {
        let Some(partitions) = &self.partitions else { return };
        if self.ordered_by.is_none() {
            cx.error(partitions, "split by which field? write `ordered_by(order_id), partitions = 8`");
        }
        if let Some(concurrency) = self.handling.concurrency() {
            cx.error(
                concurrency,
                "each partition handles one event at a time, and a process several partitions at once; remove `concurrency`, or `partitions`",
            );
        }
        if let Some(foreign) = &self.foreign {
            cx.error(foreign, "a queue that others make is not split; remove `partitions`, or `foreign`");
        }
        if let Some(max_priority) = &self.max_priority {
            cx.error(
                max_priority,
                "priorities change the order that partitions keep; remove `max_priority`, or `partitions`",
            );
        }
    }

    fn check_foreign(&self, cx: &Ctxt) {
        let Some(foreign) = &self.foreign else { return };
        if !self.handling.has_queue() {
            cx.error(foreign, "which queue of others? write `queue = \"legacy.orders\", foreign`");
        }
        if let Some(pattern) = &self.pattern {
            cx.error(pattern, "nothing is bound to a queue that others make; remove `pattern`, or `foreign`");
        }
        if let Some(max_priority) = &self.max_priority {
            cx.error(
                max_priority,
                "others decide which priorities their queue has; remove `max_priority`, or `foreign`",
            );
        }
    }
}
