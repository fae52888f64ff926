use bloodbank::prelude::*;

fn main() {
    let _ = routing_key!("orders.OrderPlaced");
}
