//! Probes: the health of a running app for others than its owner, and the server that answers with it.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{AppControl, Health, HealthState, SubscriberHealth},
    error::{Error, ErrorKind, Result},
    publish::Bus,
};

/// A view of the health of an app, which outlives a [`RunningApp`](crate::RunningApp) that waits for its end.
///
/// ```
/// # async fn example(app: bloodbank_core::RunningApp) -> bloodbank_core::Result<()> {
/// let probe = app.probe();
/// tokio::spawn(async move { println!("ready: {}", probe.health().ready) });
/// app.wait().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct HealthProbe(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bus: Bus,
    stop: CancellationToken,
    /// The subscribers; `None` until all of them are at work.
    control: Mutex<Option<AppControl>>,
    /// What ended although the app was not told to stop.
    ended: Arc<Mutex<Vec<Part>>>,
}

/// A part of an app that can end by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The subscriber of a queue.
    Subscriber(Arc<str>),
    /// A task, by its name.
    Task(Arc<str>),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscriber(queue) => write!(f, "the subscriber of `{queue}`"),
            Self::Task(name) => write!(f, "the task `{name}`"),
        }
    }
}

impl HealthProbe {
    /// A probe of an app that is about to start.
    pub(super) fn new(bus: &Bus, stop: &CancellationToken, ended: &Arc<Mutex<Vec<Part>>>) -> Self {
        let (bus, stop, ended) = (bus.clone(), stop.clone(), Arc::clone(ended));
        Self(Arc::new(Inner { bus, stop, control: Mutex::new(None), ended }))
    }

    /// Notes that these subscribers are at work.
    pub(super) fn set_started(&self, control: AppControl) {
        *self.0.control.lock() = Some(control);
    }

    /// The bus of the app.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// The health of the app. An app that is starting, whose subscribers have ended, or that is told to stop, is not
    /// ready.
    #[must_use]
    pub fn health(&self) -> Health {
        let Inner { bus, stop, control, ended } = &*self.0;
        let mut health = bus.health();
        let ended = ended.lock();
        match &*control.lock() {
            Some(control) => {
                for (queue, paused) in control.queues() {
                    health.subscribers.push(SubscriberHealth {
                        queue: Arc::clone(queue),
                        running: !stop.is_cancelled() && !ended.contains(&Part::Subscriber(Arc::clone(queue))),
                        paused,
                    });
                    if paused {
                        health.worsen(
                            HealthState::Degraded,
                            format!("the subscriber of `{queue}` is paused; resume it with `AppControl::resume`"),
                        );
                    }
                }
            }
            None => health.worsen(HealthState::Unhealthy, "it is starting".to_owned()),
        }
        for part in &*ended {
            health.live = false;
            health.worsen(HealthState::Unhealthy, format!("{part} has ended; start the app again"));
        }
        if stop.is_cancelled() {
            health.worsen(HealthState::Unhealthy, "it is told to stop".to_owned());
        }
        health
    }
}

/// A server that answers probes over HTTP. The crate `bloodbank-probes` submits one with `inventory::submit!`.
pub struct ProbeServer {
    /// Answers for an app at an address, `host:port` or `:port`, until the guard is dropped.
    pub serve: fn(address: String, probe: HealthProbe) -> BoxFuture<'static, Result<ProbeGuard>>,
}

/// Keeps the server of probes running until it is dropped.
pub type ProbeGuard = Box<dyn Send + Sync>;

inventory::collect!(ProbeServer);

impl ProbeServer {
    /// Serves at an address.
    pub(super) async fn serve(address: &str, probe: &HealthProbe) -> Result<ProbeGuard> {
        let server = inventory::iter::<Self>.into_iter().next().ok_or_else(|| {
            Error::new(
                ErrorKind::Settings,
                format!(
                    "probes are wanted at {address}, but this program was built without the feature `probes` of `bloodbank`; add it, or unset BLOODBANK_PROBES"
                ),
            )
        })?;
        (server.serve)(address.to_owned(), probe.clone()).await
    }
}

impl fmt::Debug for ProbeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeServer").finish_non_exhaustive()
    }
}
