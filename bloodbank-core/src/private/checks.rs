//! Checks for mistakes that no macro can see, because they concern two declarations. Macros put these calls into
//! constants, so that they are made while the program compiles; `track_caller` makes the compiler point at the user's
//! token.
//!
//! An empty key belongs to a declaration with a mistake of its own, which has been reported.

use super::sentence::Sentence;
use crate::{event::Declaration, routing::overlaps};

/// Checks that the pattern of a subscriber can match the key of every event it receives.
#[track_caller]
pub const fn check_pattern(pattern: &str, events: &[&Declaration]) {
    let mut i = 0;
    while i < events.len() {
        let Declaration { routing_key, name, .. } = events[i];
        if !routing_key.is_empty() && !overlaps(pattern, routing_key) {
            let sentence = Sentence::EMPTY
                .text("pattern ")
                .code(pattern)
                .text(" never matches ")
                .code(routing_key)
                .text(", the routing key of ")
                .code(name)
                .text("; write ")
                .proposals(pattern, routing_key);
            panic!("{}", sentence.as_str());
        }
        i += 1;
    }
}

/// Checks that the last event of a set shares its key with none before it.
#[track_caller]
pub const fn check_variant(events: &[&Declaration]) {
    let [others @ .., this] = events else { return };
    let mut i = 0;
    while i < others.len() {
        let other = others[i];
        if !this.routing_key.is_empty() && overlaps(this.routing_key, other.routing_key) {
            let sentence = Sentence::EMPTY
                .text("the routing key ")
                .code(this.routing_key)
                .text(" of ")
                .code(this.name)
                .text(" is also that of ")
                .code(other.name)
                .text(" in this set; remove one of the two variants");
            panic!("{}", sentence.as_str());
        }
        i += 1;
    }
}

/// Checks that a subscriber with `batch` takes a list of events, and one without does not. `None`: its first argument was
/// reported.
#[track_caller]
pub const fn check_batch(is_list: Option<bool>, has_option: bool) {
    let Some(is_list) = is_list else { return };
    assert!(is_list || !has_option, "a batch is a list of events; take `Vec<…>` of the event, or remove `batch`");
    assert!(
        !is_list || has_option,
        "a list of events is a batch; write `#[subscriber(batch(max = 100, within = \"1s\"))]`, or take one event"
    );
}

/// Checks that a subscriber of plain JSON takes one event: nothing in the body says which one it is.
#[track_caller]
pub const fn check_plain(events: &[&Declaration]) {
    assert!(
        events.len() == 1,
        "plain JSON does not say which event it is; take one event in place of a set, or messages in envelopes"
    );
}

/// Checks that a version has another key than the one it supersedes.
#[track_caller]
pub const fn check_superseded(new: &Declaration, old: &Declaration) {
    if !new.routing_key.is_empty() && overlaps(new.routing_key, old.routing_key) {
        let sentence = Sentence::EMPTY
            .code(new.name)
            .text(" has the routing key ")
            .code(new.routing_key)
            .text(" of ")
            .code(old.name)
            .text(", which it supersedes; give the new version a key of its own");
        panic!("{}", sentence.as_str());
    }
}
