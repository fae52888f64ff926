use bloodbank::prelude::*;

fn main() {}

async fn publish(bus: &Bus) {
    let _ = bus.publish("text");
}
