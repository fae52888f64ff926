//! Queues that deliver to one consumer at a time.

use crate::conformance::Bench;
use bloodbank_core::transport::Topology;

/// Of two consumers, the one that came first gets everything. When it ends, and what it has in hand is settled or given back, the
/// other one goes on in the order of the queue.
pub async fn delivers_to_one_consumer_at_a_time_and_in_order(bench: &mut Bench) {
    let queue = bench.name("single");
    bench.declare(Topology::default().queues([bench.queue(&queue).single_active()])).await;
    let mut first = bench.subscribe(&queue, 4).await;
    let mut second = bench.subscribe(&queue, 4).await;
    bench.publish_numbers(&"".into(), &queue, 0..10).await;
    assert_eq!(first.take(3).await, [0, 1, 2]);
    let (done, given_back) = (first.next().await, first.next().await);
    assert!(second.now().is_none(), "the other one has its turn");
    drop(first);
    done.ack();
    assert!(second.now().is_none(), "something is in hand");
    given_back.reject(true);
    assert_eq!(second.take(6).await, [4, 5, 6, 7, 8, 9]);
    drop(second);
    bench.assert_empty(&queue).await;
}
