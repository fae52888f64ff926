#![doc = include_str!("lib.md")]
#![forbid(unsafe_code)]

mod app;
mod args;
mod command_line;
mod connect;
mod database;
mod error;
mod linked;
mod output;
mod program;
mod program_name;
mod receipt;
mod runtime;
pub mod schema;
mod verbs;

// Named here, it is linked into every command line: `RABBIT_URL` alone chooses it.
use bloodbank_amqp as _;

pub use program::{Program, main};

/// The example of the book's page about the command line.
#[cfg(doctest)]
#[doc = include_str!("../../docs/src/cli.md")]
mod cli_docs {}

/// The example of the book's page about schemas.
#[cfg(doctest)]
#[doc = include_str!("../../docs/src/cli/schemas.md")]
mod schemas_docs {}
