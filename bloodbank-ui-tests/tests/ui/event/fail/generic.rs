use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed")]
struct Wrapper<T> {
    inner: T,
}

fn main() {}
