//! What is counted about publishing.

use std::time::Instant;

use metrics::{counter, gauge, histogram};

use crate::registry::Registry;

/// A publish in flight; counted as such until this is dropped.
pub(super) struct Measured {
    event_type: &'static str,
    start: Instant,
}

impl Measured {
    pub(super) fn begin(event_type: &str) -> Self {
        let event_type = Registry::global().label(event_type);
        counter!("bloodbank_published_total", "event_type" => event_type).increment(1);
        gauge!("bloodbank_in_flight").increment(1.0);
        Self { event_type, start: Instant::now() }
    }

    pub(super) fn confirmed(&self, unrouted: bool) {
        histogram!("bloodbank_confirm_seconds").record(self.start.elapsed().as_secs_f64());
        counter!("bloodbank_confirmed_total", "event_type" => self.event_type).increment(1);
        if unrouted {
            counter!("bloodbank_unrouted_total", "event_type" => self.event_type).increment(1);
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        gauge!("bloodbank_in_flight").decrement(1.0);
    }
}
