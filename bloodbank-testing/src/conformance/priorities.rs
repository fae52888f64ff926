//! Priorities of messages.

use crate::conformance::{Bench, bench::numbered};
use bloodbank_core::{ErrorKind, message::Outgoing, settings::QueueKind, transport::Topology};

/// A classic queue with priorities delivers messages of a higher one first, and equal ones in their order. Other queues have
/// none, which is an error with the remedy.
pub async fn delivers_messages_of_a_higher_priority_first(bench: &mut Bench) {
    let queue = bench.name("urgent");
    let topology = Topology::default().queues([bench.queue(&queue).max_priority(5)]);
    if bench.kind() != QueueKind::Classic {
        let error = bench.try_declare(topology).await.expect_err("this kind of queue has no priorities");
        assert_eq!(error.kind(), ErrorKind::Topology, "{error:?}");
        assert!(error.to_string().contains("BLOODBANK_QUEUE_TYPE=classic"), "{error}");
        return;
    }
    bench.declare(topology).await;
    for (number, priority) in [(1, None), (2, Some(5)), (3, Some(1)), (4, Some(9)), (5, Some(1)), (6, Some(0))] {
        let Outgoing { mut properties, .. } = numbered(&"".into(), &queue, number);
        properties.priority = priority;
        bench.publish(numbered(&"".into(), &queue, number).properties(properties)).await;
    }
    assert_eq!(bench.subscribe(&queue, 1).await.take(6).await, [2, 4, 3, 5, 1, 6]);
}
