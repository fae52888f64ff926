//! The stream of events of a gateway whose connection breaks.

use std::{pin::pin, sync::mpsc};

use bloodbank::Settings;
use bloodbank_client::{ClientError, GatewayClient, GatewayEvent, GatewayFile};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const FIRST: &str = "6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11";

/// A gateway that answers each request for the stream with the next of these, then closes the connection. The requests
/// come through the channel.
async fn gateway(answers: Vec<Vec<&'static [u8]>>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(connection.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let parts = if request.starts_with("GET /healthz") {
                vec![&b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"[..]]
            } else {
                sender.send(request).unwrap();
                answers.next().unwrap()
            };
            for part in parts {
                connection.write_all(part).await.unwrap();
                connection.flush().await.unwrap();
            }
        }
    });
    (url, requests)
}

async fn client(url: &str) -> (tempfile::TempDir, GatewayFile, Settings, GatewayClient) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db");
    let settings = Settings::from_vars([("BLOODBANK_EMBEDDED_PATH", path.to_str().unwrap())]).unwrap();
    let file = GatewayFile::write(&settings, url).unwrap().unwrap();
    let client = GatewayClient::find(&settings).await.unwrap().unwrap();
    (folder, file, settings, client)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const RESUMED: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nbloodbank-resumed: true\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_broken_stream_goes_on_after_its_last_event() {
    let (url, requests) = gateway(vec![
        // In pieces, one of which ends within a character.
        vec![
            OK,
            b": subscribed\n\nevent: a.b\nid: 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11\nda",
            b"ta: {\"n\": \"\xc3",
            b"\xbc\"}\n\nid: half",
        ],
        vec![RESUMED, b"data: {\"n\": 2}\n\n"],
        vec![b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"],
    ])
    .await;
    let (_folder, _file, settings, client) = client(&url).await;
    let mut events = pin!(client.events(&settings, "a.#", None).await.unwrap());
    let envelope = |text: &'static str| GatewayEvent::Envelope(text.as_bytes().into());
    assert_eq!(events.next().await.unwrap().unwrap(), envelope("{\"n\": \"ü\"}"));
    assert!(!requests.recv().unwrap().contains("last-event-id"));
    let resumed = events.next().await.unwrap().unwrap();
    assert!(matches!(resumed, GatewayEvent::Resumed { is_complete: true, .. }), "{resumed:?}");
    let request = requests.recv().unwrap();
    assert!(request.contains(&format!("last-event-id: {FIRST}")), "half an event does not count: {request}");
    assert!(request.contains("pattern=a.%23"), "{request}");
    assert_eq!(events.next().await.unwrap().unwrap(), envelope("{\"n\": 2}"));
    let refused = events.next().await.unwrap().unwrap_err();
    assert!(matches!(refused, ClientError::GatewayRefused { status: 401, .. }), "{refused}");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_gateway_elsewhere_is_found_again_and_may_have_forgotten() {
    let (first, _requests) = gateway(vec![vec![OK, b"id: 1\ndata: {}\n\n"]]).await;
    let (_folder, file, settings, client) = client(&first).await;
    let mut events = pin!(client.events(&settings, "#", None).await.unwrap());
    events.next().await.unwrap().unwrap();
    drop(file);
    let (second, requests) = gateway(vec![vec![OK, b"id: 2\ndata: []\n\n"]]).await;
    let _file = GatewayFile::write(&settings, &second).unwrap();
    assert_eq!(
        events.next().await.unwrap().unwrap(),
        GatewayEvent::Resumed { url: second, is_complete: false },
        "the answer does not say that it was resumed"
    );
    assert!(requests.recv().unwrap().contains("last-event-id: 1"));
    assert_eq!(events.next().await.unwrap().unwrap(), GatewayEvent::Envelope("[]".into()));
}

#[test]
fn the_address_goes_with_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db");
    let settings = Settings::from_vars([("BLOODBANK_EMBEDDED_PATH", path.to_str().unwrap())]).unwrap();
    let file = GatewayFile::write(&settings, "http://127.0.0.1:1").unwrap().unwrap();
    assert!(folder.path().join("bus.db-gateway").exists());
    drop(file);
    assert!(!folder.path().join("bus.db-gateway").exists());
    let rabbit = Settings::from_vars([("RABBIT_URL", "amqp://127.0.0.1:1/")]).unwrap();
    assert!(GatewayFile::write(&rabbit, "http://127.0.0.1:1").unwrap().is_none(), "RabbitMQ needs no gateway");
}
