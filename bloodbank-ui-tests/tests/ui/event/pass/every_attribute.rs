use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed_v1")]
struct PlacedV1 {}

#[derive(Serialize, Deserialize, JsonSchema, garde::Validate, Event)]
#[event(routing_key = "orders.{region}.placed", domain = "orders/eu", external)]
#[event(supersedes = PlacedV1, validate, example = Placed::from(PlacedV1 {}), id(region, count,),)]
struct Placed {
    #[garde(skip)]
    region: String,
    #[garde(range(min = 1))]
    count: Option<i64>,
}

impl From<PlacedV1> for Placed {
    fn from(_: PlacedV1) -> Self {
        Self { region: "eu".into(), count: None }
    }
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.error", failure)]
struct Failed {
    error_message: Text,
    error_code: Option<Text>,
    is_retryable: bool,
    retry_count: u32,
}

type Text = String;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.place", command, reply = Placed)]
struct Place;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.moved")]
#[serde(tag = "how")]
enum Moved {
    Up { by: u8 },
    Down,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.wrapped", concrete = Wrapped<Placed>)]
struct Wrapped<T>(T);

fn main() {
    assert_eq!(Placed::example().unwrap().routing_key().unwrap(), "orders.eu.placed");
    assert_eq!(Place::DECLARATION.reply, Some("orders.{region}.placed"));
    assert!(bloodbank::Registry::global().check().faults.is_empty());
    assert_eq!(bloodbank::Registry::global().events().len(), 6);
}
