//! A test of a service: the production app in process, with a record of its events and a clock that the test moves.
//!
//! Run: `cargo run --example e10_testing --features testing` (or copy the body into a `#[tokio::test]`)

use std::time::Duration;

use bloodbank::{prelude::*, testing::TestBus};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.shipped")]
struct OrderShipped {
    order_id: String,
}

/// A subscriber that succeeds at the third attempt; the attempts are an hour apart.
#[subscriber(retry(max_attempts = 3, backoff = "1h"))]
async fn ship(order: OrderPlaced, context: Context) -> Result<OrderShipped, std::io::Error> {
    if context.attempt() < 3 {
        return Err(std::io::Error::other("the carrier is closed"));
    }
    Ok(OrderShipped { order_id: order.order_id })
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    let bus = TestBus::new();
    let _app = App::new("shipping", bus.bus()).subscribe(ship).start().await?;

    let placed = bus.publish(OrderPlaced { order_id: "o-1".into() }).await?;
    bus.idle().await;
    assert_eq!(bus.retried::<OrderPlaced>().len(), 1);
    assert!(bus.published::<OrderShipped>().is_empty(), "not before an hour has passed");

    bus.advance(Duration::from_secs(2 * 60 * 60)).await;
    bus.drain_retries().await;
    let shipped = bus.published::<OrderShipped>();
    assert_eq!(shipped[0].payload, OrderShipped { order_id: "o-1".into() });
    assert_eq!(shipped[0].correlation_ids, [placed.event_id]);

    assert!(bus.dead_lettered::<OrderPlaced>().is_empty());
    println!("two hours passed in no time: {:?}", bus.published_keys());
    Ok(())
}
