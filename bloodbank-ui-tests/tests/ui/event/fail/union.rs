use bloodbank::prelude::*;

#[derive(Event)]
#[event(routing_key = "orders.placed")]
union OrderPlaced {
    a: u8,
    b: i8,
}

fn main() {}
