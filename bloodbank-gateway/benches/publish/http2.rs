//! Requests over HTTP/2: many at a time on one connection, with as little of a client as can be. It reads no headers: that a
//! request was accepted shows in its answer, an envelope.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How one begins. It fits into one frame.
const ENVELOPE: &[u8] = b"{\"event_id\":";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, kind, flags, stream.
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOODBYE: u8 = 7;
const WINDOW: u8 = 8;
/// On data and headers; the same bit of settings and pings is `ACK`.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A request as two frames, on stream 0.
pub(crate) fn request(path: &str, media_type: &str, body: &str) -> Vec<u8> {
    // Names and common values are in the static table of HPACK: POST, http, `:path`, `:authority`, and so on.
    let mut block = vec![0x83, 0x86];
    let mut literal = |name: &[u8], value: &str| {
        block.extend_from_slice(name);
        block.push(u8::try_from(value.len()).ok().filter(|length| *length < 127).expect("a short value"));
        block.extend_from_slice(value.as_bytes());
    };
    literal(&[0x04], path);
    literal(&[0x01], "localhost");
    literal(&[0x0f, 0x10], media_type);
    literal(&[0x0f, 0x0d], &body.len().to_string());
    let mut request = frame(HEADERS, END_HEADERS, 0, &block);
    request.extend(frame(DATA, END_STREAM, 0, body.as_bytes()));
    request
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A connection with requests in flight.
pub(crate) struct Client {
    stream: TcpStream,
    output: Vec<u8>,
    next: u32,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let mut output = PREFACE.to_vec();
        // Each answer may be as long as it is, and so may all of them.
        let window = (i32::MAX as u32).to_be_bytes();
        output.extend(frame(SETTINGS, 0, 0, &[[0, 4].as_slice(), &window].concat()));
        output.extend(frame(WINDOW, 0, 0, &(i32::MAX as u32 - 65_535).to_be_bytes()));
        Self { stream, output, next: 1 }
    }

    /// Sends a request so often, so many at a time.
    pub(crate) async fn send(&mut self, request: &[u8], times: usize, at_a_time: usize) {
        let (mut sent, mut answered, mut filled) = (at_a_time.min(times), 0, 0);
        let mut input = vec![0; 256 * 1024];
        for _ in 0..sent {
            self.push(request);
        }
        while answered < times {
            if !self.output.is_empty() {
                self.stream.write_all(&self.output).await.expect("written");
                self.output.clear();
            }
            let read = self.stream.read(&mut input[filled..]).await.expect("read");
            assert!(read > 0, "the gateway closed the connection");
            filled += read;
            let mut at = 0;
            while let Some((kind, flags, payload)) = first_frame(&input[at..filled]) {
                at += HEAD + payload.len();
                let is_flagged = flags & END_STREAM != 0;
                if kind == DATA && !payload.is_empty() {
                    assert!(payload.starts_with(ENVELOPE), "{}", String::from_utf8_lossy(payload));
                }
                match kind {
                    DATA | HEADERS if is_flagged => {
                        answered += 1;
                        if sent < times {
                            sent += 1;
                            self.push(request);
                        }
                    }
                    SETTINGS if !is_flagged => self.output.extend(frame(SETTINGS, 1, 0, &[])),
                    PING if !is_flagged => self.output.extend(frame(PING, 1, 0, payload)),
                    RESET | GOODBYE => panic!("the gateway refused: {payload:?}"),
                    _ => {}
                }
            }
            input.copy_within(at..filled, 0);
            filled -= at;
        }
    }

    fn push(&mut self, request: &[u8]) {
        let start = self.output.len();
        self.output.extend(request);
        let headers = usize::from(u16::from_be_bytes([request[1], request[2]]));
        for head in [start, start + HEAD + headers] {
            self.output[head + 5..head + HEAD].copy_from_slice(&self.next.to_be_bytes());
        }
        self.next += 2;
    }
}

fn first_frame(input: &[u8]) -> Option<(u8, u8, &[u8])> {
    let (head, rest) = input.split_at_checked(HEAD)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    Some((head[3], head[4], rest.get(..length)?))
}
