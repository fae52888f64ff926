//! Generated code in places that are hard on it.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    elided_lifetimes_in_paths,
    clippy::all,
    clippy::pedantic
)]

use bloodbank::Registry;

/// A scope whose own names are those of the prelude.
mod decoys {
    #![allow(dead_code, reason = "decoys are there to be mistaken")]

    use bloodbank::{Context, Event, EventSet, RoutingSegment, State as StateOf, command, subscriber};

    struct Result;
    struct Option;
    struct String;
    struct Vec;
    struct Box;
    struct Some;
    struct None;
    struct Ok;
    struct Err;
    struct Cow;
    struct Payload;
    struct Declaration;
    trait Default {}
    trait Clone {}
    trait Send {}
    trait Into {}
    type Text = std::string::String;

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
    #[event(
        routing_key = "decoys.{action}.placed",
        id(text, action),
        example = Self { text: Text::new(), action: Action::Made }
    )]
    pub(crate) struct Placed {
        text: Text,
        action: Action,
    }

    #[derive(std::clone::Clone, Copy, serde::Serialize, serde::Deserialize, schemars::JsonSchema, RoutingSegment)]
    pub(crate) enum Action {
        Made,
    }

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
    #[event(routing_key = "decoys.placed.v2", supersedes = Placed)]
    pub(crate) struct PlacedAgain {
        text: Text,
    }

    impl From<Placed> for PlacedAgain {
        fn from(old: Placed) -> Self {
            Self { text: old.text }
        }
    }

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
    #[event(routing_key = "decoys.order.failed", failure)]
    pub(crate) struct Failed {
        error_message: Text,
        error_code: std::option::Option<Text>,
        is_retryable: bool,
        retry_count: u32,
    }

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
    #[event(routing_key = "decoys.order.cancel", command, reply = PlacedAgain)]
    pub(crate) struct Cancel {}

    #[derive(EventSet)]
    pub(crate) enum Set {
        Placed(Placed),
        #[event_set(other)]
        Other(serde_json::Value),
    }

    #[subscriber(
        pattern = "decoys.#",
        timeout = "1s",
        retry(backoff = ["1s"]),
        dedupe(within = "1h")
    )]
    async fn log(set: Set, _context: Context, _state: StateOf<u8>) -> std::result::Result<PlacedAgain, Failed> {
        match set {
            Set::Placed(placed) => std::result::Result::Ok(placed.into()),
            Set::Other(_) => std::result::Result::Err(Failed {
                error_message: Text::new(),
                error_code: std::option::Option::None,
                is_retryable: false,
                retry_count: 0,
            }),
        }
    }

    #[subscriber(ordered_by(text), retry(keep_order, park_key))]
    async fn ordered(_event: PlacedAgain) {}

    #[command]
    impl bloodbank::Command for Cancel {
        type State = ();
        type Failure = Failed;

        async fn execute(
            &self,
            _context: &bloodbank::CommandContext<()>,
            _events: &mut bloodbank::EventCollector,
        ) -> std::result::Result<PlacedAgain, Failed> {
            std::result::Result::Ok(PlacedAgain { text: Text::new() })
        }
    }

    #[test]
    fn works() {
        let key = Placed::example().map(|event| event.routing_key());
        assert_eq!(key.unwrap().unwrap(), "decoys.made.placed");
        assert_eq!(Action::Made.routing_segment(), "made");
        let _ = (log, ordered);
        let _: Text = bloodbank::routing_key!("decoys.placed").to_string();
    }
}

/// A module that shadows `core`, `std` and `bloodbank`.
mod shadows {
    #![allow(dead_code, unused_imports, reason = "modules that only shadow")]

    use ::bloodbank::prelude::*;

    mod core {}
    mod std {}
    mod bloodbank {}

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "shadows.order.placed", id(order_id))]
    struct Placed {
        order_id: u8,
    }

    #[subscriber(concurrency = 2)]
    async fn log(_event: Placed) {}

    #[test]
    fn works() {
        assert!(::bloodbank::Registry::global().event_of::<Placed>().is_some());
        let _ = log;
    }
}

/// The facade under another name.
mod renamed {
    mod bus {
        pub(crate) use bloodbank::__private;
    }

    use bloodbank::prelude::*;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "renamed.order.placed", crate = "bus")]
    struct Placed {}

    #[derive(EventSet)]
    #[event_set(crate = "bus")]
    enum Set {
        Placed(Placed),
    }

    #[subscriber(crate = "bus")]
    async fn log(set: Set) {
        let Set::Placed(_) = set;
    }

    #[test]
    fn works() {
        assert!(bloodbank::Registry::global().event("renamed.order.placed").is_some());
        let _ = log;
    }
}

/// Raw identifiers.
mod raw {
    use bloodbank::prelude::*;

    #[allow(non_camel_case_types, reason = "the name of a keyword")]
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "raw.{type}.{r#match}", id(type, r#match))]
    struct r#struct {
        r#type: String,
        r#match: u8,
    }

    #[subscriber]
    async fn r#loop(r#loop: r#struct) -> Option<Done> {
        (r#loop.r#match == 1).then_some(Done {})
    }

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "raw.done")]
    struct Done {}

    #[test]
    fn works() {
        let event = r#struct { r#type: "a".into(), r#match: 1 };
        assert_eq!(event.routing_key().unwrap(), "raw.a.1");
        assert_eq!(event.unique_key().unwrap(), "match=1|type=a");
        assert_eq!(r#struct::DECLARATION.name, "struct");
        let _ = r#loop;
        assert!(bloodbank::Registry::global().subscribers().iter().any(|one| one.name == "loop"));
    }
}

/// A description that is assembled.
mod described {
    use bloodbank::prelude::*;

    /// First.
    #[doc = concat!("Sec", "ond.")]
    /**
     * Third.
     */
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "described.order.placed")]
    struct Placed {}

    #[test]
    fn works() {
        let docs = Placed::DECLARATION.docs;
        assert!(docs.starts_with("First.\nSecond.\n") && docs.contains("Third."), "{docs:?}");
    }
}

#[test]
fn declarations_may_stand_in_a_function() {
    use bloodbank::prelude::*;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "inside.order.placed")]
    struct Placed {}

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "inside.order.place", command)]
    struct Place {}

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "inside.order.failed", failure)]
    struct Failed {
        error_message: String,
        is_retryable: bool,
        retry_count: u32,
    }

    #[subscriber]
    async fn log(_event: Placed) {}

    #[command]
    impl Command for Place {
        type State = ();
        type Failure = Failed;

        async fn execute(&self, _: &CommandContext<()>, _: &mut EventCollector) -> Result<(), Failed> {
            Ok(())
        }
    }

    let _ = log;
    assert!(Registry::global().event_of::<Placed>().is_some());
    let executors = Registry::global().executors();
    assert!(executors.iter().any(|one| one.declaration().routing_key == "inside.order.place"));
}
