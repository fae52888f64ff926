//! The smallest service: one event and one subscriber.
//!
//! Run: `cargo run --example e03_subscribe` and stop it with Ctrl-C

use bloodbank::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "shop.visitor.arrived")]
struct VisitorArrived {
    name: String,
}

#[subscriber]
async fn greet(visitor: VisitorArrived) {
    println!("hello, {}", visitor.name);
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    bloodbank::init_logging();
    let app = App::new("greeter", Bus::from_env().await?).subscribe(greet).start().await?;
    app.bus().publish(VisitorArrived { name: "Ada".into() }).await?;
    app.wait().await
}
