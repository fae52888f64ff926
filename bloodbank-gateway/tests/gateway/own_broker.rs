//! A gateway whose broker is away: with a broker of its own, which takes a processor for seconds when it starts.

use std::time::Duration;

use bloodbank_core::{Bus, Settings};
use bloodbank_harness::{Ending, Proxy, RabbitMq};
use tokio::time::timeout;

use crate::{
    streams::{Events, TIMEOUT, publish},
    support::{PROMPT, serve_with},
};

/// A bus on this broker, through this port.
async fn bus_through(broker: &RabbitMq, port: u16) -> Bus {
    let vars = [("RABBIT_URL", broker.url_through(port)), ("BLOODBANK_PUBLISH_TIMEOUT_MS", "60000".to_owned())];
    Bus::connect(Settings::from_vars(vars).expect("settings")).await.expect("it connects")
}

/// The gateway is cut off, others publish, the broker is killed and started again, others publish once more: streams have
/// every event once, in the order in which it was published.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_misses_nothing_while_the_broker_is_away() {
    let broker = RabbitMq::start().unwrap();
    let proxy = Proxy::to(broker.port()).unwrap();
    let gateway = serve_with(bus_through(&broker, proxy.port()).await, |builder| builder).await;
    let mut stream = Events::open(&gateway, "/events/stream?pattern=llm.*", None).await;
    let before = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    assert_eq!(stream.next().await.unwrap().0, before);

    proxy.refuse();
    proxy.cut(Ending::Reset).unwrap();
    let other = bus_through(&broker, broker.port()).await;
    let mut missed = Vec::new();
    for round in 0..2 {
        if round == 1 {
            tokio::task::block_in_place(|| {
                broker.kill().unwrap();
                broker.start_again().unwrap();
            });
        }
        for _ in 0..20 {
            let receipt = other.publish_value("llm.prompt", &*PROMPT).await.unwrap();
            missed.push(receipt.event_id.to_string());
        }
    }
    assert!(timeout(Duration::from_millis(300), stream.next()).await.is_err(), "the gateway was cut off");
    proxy.resume();
    for id in &missed {
        let event = timeout(TIMEOUT, stream.next()).await.expect("one is missing");
        assert_eq!(event.unwrap().0, *id);
    }
    let live = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    assert_eq!(stream.next().await.unwrap().0, live);
    // A client that was away meanwhile can resume.
    let mut resumed = Events::open(&gateway, "/events/stream?pattern=llm.*", Some(&before)).await;
    assert_eq!(resumed.response.headers()["bloodbank-resumed"], "true");
    for id in missed.iter().chain([&live]) {
        assert_eq!(resumed.next().await.unwrap().0, *id);
    }
}
