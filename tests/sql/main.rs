//! Bloodbank and SQL, on SQLite and on PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a failed test helper fails the test")]

mod clock;
mod commit_thief;
mod database;
mod faults;
mod journal;
mod kill_points;
mod kills;
mod notifications;
mod other_libraries;
mod outbox;
mod schema;
mod stores;
mod tls;
mod transactional;

use bloodbank::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
pub(crate) struct OrderPlaced {
    pub(crate) order_id: String,
    pub(crate) cents: i64,
}

/// Nobody subscribes to it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.forgotten")]
pub(crate) struct OrderForgotten {
    pub(crate) order_id: String,
}

pub(crate) fn placed(number: i64) -> OrderPlaced {
    OrderPlaced { order_id: format!("o-{number}"), cents: number }
}
