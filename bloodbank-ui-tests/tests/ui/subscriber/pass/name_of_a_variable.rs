use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber]
async fn lanes(_event: OrderPlaced) {}

fn count(lanes: u32) -> u32 {
    let (lanes, more) = (lanes + 1, 2);
    let Some(lanes) = lanes.checked_add(more) else { return 0 };
    let twice = |lanes: u32| lanes * 2;
    for lanes in 0..lanes {
        println!("{lanes}");
    }
    match lanes {
        0 => 1,
        lanes => twice(lanes),
    }
}

fn main() {
    println!("{}", count(1));
}
