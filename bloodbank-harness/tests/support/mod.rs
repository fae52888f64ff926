#![allow(clippy::unwrap_used, reason = "a failed test helper fails the test")]
#![allow(dead_code, reason = "every test file uses some of it")]

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The first byte a broker answers to the AMQP protocol header; `None` when it does not answer in time.
pub(crate) fn amqp_answer(port: u16) -> Option<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.write_all(b"AMQP\0\0\x09\x01").ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    Some(first[0])
}

/// Sends one inline Redis command and returns the beginning of the answer.
pub(crate) fn redis_answer(port: u16, command: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut answer = [0; 256];
    let read = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..read]).into_owned())
}

/// The first byte that PostgreSQL answers to a start-up packet: `R` where it accepts the connection.
pub(crate) fn postgres_answer(port: u16) -> Option<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.write_all(b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0").ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    Some(first[0])
}

/// State and parent of a process; `None` when there is none.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// Whether a process is running; a zombie is not.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The running descendants of a process.
pub(crate) fn descendants(root: u32) -> BTreeSet<u32> {
    let all: Vec<(u32, u32)> = pids().into_iter().filter_map(|pid| Some((pid, stat(pid)?.1))).collect();
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for &(pid, _) in all.iter().filter(|&&(_, of)| of == parent) {
            if is_alive(pid) && found.insert(pid) {
                open.push(pid);
            }
        }
    }
    found
}

/// The processes that work in a folder or were given its path.
pub(crate) fn users_of(folder: &Path) -> BTreeSet<u32> {
    let name = folder.to_str().unwrap();
    pids()
        .into_iter()
        .filter(|&pid| is_alive(pid))
        .filter(|pid| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            cwd.starts_with(folder)
                || [read("cmdline"), read("environ")].iter().any(|text| String::from_utf8_lossy(text).contains(name))
        })
        .collect()
}

pub(crate) fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}
