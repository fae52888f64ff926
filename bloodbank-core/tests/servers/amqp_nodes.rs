//! Several addresses of one broker, as a cluster has them.

use std::{net::TcpListener, sync::Arc, time::Instant};

use bloodbank_amqp::Amqp;
use bloodbank_core::transport::{Consume, Publish, Transport, topology::Topology};
use bloodbank_harness::{Ending, Proxy};

use crate::amqp_support::{PATIENCE, blocking, connect_to, eventually, name, settings, shared_url, to_queue};

/// The address of a node behind another port.
fn at(url: &str, port: u16) -> String {
    let (front, rest) = url.rsplit_once(':').unwrap();
    format!("{front}:{port}{}", &rest[rest.find('/').unwrap()..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_answer_is_passed_over() {
    let url = shared_url().await;
    // One where nothing listens, and one that accepts connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nodes = [at(&url, 1), at(&url, silent.local_addr().unwrap().port()), url];
    for first in 0..nodes.len() {
        let urls = [&nodes[first], &nodes[(first + 1) % 3], &nodes[(first + 2) % 3]].map(String::as_str).join(",");
        let begin = Instant::now();
        let amqp = connect_to(&urls).await;
        assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
        amqp.close().await;
    }
    let refused = Amqp::connect(&settings(&[&*nodes[0], &*nodes[0]].join(", "))).await.unwrap_err().to_string();
    assert!(refused.contains("nor does another node") && !refused.contains("guest:guest"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_move_to_another_node_when_their_own_is_gone() {
    let url = shared_url().await;
    let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    let proxies = blocking(move || [Proxy::to(port).unwrap(), Proxy::to(port).unwrap()].map(Arc::new)).await;
    let urls = [&proxies[0], &proxies[1]].map(|proxy| at(&url, proxy.port())).join(",");
    let amqp = connect_to(&urls).await;
    assert_eq!(amqp.connections().len(), 2);
    let queue = name("nowhere");
    amqp.publish(to_queue(&queue, "before")).await.unwrap();
    // Each of them goes in turn; the one that goes is down from then on.
    for round in 0..2 {
        let (gone, other) = match proxies[0].connections() {
            0 => (&proxies[1], &proxies[0]),
            _ => (&proxies[0], &proxies[1]),
        };
        assert_eq!((gone.connections(), other.connections()), (2, 0), "both are on one node, round {round}");
        let down = Arc::clone(gone);
        blocking(move || {
            down.refuse();
            down.cut(Ending::Reset).unwrap();
        })
        .await;
        eventually("both are on the other node", || async { other.connections() == 2 }).await;
        amqp.publish(to_queue(&queue, "after")).await.unwrap();
        amqp.declare(Topology::default()).await.unwrap();
        gone.resume();
    }
    amqp.close().await;
}
