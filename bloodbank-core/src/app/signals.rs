//! The signals that ask a process to stop.

use std::{future::Future, pin::pin};

use crate::error::{Error, ErrorKind, Result};

/// Listens for SIGTERM and Ctrl-C from the moment it is created: a signal that arrives while an app starts is not
/// missed, and does not kill the process.
#[derive(Debug)]
pub struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    /// Whether a signal has arrived that [`StopSignals::next`] has not reported yet.
    has_come: bool,
}

impl StopSignals {
    /// Starts to listen. Call this within a tokio runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the system does not let it.
    pub fn listen() -> Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listen = |kind| {
                signal(kind)
                    .map_err(|error| Error::new(ErrorKind::Closed, "cannot listen for signals").with_source(error))
            };
            Ok(Self {
                terminate: listen(SignalKind::terminate())?,
                interrupt: listen(SignalKind::interrupt())?,
                has_come: false,
            })
        }
        #[cfg(not(unix))]
        Ok(Self { has_come: false })
    }

    /// Resolves with the next signal.
    pub async fn next(&mut self) {
        if std::mem::take(&mut self.has_come) {
            return;
        }
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }

    /// Runs work to its end although a signal arrives, which [`StopSignals::next`] then reports. A second signal ends
    /// the work: `None`.
    pub async fn let_finish<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        tokio::select! {
            done = work.as_mut() => return Some(done),
            () = self.next() => {}
        }
        tokio::select! {
            done = work => {
                self.has_come = true;
                Some(done)
            }
            () = self.next() => None,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_was_begun_is_finished_before_the_signal_counts() {
        let mut signals = StopSignals::listen().unwrap();
        assert_eq!(signals.let_finish(async { 1 }).await, Some(1));
        let told = |signals: &mut StopSignals| signals.has_come = true;
        told(&mut signals);
        assert_eq!(
            signals
                .let_finish(async {
                    tokio::task::yield_now().await;
                    2
                })
                .await,
            Some(2)
        );
        signals.next().await;
        told(&mut signals);
        let endless = signals.let_finish(std::future::pending::<()>());
        let raised = async {
            let id = std::process::id().to_string();
            tokio::task::yield_now().await;
            assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        };
        let (ended, ()) = tokio::join!(endless, raised);
        assert_eq!(ended, None, "a second signal ends it");
    }
}
