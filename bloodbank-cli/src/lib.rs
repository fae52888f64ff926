#![doc = include_str!("lib.md")]
#![forbid(unsafe_code)]

mod app;
mod args;
mod command_line;
mod connect;
mod error;
mod output;
mod program;
mod program_name;
mod receipt;
mod runtime;
pub mod schema;
mod verbs;

pub use program::{Program, main};
