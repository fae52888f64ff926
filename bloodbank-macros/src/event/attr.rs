//! The options of `#[event(…)]`.

use syn::{Attribute, Expr, Ident, LitStr, Meta, Token, Type, punctuated::Punctuated};

use crate::{
    ctxt::Ctxt,
    options::{Facade, KnownOption, Options, names, value},
};

const KNOWN: [KnownOption; 13] = [
    ("routing_key", "routing_key = \"orders.order.placed\""),
    ("command", "command"),
    ("reply", "reply = OrderShipped"),
    ("failure", "failure"),
    ("id", "id(order_id)"),
    ("caused_by", "caused_by(prompt_id)"),
    ("domain", "domain = \"orders\""),
    ("supersedes", "supersedes = OrderPlacedV1"),
    ("validate", "validate"),
    ("example", "example = OrderPlaced::sample()"),
    ("external", "external"),
    ("concrete", "concrete = Wrapper<Order>"),
    Facade::KNOWN,
];

/// An option that names fields: its word, and their names.
pub(crate) type FieldNames = (Ident, Punctuated<Ident, Token![,]>);

pub(crate) struct EventAttr {
    /// The first `#[event]`, as a place for errors.
    pub(crate) original: Option<Attribute>,
    pub(crate) routing_key: Option<LitStr>,
    pub(crate) command: Option<Ident>,
    pub(crate) reply: Option<Type>,
    pub(crate) failure: Option<Ident>,
    pub(crate) id: Option<FieldNames>,
    pub(crate) caused_by: Option<FieldNames>,
    pub(crate) domain: Option<LitStr>,
    pub(crate) supersedes: Option<Type>,
    pub(crate) validate: Option<Ident>,
    pub(crate) example: Option<Expr>,
    pub(crate) external: bool,
    /// The one type that is the event, where the declared type is generic.
    pub(crate) concrete: Option<Type>,
    pub(crate) facade: Facade,
}

impl EventAttr {
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut this = Self {
            original: attrs.iter().find(|attr| attr.path().is_ident("event")).cloned(),
            routing_key: None,
            command: None,
            reply: None,
            failure: None,
            id: None,
            caused_by: None,
            domain: None,
            supersedes: None,
            validate: None,
            example: None,
            external: false,
            concrete: None,
            facade: Facade::DEFAULT,
        };
        let mut options = Options::new(cx, &KNOWN);
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("event")) {
            match &attr.meta {
                Meta::List(list) => options.read(list.tokens.clone(), |name, input| this.read_one(name, input)),
                // Has no routing key either, which is said later.
                Meta::Path(_) => {}
                Meta::NameValue(_) => cx.error(attr, "write `#[event(routing_key = \"…\")]`"),
            }
        }
        this
    }

    fn read_one(&mut self, name: &Ident, input: syn::parse::ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            // #[event(routing_key = "orders.order.placed")]
            "routing_key" => self.routing_key = Some(value(input)?),
            // #[event(command)]
            "command" => self.command = Some(name.clone()),
            // #[event(reply = OrderShipped)]
            "reply" => self.reply = Some(value(input)?),
            // #[event(failure)]
            "failure" => self.failure = Some(name.clone()),
            // #[event(id(order_id, line))]
            "id" => self.id = Some((name.clone(), names(input)?)),
            // #[event(caused_by(prompt_id))]
            "caused_by" => self.caused_by = Some((name.clone(), names(input)?)),
            // #[event(domain = "agent/thread")]
            "domain" => self.domain = Some(value(input)?),
            // #[event(supersedes = OrderPlacedV1)]
            "supersedes" => self.supersedes = Some(value(input)?),
            // #[event(validate)]
            "validate" => self.validate = Some(name.clone()),
            // #[event(example = OrderPlaced::sample())]
            "example" => self.example = Some(value(input)?),
            // #[event(external)]
            "external" => self.external = true,
            // #[event(concrete = Wrapper<Order>)]
            "concrete" => self.concrete = Some(value(input)?),
            // #[event(crate = "::bloodbank")]
            "crate" => self.facade = Facade::parse(input)?,
            // `Options` lets only known names through.
            _ => {}
        }
        Ok(())
    }
}
