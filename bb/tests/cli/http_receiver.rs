//! Who is posted to: a receiver of webhooks, and a collector of traces.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
};

use crate::support::TIMEOUT;

/// A request as it arrived, body included, and what is answered to it: 200.
pub(crate) struct HttpReceiver {
    pub(crate) url: String,
    requests: Receiver<Request>,
}

pub(crate) struct Request {
    /// The first line and the headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl HttpReceiver {
    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut answers = stream;
                    while let Some(request) = read(&mut reader) {
                        let _ = sender.send(request);
                        let _ = answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                    }
                });
            }
        });
        Self { url, requests }
    }

    /// The next request whose head contains a text in lower case.
    pub(crate) fn next(&self, part: &str) -> Request {
        loop {
            let request = self.requests.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("no request with {part:?}"));
            if request.head.contains(part) {
                return request;
            }
        }
    }
}

/// Reads a request; `None` at the end of the connection.
fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |text| text.trim().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}
