use bloodbank::prelude::*;

struct PlacedV1 {}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed_v2", supersedes = PlacedV1)]
struct PlacedV2 {}

impl From<PlacedV1> for PlacedV2 {
    fn from(_: PlacedV1) -> Self {
        Self {}
    }
}

fn main() {}
