//! Bloodbank and SQL: the user's transaction, the event and the mark in one commit, on PostgreSQL and SQLite.
//!
//! - [`BusExt::outbox`] writes events into a transaction of `sqlx`; they are published if, and only if, it commits.
//! - [`AppExt::outbox`] runs the relay, which publishes what was committed, beside the subscribers of an app.
//! - [`Tx`] is the transaction of a `#[subscriber(transactional)]`: the mark of the event, what the handler writes, and its
//!   follow-ups.
//! - [`Schema`] creates the tables, and tells whether they are there.
//! - [`outbox::OutboxRow`] gives the parameters of a row to programs that use another library, and [`outbox::INSERT`] the
//!   statement.
//! - [`PostgresJournal`] is a journal in PostgreSQL, which a [`JournalWriter`] fills from that of the bus.
//! - [`SqlLinks`], [`SqlLeases`] and [`SqlClaims`] keep what others keep in Redis.
//!
//! The types are those of `sqlx`: its `Pool`, its `Transaction`.
#![forbid(unsafe_code)]

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod any;
mod database;
mod error;
#[cfg(feature = "postgres")]
mod journal;
#[cfg(feature = "sqlite")]
mod memory;
pub mod outbox;
mod schema;
mod stores;
mod transaction;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use any::AnyPool;
pub use database::{AsConnection, Database, Dialect, Value};
#[cfg(feature = "postgres")]
pub use journal::{JournalTableStatus, JournalWriter, PostgresJournal};
#[cfg(feature = "sqlite")]
pub use memory::sqlite_in_memory;
pub use outbox::{AppExt, BusExt};
pub use schema::{Schema, SchemaStatus};
pub use stores::{SqlClaims, SqlLeases, SqlLinks, SqlParkedKeys};
pub use transaction::Tx;
