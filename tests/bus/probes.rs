//! Probes of an app: alive, ready, and measured.

use std::time::Duration;

use crate::common::{memory, soon};
use bloodbank::{ErrorKind, prelude::*};
use bloodbank_harness::{Port, unique};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "probes.pulse.felt")]
struct PulseFelt {}

#[subscriber]
async fn feel(_: PulseFelt) {}

#[subscriber]
async fn count_beats(_: PulseFelt) {}

/// The status and the body of an answer; `None`: nobody listens, or not to the end.
async fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: probes\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_answers_probes_until_it_ends() {
    let (port, bus) = (Port::free().unwrap(), memory().await);
    let address = format!("127.0.0.1:{}", port.number());
    let service = unique("svc");
    let app = App::new(&*service, bus.clone()).subscribe(feel).probes(&*address).start().await.unwrap();
    // A second app of the process answers at the same address.
    let other = App::new(unique("svc"), bus.clone()).subscribe(count_beats).probes(&*address).start().await.unwrap();
    let (status, body) = get(&address, "/healthz").await.unwrap();
    assert!(status == 200 && body.contains("\"healthy\""), "{body}");
    let (status, body) = get(&address, "/readyz").await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["bus"]["status"]), (200, &"ok".into()), "{body}");
    let subscribers = body["workers"]["subscribers"].as_array().unwrap();
    assert_eq!(subscribers.len(), 2, "{body}");
    assert_eq!(subscribers[0]["queue"], format!("{service}.feel"), "{body}");
    assert_eq!(subscribers[0]["status"], "ok");
    bus.publish(PulseFelt {}).await.unwrap();
    soon("a count", async {
        while !get(&address, "/metrics").await.unwrap().1.contains("bloodbank_handled_total") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let probe = app.probe();
    app.shutdown().await.unwrap();
    assert!(!probe.health().ready && probe.health().subscribers.iter().all(|subscriber| !subscriber.running));
    assert_eq!(get(&address, "/readyz").await.unwrap().0, 503, "one of them has ended");
    drop(other);
    soon("the end", async {
        while get(&address, "/healthz").await.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let app = App::new(unique("svc"), memory().await).subscribe(feel).probes(&*address);
    let error = app.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains(&address) && error.to_string().contains("BLOODBANK_PROBES"), "{error}");
}
