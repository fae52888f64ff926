//! A thread that moves messages when their time is over. A thread, not a task: a bus may outlive the runtime it was made in.

use std::{
    sync::{Arc, Weak},
    thread,
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::engine::Engine;

/// Starts its thread with the first message that expires.
pub(super) struct Expiry(Arc<Signal>);

#[derive(Default)]
struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    running: bool,
    stopped: bool,
    /// Something new expires: look again.
    stale: bool,
}

impl Expiry {
    pub(super) fn start(engine: &Arc<Engine>) -> Self {
        let signal = Arc::new(Signal::default());
        let weak = Arc::downgrade(engine);
        let notify = Arc::clone(&signal);
        let timer = Arc::new(move || notify.notify(&weak));
        let mut state = engine.lock();
        // What was loaded from a file may expire, or be over already; or it could not be loaded.
        if state.next_expiry().is_some() || state.has_stalled() {
            timer();
        }
        state.timer = Some(timer);
        drop(state);
        Self(signal)
    }

    pub(super) fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn notify(self: &Arc<Self>, engine: &Weak<Engine>) -> bool {
        let mut state = self.lock();
        state.stale = true;
        if state.running || state.stopped {
            self.changed.notify_all();
            return true;
        }
        let (signal, engine) = (Arc::clone(self), Weak::clone(engine));
        let spawned = thread::Builder::new().name("bloodbank-expiry".to_owned()).spawn(move || signal.run(&engine));
        state.running = spawned.is_ok();
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for the delays of the embedded bus; trying again with the next one");
        }
        state.running
    }

    fn run(&self, engine: &Weak<Engine>) {
        loop {
            {
                let mut state = self.lock();
                if state.stopped {
                    return;
                }
                state.stale = false;
            }
            let Some(strong) = engine.upgrade() else { return };
            let wait = strong.expire().map(|next| next.saturating_sub(strong.clock.now()));
            drop(strong);
            let mut state = self.lock();
            if state.stopped {
                return;
            }
            if state.stale {
                continue;
            }
            match wait {
                Some(wait) => {
                    self.changed.wait_for(&mut state, wait);
                }
                None => self.changed.wait(&mut state),
            }
        }
    }
}
