//! A probe that calls the broker every second, with a call that changes nothing, and waits for the answer.
//!
//! A frame that is cut off or mangled leaves one side waiting for the rest of it, and swallows the frames behind it: confirms and
//! acknowledgements no longer arrive, but bytes do, so that heartbeats notice after two of their periods, or never. An answer to
//! a call proves that both directions work.

use std::{convert::Infallible, time::Duration};

use lapin::options::BasicQosOptions;
use tokio::time::sleep;

use crate::{broker_fault::BrokerFault, session::Session};

/// The time between an answer and the next call.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// The time for an answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest time for an answer, after connections whose answers were late: a large message on a slow network may be ahead.
const MAX_PROBE_TIMEOUT: Duration = Duration::from_secs(300);
/// The step in which waiting time is counted: by steps and not by the clock, since a program that was stopped has not waited.
const STEP: Duration = Duration::from_millis(250);

/// Detects a connection on which the broker no longer answers.
pub(super) struct LivenessProbe {
    timeout: Duration,
}

impl Default for LivenessProbe {
    fn default() -> Self {
        Self { timeout: PROBE_TIMEOUT }
    }
}

impl LivenessProbe {
    /// Waits until the broker does not answer. No answer is expected while `broker_reads` is false: the broker has said that it
    /// reads nothing.
    pub(super) async fn fails(&self, session: &Session, broker_reads: impl Fn() -> bool) -> BrokerFault {
        let fault = match self.probe(session, broker_reads).await {
            Ok(never) => match never {},
            Err(fault) => fault,
        };
        if !matches!(fault, BrokerFault::Unresponsive) {
            // The supervisor's other sources know better why a connection ended, and are heard first.
            sleep(PROBE_INTERVAL).await;
        }
        fault
    }

    async fn probe(&self, session: &Session, broker_reads: impl Fn() -> bool) -> Result<Infallible, BrokerFault> {
        let channel = loop {
            match answer(session.channel(), self.timeout, &broker_reads).await {
                // Others have as many as there may be; until one is free, only heartbeats notice a lost connection.
                Err(BrokerFault::Channel { .. }) => sleep(PROBE_INTERVAL).await,
                opened => break opened?,
            }
        };
        loop {
            sleep(PROBE_INTERVAL).await;
            let call = async { Ok(channel.basic_qos(0, BasicQosOptions::default()).await?) };
            answer(call, self.timeout, &broker_reads).await?;
        }
    }

    /// Adapts the timeout when a connection has ended: an unresponsive one may only have been slow, and the next gets more time.
    pub(super) fn connection_ended(&mut self, fault: &BrokerFault) {
        self.timeout = match fault {
            BrokerFault::Unresponsive => (self.timeout * 2).min(MAX_PROBE_TIMEOUT),
            BrokerFault::Channel { .. } | BrokerFault::Protocol { .. } | BrokerFault::ConnectionLost { .. } => {
                PROBE_TIMEOUT
            }
        };
    }
}

/// The answer to a call, within `timeout`, which runs only while `broker_reads` is true.
async fn answer<T>(
    call: impl Future<Output = Result<T, BrokerFault>>,
    timeout: Duration,
    broker_reads: impl Fn() -> bool,
) -> Result<T, BrokerFault> {
    let mut call = std::pin::pin!(call);
    let mut waited = Duration::ZERO;
    while waited < timeout {
        tokio::select! {
            answer = &mut call => return answer,
            () = sleep(STEP) => waited = if broker_reads() { waited + STEP } else { Duration::ZERO },
        }
    }
    Err(BrokerFault::Unresponsive)
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_blocked_broker_is_not_unresponsive() {
        let looks = Cell::new(0);
        // It reads again at the hundredth look.
        let broker_reads = || {
            looks.set(looks.get() + 1);
            looks.get() > 100
        };
        let answer = answer(pending::<Result<(), BrokerFault>>(), PROBE_TIMEOUT, broker_reads).await;
        assert!(matches!(answer, Err(BrokerFault::Unresponsive)));
        assert_eq!(looks.get(), 100 + PROBE_TIMEOUT.div_duration_f64(STEP) as u32);
    }

    #[test]
    fn the_timeout_grows_after_an_unresponsive_connection() {
        let mut probe = LivenessProbe::default();
        for _ in 0..10 {
            probe.connection_ended(&BrokerFault::Unresponsive);
        }
        assert_eq!(probe.timeout, MAX_PROBE_TIMEOUT);
        probe.connection_ended(&BrokerFault::connection_lost("closed"));
        assert_eq!(probe.timeout, PROBE_TIMEOUT);
    }
}
