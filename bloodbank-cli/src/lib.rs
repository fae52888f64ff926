#![doc = include_str!("lib.md")]
#![forbid(unsafe_code)]

mod args;
mod bus;
mod door;
mod fault;
mod flow;
mod id;
mod output;
mod payload;
mod program;
mod project;
pub mod schema;
mod verbs;
mod when;

pub use program::{Program, main};
