//! Routing keys and binding patterns: one grammar and one matcher.
//!
//! Everything in Bloodbank that reads a routing key asks this crate: the macros while a program
//! compiles, the runtime while it runs, the tools and the tests. What can be is `const fn`.
//!
//! | text | checked by | example |
//! |---|---|---|
//! | key | [`check_key`] | `orders.order.placed` |
//! | template: a key with placeholders | [`check_template`] | `artifact.{action}` |
//! | value of a placeholder | [`check_segment`] | `created` |
//! | pattern: what a subscriber binds with | [`check_pattern`] | `orders.*`, `orders.#` |
//! | key of another program | [`check_wire_key`] | `fireflies.transcriptReady` |
//!
//! A key has two or more segments joined by dots; a segment is `[a-z][a-z0-9_]*`; the whole is at
//! most [`MAX_LEN`] bytes. In a pattern `*` is exactly one word and `#` zero or more, as in AMQP.
//!
//! ```
//! use bloodbank_routing::{check_template, covers, matches, overlaps};
//!
//! const _: () = assert!(check_template("artifact.{action}").is_ok());
//! const _: () = assert!(matches("artifact.*", "artifact.created"));
//! const _: () = assert!(covers("artifact.#", "artifact.{action}"));
//! const _: () = assert!(!overlaps("artifact.*.*", "artifact.{action}"));
//! ```
#![forbid(unsafe_code)]

mod binding_pattern;
mod error;
mod explain;
mod fill;
mod invalid_key;
mod key;
mod matching;
mod nearest;
mod routing_key;
mod snake_case;
mod suggest;
mod template;
mod text;
mod trie;
mod words;

pub use binding_pattern::BindingPattern;
pub use error::{KeyError, KeyErrorKind, MAX_LEN, Subject};
pub use explain::{explain, printable, suggestion};
pub use fill::FillError;
pub use invalid_key::InvalidKey;
pub use key::{
    check_key, check_pattern, check_segment, check_template, check_wire_key, check_wire_pattern, first_segment,
    is_failure_key,
};
pub use matching::{covers, matches, overlaps, template_matches};
pub use nearest::{nearest, nearest_within};
pub use routing_key::RoutingKey;
pub use suggest::suggest_pattern;
pub use template::{Segment, is_template, template_segments, template_to_pattern};
pub use trie::PatternTrie;
