//! Mistakes that must not compile, each with the message that it gives. Their legal neighbours are linked in `linking.rs`: as long
//! as every case here fails, `trybuild` checks all of them with one call of cargo, and compiles no machine code.
//!
//! `TRYBUILD=overwrite cargo test -p bloodbank-ui-tests --test ui` writes the messages anew; read the difference before committing it.
#![allow(clippy::unwrap_used, reason = "a message that cannot be read fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn mistakes_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/fail/*.rs");
    // It runs them when it is dropped.
    drop(cases);

    let messages = messages(Path::new("tests/ui"));
    for (file, message) in &messages {
        let lines = message.lines().count();
        assert!(lines <= LONGEST_CASE, "{} has {lines} lines: nobody reads more than {LONGEST_CASE}", file.display());
    }
    let mut lengths: Vec<_> = messages.iter().flat_map(|(_, message)| lines_per_error(message)).collect();
    lengths.sort_unstable();
    let (median, longest) = (lengths[lengths.len() / 2], lengths[lengths.len() - 1]);
    println!("{} errors; lines of an error: median {median}, maximum {longest}", lengths.len());
}

/// The most lines that the messages of a case have.
const LONGEST_CASE: usize = 40;

/// The expected messages of all cases, one file after the other.
fn messages(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut messages = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            messages.extend(self::messages(&path));
        } else if path.extension().is_some_and(|extension| extension == "stderr") {
            let message = fs::read_to_string(&path).unwrap();
            messages.push((path, message));
        }
    }
    messages
}

/// How many lines each error of a message has, with its notes and without the empty line after it.
fn lines_per_error(message: &str) -> Vec<usize> {
    let mut lengths = Vec::new();
    for line in message.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("error") {
            lengths.push(0);
        }
        if let Some(length) = lengths.last_mut() {
            *length += 1;
        }
    }
    lengths
}
