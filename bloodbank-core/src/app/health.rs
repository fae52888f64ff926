//! Whether a program works: for probes, dashboards and people.

use std::time::Duration;

use serde::Serialize;

use crate::{
    publish::Bus,
    transport::{Connection, ConnectionState},
};

/// Whether a program works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The program itself works; `false`: only a restart helps.
    pub live: bool,
    /// It can do its work now; `false`: it waits for the broker, and goes on by itself.
    pub ready: bool,
    /// The sum of it.
    pub state: HealthState,
    /// Why it is not healthy; empty where it is.
    pub reasons: Vec<String>,
    /// The connections to the broker, by name; none on the embedded bus.
    pub connections: Vec<(&'static str, ConnectionState)>,
}

/// How well a program works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Everything works.
    Healthy,
    /// It does its work, but something is or was amiss: a connection was lost lately, the broker accepts nothing for now,
    /// correlation is not recorded.
    Degraded,
    /// It does not do its work.
    Unhealthy,
}

/// So long after a connection was made again it is worth a mention.
const LATELY: Duration = Duration::from_secs(60);

impl Bus {
    /// Whether it works: for probes.
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
        if bus.correlation().is_some_and(|correlation| !correlation.health().available) {
            health.worsen(HealthState::Degraded, "correlation is not recorded; check its store".to_owned());
        }
        health
    }

    pub(super) fn worsen(&mut self, state: HealthState, reason: String) {
        self.state = self.state.max(state);
        self.ready &= state != HealthState::Unhealthy;
        self.reasons.push(reason);
    }
}
