//! As little of an HTTP client as can be, in a process of its own: what it costs is not the gateway's.

use std::{fmt::Write as _, fs, process::Stdio, time::Instant};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::http2;

/// The argument that makes this program the client.
pub(crate) const ARGUMENT: &str = "load";
/// This process, for [`processor_seconds`].
pub(crate) const SELF: &str = "self";

/// The rate of a round, and the processor time of each event.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    pub(crate) rate: f64,
    /// Microseconds of processor time of the process that publishes: gateway, bus, connection to the broker.
    pub(crate) server: f64,
    /// Microseconds of the process of the HTTP client.
    pub(crate) client: f64,
    /// Microseconds of the broker.
    pub(crate) broker: f64,
}

/// An order to the client: so many times the same request, over so many connections.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) address: &'a str,
    pub(crate) path: &'a str,
    pub(crate) media_type: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) connections: usize,
    /// The requests at a time in each connection. More than one is HTTP/2.
    pub(crate) at_a_time: usize,
    pub(crate) requests: usize,
    /// The status that each request must be answered with.
    pub(crate) status: u16,
}

/// The client, as its parent sees it.
pub(crate) struct Load {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Load {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { _child: child, input, output }
    }

    /// Sends requests; returns the seconds that they and the client's processor took.
    pub(crate) async fn send(&mut self, order: Order<'_>) -> (f64, f64) {
        let Order { address, path, media_type, body, connections, at_a_time, requests, status } = order;
        let length = body.len();
        let order = format!("{address} {path} {media_type} {connections} {at_a_time} {requests} {status} {length}\n");
        self.input.write_all(order.as_bytes()).await.expect("the client lives");
        self.input.write_all(body).await.expect("the client lives");
        self.input.flush().await.expect("the client lives");
        let answer = self.output.next_line().await.expect("read").expect("the client lives");
        let (seconds, processor) = answer.split_once(' ').expect("two numbers");
        (seconds.parse().expect("a number"), processor.parse().expect("a number"))
    }
}

/// The client: takes orders on its standard input until it ends.
pub(crate) fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut input = BufReader::new(tokio::io::stdin());
        let mut order = String::new();
        while input.read_line(&mut order).await.expect("read") > 0 {
            let line = std::mem::take(&mut order);
            let mut words = line.split_whitespace();
            let mut word = || words.next().expect("a word");
            let (address, path, media_type) = (word(), word(), word());
            let mut number = || word().parse::<usize>().expect("a number");
            let (connections, at_a_time, requests, status) = (number(), number(), number(), number() as u16);
            let mut body = vec![0; number()];
            input.read_exact(&mut body).await.expect("a body");
            let order = Order { address, path, media_type, body: &body, connections, at_a_time, requests, status };
            println!("{}", run(order).await);
        }
    });
}

async fn run(order: Order<'_>) -> String {
    let Order { address, connections, at_a_time, requests, status, .. } = order;
    let each = requests / connections;
    let (start, before);
    if at_a_time > 1 {
        let clients = join_all((0..connections).map(|_| http2::Client::connect(address))).await;
        (start, before) = (Instant::now(), processor_seconds(SELF));
        join_all(clients.iter().map(|client| client.send(order, each))).await;
    } else {
        let (request, expected) = (request(order), format!("HTTP/1.1 {status} "));
        let mut clients = join_all((0..connections).map(|_| Client::connect(address))).await;
        (start, before) = (Instant::now(), processor_seconds(SELF));
        join_all(clients.iter_mut().map(async |client| {
            for _ in 0..each {
                client.send(&request, expected.as_bytes()).await;
            }
        }))
        .await;
    }
    let mut answer = String::new();
    let _ = write!(answer, "{} {}", start.elapsed().as_secs_f64(), processor_seconds(SELF) - before);
    answer
}

/// A request as the text of HTTP/1.1.
pub(crate) fn request(Order { path, media_type, body, .. }: Order<'_>) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The processor time that all threads of a process have used.
pub(crate) fn processor_seconds(process: &str) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
    let nanos: u64 = tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum();
    nanos as f64 / 1e9
}

/// A connection that is kept, with buffers that are.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, buffer: vec![0; 256 * 1024] }
    }

    /// Sends a request and reads its answer, which must begin like this.
    pub(crate) async fn send(&mut self, request: &[u8], expected: &[u8]) {
        self.stream.write_all(request).await.expect("written");
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await.expect("read");
            assert!(read > 0, "the gateway closed the connection");
            filled += read;
            let answer = &self.buffer[..filled];
            if is_whole(answer) {
                assert!(answer.starts_with(expected), "{}", String::from_utf8_lossy(answer));
                return;
            }
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    // hyper writes names in lower case.
    const LENGTH: &[u8] = b"\ncontent-length: ";
    match head.windows(LENGTH.len()).position(|bytes| bytes == LENGTH) {
        Some(at) => {
            let digits = head[at + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            body.len() >= digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
        }
        // In chunks.
        None => body.ends_with(b"0\r\n\r\n"),
    }
}
