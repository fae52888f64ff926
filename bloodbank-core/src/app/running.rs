//! A running app, and its shutdown.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    app::{
        App, AppControl, Health, HealthProbe, ProbeGuard, ProbeServer, StopSignals, connect::parked_keys,
        control::Switch, probe::Part, watchdog::Watchdog,
    },
    consume::{self, Intake, Source, SubscriberSpec},
    dedupe::{Dedupe, Guard},
    error::{Error, ErrorKind, Result},
    handler::{Attempts, Lines, Target},
    publish::Bus,
};

/// A running app. Dropping it stops it at once; events in progress are delivered again.
#[must_use = "an app stops when this is dropped"]
#[derive(Debug)]
pub struct RunningApp {
    bus: Bus,
    stop: CancellationToken,
    cancel: CancellationToken,
    workers: JoinSet<()>,
    drain: Duration,
    probe: HealthProbe,
    control: AppControl,
    _probes: Probes,
    _watchdog: Watchdog,
}

/// The server that answers probes, for as long as the app runs.
struct Probes(Option<ProbeGuard>);

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Probes").field(&self.0.is_some()).finish()
    }
}

pub(super) async fn start<Provided>(app: App<Provided>) -> Result<RunningApp> {
    let App { service, bus, states, subscribers, drain, mut dedupe, probes, tasks, .. } = app;
    // Before anything is declared: an app without a place to remember in does not start.
    if dedupe.is_none() && subscribers.iter().any(|spec| spec.dedupe_within.is_some()) {
        dedupe = Some(Dedupe::for_app(&bus, subscribers.iter().any(SubscriberSpec::asks_for_dedupe))?);
    }
    let parked_keys = match subscribers.iter().any(|spec| spec.key_of.is_some()) {
        true => Some(parked_keys(&bus).await?),
        false => None,
    };
    let (stop, cancel) = (CancellationToken::new(), CancellationToken::new());
    let mut workers = JoinSet::new();
    let ended: Arc<Mutex<Vec<Part>>> = Arc::default();
    let probe = HealthProbe::new(&bus, &stop, &ended);
    // Before all that may take its time: it lives, and is not ready yet.
    let served = match bus.settings().probes.as_ref().or(probes.as_ref()) {
        Some(address) => Probes(Some(ProbeServer::serve(address, &probe).await?)),
        None => Probes(None),
    };
    let switches: Vec<_> = subscribers.iter().map(|spec| Switch::new(&spec.name, &spec.queue)).collect();
    let paused: Vec<_> = switches.iter().map(Switch::watch).collect();
    let control = AppControl::new(switches);
    for task in tasks {
        let end = End { part: Part::Task(task.name().into()), stop: stop.clone(), ended: Arc::clone(&ended) };
        let work = task.start(bus.clone(), stop.clone()).await?;
        workers.spawn(async move {
            let _end = end;
            work.await;
        });
    }
    // All queues exist before the first event is handled: a follow-up of one subscriber reaches the others.
    for spec in &subscribers {
        let declared = bus.declare(spec.topology(&bus)).await;
        if let Err(error) = declared {
            return Err(with_every_conflict(&bus, &subscribers, error).await);
        }
    }
    let count = subscribers.len();
    let mut targets = Vec::with_capacity(count);
    for (spec, paused) in subscribers.into_iter().zip(paused) {
        let source = Source::of(&spec.queue, &spec.options);
        let deliveries = source.consume(&bus).await?;
        let target = Arc::new(Target {
            bus: bus.clone(),
            subscriber: Arc::clone(&spec.name),
            queue: Arc::clone(&spec.queue),
            states: states.clone(),
            cancellation: cancel.clone(),
            timeout: spec.options.timeout,
            dedupe_within: spec.options.dedupe_within,
            plain: spec.plain,
            lines: spec.key_of.clone().zip(parked_keys.clone()).map(|(key_of, store)| Lines { store, key_of }),
            attempts: Attempts::default(),
        });
        targets.push(Arc::clone(&target));
        let guard =
            spec.dedupe_within.zip(dedupe.clone()).map(|(within, dedupe)| Guard::new(dedupe, &spec.queue, within));
        let end =
            End { part: Part::Subscriber(Arc::clone(&spec.queue)), stop: stop.clone(), ended: Arc::clone(&ended) };
        let intake = Intake::new(bus.clone(), source, deliveries, paused.clone(), spec.options.rate);
        let stop = stop.clone();
        let worker = match spec.options.partitions {
            None => consume::run(target, spec, guard, intake, stop).boxed(),
            Some(_) => consume::run_partitions(target, spec, guard, intake, paused, stop).boxed(),
        };
        workers.spawn(async move {
            // Dropped last, also by a panic.
            let _end = end;
            worker.await;
        });
    }
    let watchdog = Watchdog::start(targets);
    probe.set_started(control.clone());
    info!(%service, subscribers = count, "started");
    Ok(RunningApp { bus, stop, cancel, workers, drain, probe, control, _probes: served, _watchdog: watchdog })
}

