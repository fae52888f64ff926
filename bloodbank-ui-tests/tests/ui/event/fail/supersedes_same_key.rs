use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct PlacedV1 {}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed", supersedes = PlacedV1)]
struct PlacedV2 {}

impl From<PlacedV1> for PlacedV2 {
    fn from(_: PlacedV1) -> Self {
        Self {}
    }
}

fn main() {}
