//! The watchdog of an app: names handlers that block their thread, while they do.

use std::{
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use tracing::{Dispatch, dispatcher, warn};

use crate::handler::Target;

/// Looks after the handlers of an app from a thread of its own, until it is dropped: a handler that blocks its thread may block
/// every other one.
#[derive(Debug)]
pub(super) struct Watchdog {
    _end: Sender<()>,
}

/// The longest time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

impl Watchdog {
    /// Starts to look after the subscribers.
    pub(super) fn start(targets: Vec<Arc<Target>>) -> Self {
        let (end, ended) = channel();
        let shortest = targets.iter().map(|target| target.timeout / 4).min().unwrap_or(INTERVAL);
        let interval = shortest.clamp(Duration::from_millis(20), INTERVAL);
        // Who starts the app may have chosen where its lines go.
        let dispatch = dispatcher::get_default(Dispatch::clone);
        let look = move || {
            let targets = targets;
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                for target in &targets {
                    target.attempts.name_blocked();
                }
            }
        };
        let started = thread::Builder::new()
            .name("bloodbank-watchdog".into())
            .spawn(move || dispatcher::with_default(&dispatch, look));
        if let Err(error) = started {
            warn!(
                "handlers that block their thread are named only when they end, because no thread can be started: {error}"
            );
        }
        Self { _end: end }
    }
}
