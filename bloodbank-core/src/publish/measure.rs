//! Metrics of publishing.

use std::time::Instant;

use metrics::{Gauge, counter, gauge, histogram};

use crate::{error::Result, message::Published, registry::Registry};

/// A publish in flight, whose outcome is counted once.
pub(super) struct Measured {
    event_type: &'static str,
    in_flight: Gauge,
    start: Instant,
    outcome: &'static str,
}

impl Measured {
    pub(super) fn begin(event_type: &str) -> Self {
        let in_flight = gauge!("bloodbank_in_flight");
        in_flight.increment(1.0);
        Self {
            event_type: Registry::global().label(event_type),
            in_flight,
            start: Instant::now(),
            outcome: "abandoned",
        }
    }

    /// The type of the event; one name for all that this program does not know.
    pub(super) fn event_type(&self) -> &'static str {
        self.event_type
    }

    pub(super) fn end(mut self, published: &Result<Published>) {
        self.outcome = match published {
            Ok(Published { unrouted: Some(false) }) => "confirmed",
            Ok(Published { unrouted: None }) => "unknown",
            Ok(Published { unrouted: Some(true) }) => "unrouted",
            Err(_) => "failed",
        };
        if published.is_ok() {
            histogram!("bloodbank_confirm_seconds").record(self.start.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.in_flight.decrement(1.0);
        let (event_type, outcome) = (self.event_type, self.outcome);
        counter!("bloodbank_published_total", "event_type" => event_type, "outcome" => outcome).increment(1);
    }
}
