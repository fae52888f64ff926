//! The health of a program, for probes, dashboards and people.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    publish::Bus,
    transport::{Connection, ConnectionState},
};

/// The health of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether the program itself works; if `false`, only a restart helps.
    pub live: bool,
    /// Whether the program can do its work now; if `false` on a live program, it waits for the broker and resumes by
    /// itself, or is shutting down.
    pub ready: bool,
    /// The overall state.
    pub state: HealthState,
    /// The reasons why the program is not healthy; empty if it is.
    pub reasons: Vec<String>,
    /// The connections to the broker, by name; none on the embedded bus.
    pub connections: Vec<(&'static str, ConnectionState)>,
    /// The subscribers of the app, by queue; none for a bus alone.
    pub subscribers: Vec<SubscriberHealth>,
}

/// The health of a subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubscriberHealth {
    /// The queue of the subscriber.
    pub queue: Arc<str>,
    /// Whether it is at work: not once it has ended, or the app is told to stop.
    pub running: bool,
    /// Whether it is paused, and takes no events until it is resumed.
    pub paused: bool,
}

/// The overall state of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Everything works.
    Healthy,
    /// The program does its work, but something is or was amiss: a connection was lost lately, the broker accepts no
    /// messages for now, correlation is not recorded, an outbox cannot be read, or a subscriber is paused or
    /// cannot put aside what has failed.
    Degraded,
    /// The program does not do its work.
    Unhealthy,
}

/// The time after a reconnect for which it is reported.
const LATELY: Duration = Duration::from_secs(60);

impl Bus {
    /// The health of the bus, for probes.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(self)
    }
}

impl Health {
    fn of(bus: &Bus) -> Self {
        let mut health = Self {
            live: !bus.is_closed(),
            ready: true,
            state: HealthState::Healthy,
            reasons: Vec::new(),
            connections: Vec::new(),
            subscribers: Vec::new(),
        };
        if !health.live {
            health.worsen(HealthState::Unhealthy, "the bus is closed; make a new one".to_owned());
        }
        for Connection { name, state, reconnected } in bus.transport().connections() {
            let state = *state.borrow();
            health.connections.push((name, state));
            match state {
                ConnectionState::Up => {
                    if let Some(ago) = reconnected.filter(|ago| *ago < LATELY) {
                        let text = format!("the connection `{name}` was lost and made again {} s ago", ago.as_secs());
                        health.worsen(HealthState::Degraded, text);
                    }
                }
                ConnectionState::Blocked => health.worsen(
                    HealthState::Degraded,
                    format!("the broker accepts nothing on the connection `{name}` for now; give it memory or disk"),
                ),
                ConnectionState::Connecting | ConnectionState::Down => health.worsen(
                    HealthState::Unhealthy,
                    format!(
                        "the connection `{name}` is lost and is tried again and again; check that the broker is up"
                    ),
                ),
            }
        }
        for trouble in bus.troubles() {
            health.worsen(HealthState::Degraded, trouble);
        }
        if bus.correlation().is_some_and(|correlation| !correlation.health().available) {
            health.worsen(HealthState::Degraded, "correlation is not recorded; check its store".to_owned());
        }
        health
    }

    /// The health of two apps of one program together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let Self { live, ready, state, reasons, connections, subscribers } = other;
        self.live &= live;
        self.ready &= ready;
        self.state = self.state.max(state);
        for reason in reasons {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
        for connection in connections {
            if !self.connections.contains(&connection) {
                self.connections.push(connection);
            }
        }
        self.subscribers.extend(subscribers);
        self
    }

    pub(super) fn worsen(&mut self, state: HealthState, reason: String) {
        self.state = self.state.max(state);
        self.ready &= state != HealthState::Unhealthy;
        self.reasons.push(reason);
    }
}
