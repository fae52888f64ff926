//! The proxy in front of a server that echoes.
#![allow(clippy::unwrap_used, reason = "a failed test helper fails the test")]

mod support;

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use bloodbank_harness::{Direction, Ending, Proxy, until};
use support::{DEADLINE, open_files};

/// A server that sends everything back; it ends with the test process.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn says(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
    hears(stream, text);
}

fn hears(stream: &mut TcpStream, text: &str) {
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, text.as_bytes());
}

fn hears_nothing(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
}

#[test]
fn passes_bytes_and_ends_of_streams() {
    let proxy = Proxy::to(echo()).unwrap();
    let (mut one, mut two) = (connect(&proxy), connect(&proxy));
    says(&mut one, "hello");
    says(&mut two, "goodbye");
    assert_eq!(proxy.connections(), 2);
    assert_eq!(proxy.passed(Direction::ToServer), 12);
    assert_eq!(proxy.passed(Direction::ToClient), 12);

    let big = "x".repeat(3_000_000);
    let mut writer = one.try_clone().unwrap();
    let sent = thread::spawn({
        let big = big.clone();
        move || writer.write_all(big.as_bytes()).unwrap()
    });
    hears(&mut one, &big);
    sent.join().unwrap();

    drop(two);
    until("the closed connection is gone", DEADLINE, || proxy.connections() == 1).unwrap();
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_else() {
    let proxy = Proxy::to(echo()).unwrap();
    let (mut deaf, mut other) = (connect(&proxy), connect(&proxy));
    deaf.set_nonblocking(true).unwrap();
    let chunk = [0; 64 * 1024];
    // Until every buffer on the way there and back is full and stays full.
    let (mut count, mut still) = (0, 0);
    until("nothing more fits", DEADLINE, || {
        while deaf.write(&chunk).is_ok() {}
        let passed = proxy.passed(Direction::ToServer);
        still = if passed == count { still + 1 } else { 0 };
        count = passed;
        still == 5
    })
    .unwrap();
    let begun = Instant::now();
    for _ in 0..100 {
        says(&mut other, "hello");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    proxy.stall(Direction::ToClient);
    proxy.cut(Ending::Reset).unwrap();
}

#[test]
fn cuts_with_a_reset_or_an_end() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    says(&mut stream, "hello");
    proxy.cut(Ending::Reset).unwrap();
    assert_eq!(proxy.connections(), 0);
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut stream = connect(&proxy);
    says(&mut stream, "hello");
    proxy.cut(Ending::Close).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);

    proxy.refuse();
    let mut stream = connect(&proxy);
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    proxy.resume();
    says(&mut connect(&proxy), "hello");
}

#[test]
fn cuts_after_a_number_of_bytes() {
    let proxy = Proxy::to(echo()).unwrap();
    for ending in [Ending::Reset, Ending::Close] {
        let mut stream = connect(&proxy);
        says(&mut stream, "hello");
        proxy.cut_after(Direction::ToClient, 3, ending);
        stream.write_all(b"goodbye").unwrap();
        hears(&mut stream, "goo");
        match ending {
            Ending::Reset => {
                assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
            }
            Ending::Close => assert_eq!(stream.read(&mut [0]).unwrap(), 0),
        }
        says(&mut connect(&proxy), "once only");
    }
    let mut stream = connect(&proxy);
    proxy.cut_after(Direction::ToServer, 0, Ending::Close);
    stream.write_all(b"hello").unwrap();
    assert!(!matches!(stream.read(&mut [0]), Ok(1..)));

    let mut stream = connect(&proxy);
    proxy.cut_after(Direction::ToServer, 3, Ending::Reset);
    proxy.resume();
    says(&mut stream, "called off");
}

#[test]
fn stalls_one_direction_and_goes_on() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    says(&mut stream, "hello");

    proxy.stall(Direction::ToClient);
    stream.write_all(b"held").unwrap();
    until("the server has it", DEADLINE, || proxy.passed(Direction::ToServer) == 9).unwrap();
    hears_nothing(&mut stream);
    assert_eq!(proxy.passed(Direction::ToClient), 5);
    proxy.resume();
    hears(&mut stream, "held");

    proxy.stall(Direction::ToServer);
    stream.write_all(b"back").unwrap();
    hears_nothing(&mut stream);
    assert_eq!(proxy.passed(Direction::ToServer), 9);
    proxy.resume();
    hears(&mut stream, "back");

    proxy.stall(Direction::ToServer);
    proxy.stall(Direction::ToClient);
    let mut late = connect(&proxy);
    late.write_all(b"half open").unwrap();
    hears_nothing(&mut late);
    proxy.cut(Ending::Reset).unwrap();
    assert_eq!(late.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn throttles() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    proxy.throttle(Direction::ToClient, 1_000);
    let begun = Instant::now();
    says(&mut stream, &"x".repeat(800));
    let taken = begun.elapsed();
    assert!(taken >= Duration::from_millis(650), "too fast: {taken:?}");
    proxy.resume();
    says(&mut stream, &"x".repeat(100_000));
}

#[test]
fn injects_bytes() {
    let proxy = Proxy::to(echo()).unwrap();
    let mut stream = connect(&proxy);
    says(&mut stream, "hello");
    proxy.inject(Direction::ToClient, b"garbage").unwrap();
    hears(&mut stream, "garbage");
    proxy.inject(Direction::ToServer, b"echoed").unwrap();
    hears(&mut stream, "echoed");
}

#[test]
fn resets_clients_while_the_target_is_away_and_leaves_no_sockets() {
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let proxy = Proxy::to(away).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let target = echo();
    let before = open_files();
    let proxy = Proxy::to(target).unwrap();
    let mut streams: Vec<TcpStream> = (0..10).map(|_| connect(&proxy)).collect();
    for stream in &mut streams {
        says(stream, "hello");
    }
    proxy.stall(Direction::ToClient);
    drop(proxy);
    drop(streams);
    until("all sockets are closed", DEADLINE, || open_files() <= before).unwrap();
}
