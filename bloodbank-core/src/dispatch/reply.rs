//! Answers to requesters.

/// The requests of this bus that wait for an answer.
#[derive(Debug, Default)]
pub struct Replies;
