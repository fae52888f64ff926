//! The side of the tool: requests, and the answers that belong to them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use super::{
    PROTOCOL, socket,
    wire::{Answer, Call, Reply, Request},
};
use bloodbank_core::{Error, ErrorKind, Result};

/// The process behind a door answers the first request within this time.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// The connection of a tool to a door.
pub(super) struct Client {
    file: PathBuf,
    /// `None` once this side has closed the connection.
    requests: Mutex<Option<mpsc::UnboundedSender<Vec<u8>>>>,
    pending: Arc<Pending>,
    last: AtomicU64,
    reader: JoinHandle<()>,
}

/// Where the answers to requests go; `None` once the connection has ended.
type Pending = Mutex<Option<HashMap<u64, mpsc::UnboundedSender<Result<Answer>>>>>;

/// The answers to one request.
pub(super) struct Answers {
    pub(super) id: u64,
    pub(super) receiver: mpsc::UnboundedReceiver<Result<Answer>>,
    client: Arc<Client>,
}

impl Client {
    /// Connects to the door of the bus in this file; `None`: no process has it open.
    pub(super) async fn connect(file: &Path) -> Result<Option<Arc<Self>>> {
        let Ok(stream) = UnixStream::connect(socket(file)).await else { return Ok(None) };
        let (read, write) = stream.into_split();
        let (requests, waiting) = mpsc::unbounded_channel();
        let pending: Arc<Pending> = Arc::new(Mutex::new(Some(HashMap::new())));
        // Ends by itself, when it has written what was told last.
        tokio::spawn(write_requests(write, waiting));
        let reader = tokio::spawn(read_replies(read, Arc::clone(&pending)));
        let client = Arc::new(Self {
            file: file.to_owned(),
            requests: Mutex::new(Some(requests)),
            pending,
            last: AtomicU64::new(0),
            reader,
        });
        match timeout(HELLO_TIMEOUT, client.call(Call::Hello { protocol: PROTOCOL })).await {
            Ok(Ok(Answer::Hello { protocol: PROTOCOL, .. })) => Ok(Some(client)),
            Ok(Ok(Answer::Hello { version, .. })) => Err(Error::new(
                ErrorKind::Connection,
                format!(
                    "the process that has {} open is built with Bloodbank {version}, and this one with {}, which cannot talk to it; use the tools of that version",
                    file.display(),
                    env!("CARGO_PKG_VERSION")
                ),
            )),
            Ok(Ok(_) | Err(_)) => Ok(None),
            Err(_) => Err(Error::new(
                ErrorKind::Connection,
                format!("the process that has {} open does not answer; is it stopped?", file.display()),
            )),
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Sends a request with answers; they come in the order of the requests' effects.
    pub(super) fn send(self: &Arc<Self>, call: Call) -> Answers {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Some(pending) = &mut *self.pending.lock() {
            pending.insert(id, sender);
        }
        self.write(id, call);
        Answers { id, receiver, client: Arc::clone(self) }
    }

    /// Sends a request that has no answer.
    pub(super) fn tell(&self, call: Call) {
        self.write(0, call);
    }

    fn write(&self, id: u64, call: Call) {
        if let Ok(mut line) = serde_json::to_vec(&Request { id, call }) {
            line.push(b'\n');
            // Without the other side nobody answers, and that is what the caller is told.
            let _ = self.requests.lock().as_ref().map(|requests| requests.send(line));
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn call(self: &Arc<Self>, call: Call) -> Result<Answer> {
        self.send(call).next().await
    }

    /// Closes the connection, once everything that was told is written: the other side takes back what this one holds.
    pub(super) fn close(&self) {
        self.requests.lock().take();
        self.pending.lock().take();
    }

    fn gone(&self) -> Error {
        if self.requests.lock().is_none() {
            return Error::new(ErrorKind::Closed, "this way to the bus is closed; make a new one");
        }
        Error::new(
            ErrorKind::Connection,
            format!("the process that had {} open has ended; try again", self.file.display()),
        )
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Answers {
    pub(super) async fn next(&mut self) -> Result<Answer> {
        match self.receiver.recv().await {
            Some(answer) => answer,
            None => Err(self.client.gone()),
        }
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if let Some(pending) = &mut *self.client.pending.lock() {
            pending.remove(&self.id);
        }
    }
}

async fn write_requests(mut write: OwnedWriteHalf, mut requests: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = requests.recv().await {
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn read_replies(read: OwnedReadHalf, pending: Arc<Pending>) {
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(Reply { id, result }) = serde_json::from_str(&line) else { break };
        if let Some(answers) = pending.lock().as_ref().and_then(|pending| pending.get(&id)) {
            // Whoever asked may have gone.
            let _ = answers.send(result.map_err(Error::from));
        }
    }
    pending.lock().take();
}
