//! `assert_compatible`: the events of this program against locked ones.
#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

use std::panic::catch_unwind;

use bloodbank::Registry;
use bloodbank::prelude::*;
use bloodbank_cli::schema::{Compatibility, Lock, assert_compatible};

/// A book was lent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "library.book.lent")]
struct BookLent {
    isbn: String,
    reader: Option<String>,
}

#[test]
fn a_breaking_change_fails_the_test_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.lock.json");
    let mut lock = Lock::of(Registry::global());
    lock.write(&path).unwrap();
    assert_compatible(&path, Compatibility::Full);

    // As if the locked version had required the reader: it does not read events without one.
    let schema = &mut lock.events.get_mut("library.book.lent").unwrap().schema;
    schema["required"] = serde_json::json!(["isbn", "reader"]);
    lock.write(&path).unwrap();
    assert_compatible(&path, Compatibility::Backward);
    let panic = catch_unwind(|| assert_compatible(&path, Compatibility::Full)).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("`library.book.lent` at \"/reader\": may be left out, but is required"), "{message}");

    let panic = catch_unwind(|| assert_compatible(folder.path().join("none"), Compatibility::Full)).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("`schema lock` writes it"));
}
