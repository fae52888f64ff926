//! Requests over HTTP/2: many at a time in one connection.

use axum::http::{Method, Request, header};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use h2::client::{self, SendRequest};
use tokio::net::TcpStream;

use crate::load::Order;

/// The beginning of an envelope, which answers each request.
const ENVELOPE: &[u8] = b"{\"event_id\":";
/// Large enough for every answer of a round.
const WINDOW: u32 = i32::MAX as u32;

/// A connection with requests in flight.
pub(crate) struct Client(SendRequest<Bytes>);

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let mut builder = client::Builder::new();
        builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
        let (sender, connection) = builder.handshake(stream).await.expect("the server speaks HTTP/2");
        tokio::spawn(async { connection.await.expect("the server keeps the connection") });
        Self(sender)
    }

    /// Sends the request of an order so often, so many at a time.
    pub(crate) async fn send(&self, order: Order<'_>, times: usize) {
        let answers = stream::iter(0..times).map(|_| self.send_once(order)).buffer_unordered(order.at_a_time);
        answers.for_each(|()| async {}).await;
    }

    async fn send_once(&self, order: Order<'_>) {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://localhost{}", order.path))
            .header(header::CONTENT_TYPE, order.media_type)
            .body(())
            .expect("a request");
        let mut sender = self.0.clone().ready().await.expect("the connection is open");
        let (response, mut body) = sender.send_request(request, false).expect("the connection is open");
        body.send_data(Bytes::copy_from_slice(order.body), true).expect("the stream is open");
        let response = response.await.expect("an answer");
        assert_eq!(response.status().as_u16(), order.status);
        let first = response.into_body().data().await.expect("a body").expect("unbroken");
        assert!(first.starts_with(ENVELOPE), "{}", String::from_utf8_lossy(&first));
    }
}
