//! The macros of Bloodbank. Services use them through the facade crate `bloodbank`.
//!
//! Each macro is a folder: `attr` parses the attribute, `ast` the item, `check` finds every mistake, `expand` generates the code,
//! and `fallback` generates implementations after a mistake, so that one mistake gives one message.
#![forbid(unsafe_code)]

mod command;
mod ctxt;
mod doc_comment;
mod duration;
mod event;
mod event_set;
mod guard;
mod handling;
mod key;
mod numbers;
mod options;
mod rate;
mod replay;
mod retry;
mod segment;
mod spans;
mod subscriber;

use proc_macro::TokenStream;
use syn::parse_macro_input;

#[doc = include_str!("docs/event.md")]
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    event::derive(&parse_macro_input!(input)).into()
}

#[doc = include_str!("docs/event_set.md")]
#[proc_macro_derive(EventSet, attributes(event_set))]
pub fn derive_event_set(input: TokenStream) -> TokenStream {
    event_set::derive(&parse_macro_input!(input)).into()
}

#[doc = include_str!("docs/routing_segment.md")]
#[proc_macro_derive(RoutingSegment, attributes(segment))]
pub fn derive_routing_segment(input: TokenStream) -> TokenStream {
    segment::derive(&parse_macro_input!(input)).into()
}

#[doc = include_str!("docs/subscriber.md")]
#[proc_macro_attribute]
pub fn subscriber(options: TokenStream, item: TokenStream) -> TokenStream {
    subscriber::attribute(options.into(), item.into()).into()
}

#[doc = include_str!("docs/command.md")]
#[proc_macro_attribute]
pub fn command(options: TokenStream, item: TokenStream) -> TokenStream {
    command::attribute(options.into(), item.into()).into()
}

#[doc = include_str!("docs/replay.md")]
#[proc_macro_attribute]
pub fn replay(options: TokenStream, item: TokenStream) -> TokenStream {
    replay::attribute(options.into(), item.into()).into()
}

#[doc = include_str!("docs/routing_key.md")]
#[proc_macro]
pub fn routing_key(input: TokenStream) -> TokenStream {
    key::routing_key(input.into()).into()
}

#[doc = include_str!("docs/pattern.md")]
#[proc_macro]
pub fn pattern(input: TokenStream) -> TokenStream {
    key::pattern(input.into()).into()
}
