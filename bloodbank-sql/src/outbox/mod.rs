//! The outbox: events that are written in the user's transaction, and published when it has committed.
//!
//! Rows are a work queue. A relay claims some with a lease on the database's clock, publishes them through the in-flight
//! window, and deletes what was confirmed. What can never be published is parked in the table. Any number of relays share
//! the work.

mod claim;
mod extend;
mod insert;
mod relay;
mod table;
mod wake;
mod worker;

pub(crate) use claim::{forget, millis, release};
pub use extend::{AppExt, BusExt, InTransaction, Outbox, OutboxReceipt};
pub use insert::{INSERT, OutboxRow};
pub use relay::Relay;
pub use table::{Backlog, OutboxEntry, OutboxTable};
