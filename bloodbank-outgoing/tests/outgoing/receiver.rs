//! A receiver of webhooks in this process.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// A request as it arrived.
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    requests: mpsc::UnboundedReceiver<Request>,
    answers: Answers,
}

/// The statuses of the next answers; 200 when there are none.
type Answers = Arc<Mutex<VecDeque<u16>>>;

impl Receiver {
    /// Listens on a free port.
    pub(crate) async fn listen(path: &str) -> Self {
        let answers = Answers::default();
        let (sender, requests) = mpsc::unbounded_channel();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let router = Router::new().fallback(post(take)).with_state((sender, Arc::clone(&answers)));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, requests, answers }
    }

    pub(crate) fn answers<const N: usize>(&mut self, statuses: [u16; N]) {
        self.answers.lock().extend(statuses);
    }

    pub(crate) async fn next(&mut self) -> Request {
        self.requests.recv().await.unwrap()
    }

    /// Whether no request came beside those that were looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

async fn take(
    State((requests, answers)): State<(mpsc::UnboundedSender<Request>, Answers)>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let status = answers.lock().pop_front().unwrap_or(200);
    requests.send(Request { headers, body }).unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    // A redirect leads here again.
    (status, [(header::LOCATION, "/elsewhere")], if status.is_success() { "" } else { "not today" })
}
