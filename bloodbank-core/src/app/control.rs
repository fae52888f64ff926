//! Pausing and resuming of subscribers while an app runs.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::info;

use crate::{
    error::{Error, ErrorKind, Result},
    routing::nearest,
};

/// Pauses and resumes the subscribers of a running app. Cheap to clone; it goes on while
/// [`RunningApp::wait`](crate::RunningApp::wait) has the app.
///
/// A paused subscriber finishes what it has in hand and takes nothing more: what the broker had sent ahead goes back to the
/// queue, where other instances of the app find it. A pause ends with the process.
///
/// ```
/// # async fn example(app: bloodbank_core::RunningApp) -> bloodbank_core::Result<()> {
/// let control = app.control();
/// tokio::spawn(async move {
///     control.pause("ship")?;
///     // … while the carrier is away …
///     control.resume("ship")
/// });
/// app.wait().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AppControl(Arc<Vec<Switch>>);

/// The switch of one subscriber.
#[derive(Debug)]
pub(super) struct Switch {
    /// The name of the function, or of the command.
    name: Arc<str>,
    queue: Arc<str>,
    paused: watch::Sender<bool>,
}

impl Switch {
    pub(super) fn new(name: &Arc<str>, queue: &Arc<str>) -> Self {
        Self { name: Arc::clone(name), queue: Arc::clone(queue), paused: watch::Sender::new(false) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.paused.subscribe()
    }

    fn is(&self, name: &str) -> bool {
        *self.name == *name || *self.queue == *name || self.name.strip_prefix("command ") == Some(name)
    }
}

impl AppControl {
    pub(super) fn new(switches: Vec<Switch>) -> Self {
        Self(Arc::new(switches))
    }

    /// Pauses a subscriber, by the name of its function or its queue, or by the routing key of its command.
    ///
    /// # Errors
    /// [`ErrorKind::Registry`] where the app has no such subscriber; proposes the nearest.
    pub fn pause(&self, subscriber: &str) -> Result<()> {
        self.set(subscriber, true)
    }

    /// Resumes a subscriber that is paused.
    ///
    /// # Errors
    /// Like [`AppControl::pause`].
    pub fn resume(&self, subscriber: &str) -> Result<()> {
        self.set(subscriber, false)
    }

    fn set(&self, subscriber: &str, paused: bool) -> Result<()> {
        let Some(switch) = self.0.iter().find(|switch| switch.is(subscriber)) else {
            return Err(self.unknown(subscriber));
        };
        if switch.paused.send_replace(paused) != paused {
            let queue = &*switch.queue;
            info!(queue, "{}", if paused { "paused" } else { "resumed" });
        }
        Ok(())
    }

    fn unknown(&self, subscriber: &str) -> Error {
        let names = || self.0.iter().map(|switch| &*switch.name);
        let remedy = match nearest(subscriber, names()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => {
                let names: Vec<_> = names().map(|name| format!("`{name}`")).collect();
                format!("it has {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })
            }
        };
        Error::new(ErrorKind::Registry, format!("this app has no subscriber `{subscriber}`; {remedy}"))
    }

    /// The queues of the subscribers, and whether each is paused.
    pub(super) fn queues(&self) -> impl Iterator<Item = (&Arc<str>, bool)> {
        self.0.iter().map(|switch| (&switch.queue, *switch.paused.borrow()))
    }
}
