//! Asks the broker, again and again, for something that changes nothing.
//!
//! A frame that is cut off or mangled on its way leaves one side waiting for the rest, and swallows what follows: confirms and
//! acknowledgements do not arrive, while bytes do, so that heartbeats need two of their periods to notice, or never do. An answer
//! to a question proves that both directions work.

use std::{convert::Infallible, time::Duration};

use lapin::options::BasicQosOptions;
use tokio::time::sleep;

use crate::{fault::Fault, session::Session};

/// How long after an answer the next question is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long at most, where answers took too long before: a large message on a slow network is ahead of them.
const MOST: Duration = Duration::from_secs(300);
/// The time is counted in such steps, not by the clock: a program that was stopped has not waited.
const STEP: Duration = Duration::from_millis(250);

/// How long an answer may take on a connection.
pub(super) struct Pulse {
    patience: Duration,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { patience: PATIENCE }
    }
}

impl Pulse {
    /// Until the broker does not answer. While it reads nothing, and has said so, nothing is expected of it.
    pub(super) async fn stops(&self, session: &Session, reads: impl Fn() -> bool) -> Fault {
        let fault = match self.ask(session, reads).await {
            Ok(never) => match never {},
            Err(fault) => fault,
        };
        if !matches!(fault, Fault::Silence) {
            // Why a connection ended, others know better.
            sleep(INTERVAL).await;
        }
        fault
    }

    async fn ask(&self, session: &Session, reads: impl Fn() -> bool) -> Result<Infallible, Fault> {
        let channel = answer(session.channel(), self.patience, &reads).await?;
        loop {
            sleep(INTERVAL).await;
            let question = async { Ok(channel.basic_qos(0, BasicQosOptions::default()).await?) };
            answer(question, self.patience, &reads).await?;
        }
    }

    /// A connection has ended: one that was silent may only have been slow, and the next one gets more time.
    pub(super) fn ended(&mut self, fault: &Fault) {
        self.patience = match fault {
            Fault::Silence => (self.patience * 2).min(MOST),
            Fault::Channel { .. } | Fault::Protocol { .. } | Fault::Lost { .. } => PATIENCE,
        };
    }
}

async fn answer<T>(
    question: impl Future<Output = Result<T, Fault>>,
    patience: Duration,
    reads: impl Fn() -> bool,
) -> Result<T, Fault> {
    let mut question = std::pin::pin!(question);
    let mut waited = Duration::ZERO;
    while waited < patience {
        tokio::select! {
            answer = &mut question => return answer,
            () = sleep(STEP) => waited = if reads() { waited + STEP } else { Duration::ZERO },
        }
    }
    Err(Fault::Silence)
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_blocked_is_not_silent() {
        let looks = Cell::new(0);
        // It reads again at the hundredth look.
        let reads = || {
            looks.set(looks.get() + 1);
            looks.get() > 100
        };
        let silent = answer(pending::<Result<(), Fault>>(), PATIENCE, reads).await;
        assert!(matches!(silent, Err(Fault::Silence)));
        assert_eq!(looks.get(), 100 + PATIENCE.div_duration_f64(STEP) as u32);
    }

    #[test]
    fn who_was_silent_gets_more_time() {
        let mut pulse = Pulse::default();
        for _ in 0..10 {
            pulse.ended(&Fault::Silence);
        }
        assert_eq!(pulse.patience, MOST);
        pulse.ended(&Fault::lost("closed"));
        assert_eq!(pulse.patience, PATIENCE);
    }
}