/// Adds every topology conflict to an error that names only the first: a broker reports the first difference, and the
/// person who has to fix them wants to see all.
async fn with_every_conflict(bus: &Bus, subscribers: &[SubscriberSpec], error: Error) -> Error {
    if error.kind() != ErrorKind::Topology {
        return error;
    }
    let mut conflicts: Vec<String> = Vec::new();
    for spec in subscribers {
        for compared in bus.transport().compare(spec.topology(bus)).await.unwrap_or_default() {
            let shown = compared.to_string();
            if compared.conflicts() && !conflicts.contains(&shown) {
                conflicts.push(shown);
            }
        }
    }
    // One is what the error says already.
    if conflicts.len() < 2 {
        return error;
    }
    let all = conflicts.join("; ");
    Error::new(ErrorKind::Topology, format!("{error}. All that differs: {all}"))
}

/// Records, when dropped, that a subscriber or a task ended although the app was not told to stop.
struct End {
    part: Part,
    stop: CancellationToken,
    ended: Arc<Mutex<Vec<Part>>>,
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            self.ended.lock().push(self.part.clone());
        }
    }
}

impl RunningApp {
    /// The health of the app, for probes. An app whose subscribers have ended, or that is told to stop, is not ready.
    #[must_use]
    pub fn health(&self) -> Health {
        self.probe.health()
    }

    /// A view of the health of the app that goes on while [`RunningApp::wait`] has the app.
    #[must_use]
    pub fn probe(&self) -> HealthProbe {
        self.probe.clone()
    }

    /// Pauses and resumes subscribers while [`RunningApp::wait`] has the app.
    #[must_use]
    pub fn control(&self) -> AppControl {
        self.control.clone()
    }

    /// Pauses a subscriber; see [`AppControl::pause`].
    ///
    /// # Errors
    /// Like [`AppControl::pause`].
    pub fn pause(&self, subscriber: &str) -> Result<()> {
        self.control.pause(subscriber)
    }

    /// Resumes a subscriber; see [`AppControl::resume`].
    ///
    /// # Errors
    /// Like [`AppControl::pause`].
    pub fn resume(&self, subscriber: &str) -> Result<()> {
        self.control.resume(subscriber)
    }

    /// The bus that the app consumes from.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Stops taking events, finishes those in progress within the drain timeout, tells the broker so, and leaves the bus open.
    ///
    /// # Errors
    /// [`ErrorKind::Deadline`] when handlers had to be stopped; their events are delivered again.
    pub async fn shutdown(mut self) -> Result<()> {
        self.stop.cancel();
        self.cancel.cancel();
        let finished =
            tokio::time::timeout(self.drain, async { while self.workers.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            self.workers.shutdown().await;
        }
        // Who ends the program now must not meet again what was handled.
        self.bus.transport().settled().await;
        finished.map_err(|_| {
            let drain = self.drain;
            let text =
                format!("handlers did not finish within {drain:?} and were stopped; their events are delivered again");
            Error::new(ErrorKind::Deadline, text)
        })
    }

    /// Waits for SIGTERM or Ctrl-C, then shuts down and closes the bus; a second signal stops at once.
    ///
    /// A signal that comes before this is called ends the process at once, and what is in hand is delivered again. To listen from
    /// before the app starts, use [`App::run`](super::App::run), or [`StopSignals::listen`] with [`wait_for`](Self::wait_for).
    ///
    /// # Errors
    /// Like [`RunningApp::shutdown`].
    pub async fn wait(self) -> Result<()> {
        self.wait_for(StopSignals::listen()?).await
    }

    /// Waits like [`RunningApp::wait`], for signals that were listened for before the app started.
    ///
    /// # Errors
    /// Like [`RunningApp::shutdown`].
    pub async fn wait_for(self, mut signals: StopSignals) -> Result<()> {
        signals.next().await;
        info!("stopping: finishing what is in hand; a second signal stops at once");
        let bus = self.bus.clone();
        let result = tokio::select! {
            result = self.shutdown() => result,
            () = signals.next() => {
                warn!("stopped at once; what was in hand is delivered again");
                Ok(())
            }
        };
        bus.close().await;
        result
    }
}

impl Drop for RunningApp {
    fn drop(&mut self) {
        self.stop.cancel();
        self.cancel.cancel();
    }
}
