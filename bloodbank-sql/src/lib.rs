//! Bloodbank and SQL: the user's transaction, the event and the mark in one commit, on PostgreSQL and SQLite.
//!
//! - [`BusExt::outbox`] writes events into a transaction of `sqlx`; they are published if, and only if, it commits.
//! - [`AppExt::outbox`] runs the relay, which publishes what was committed, beside the subscribers of an app.
//! - [`Tx`] is the transaction of a `#[subscriber(transactional)]`: the mark of the event, what the handler writes, and its
//!   follow-ups.
//! - [`Schema`] creates the tables, and tells whether they are there.
//! - [`outbox::insert`] gives the statement and the parameters of a row to programs that use another library.
//!
//! The types are those of `sqlx`: its `Pool`, its `Transaction`.
#![forbid(unsafe_code)]

mod database;
mod error;
pub mod outbox;
mod schema;
mod transaction;

pub use database::{AsConnection, Database, Dialect, Value};
pub use outbox::{AppExt, BusExt};
pub use schema::{Schema, SchemaStatus};
pub use transaction::Tx;
