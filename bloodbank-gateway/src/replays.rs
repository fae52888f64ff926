//! The replays that a gateway runs.

use std::collections::BTreeMap;

use bloodbank_core::{
    Bus,
    replay::{ReplayProgress, ReplayRequest, ReplayState, RunningReplay},
};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::problem::Problem;

/// Replays that run at the same time.
const MOST_RUNNING: usize = 16;
/// Replays that have ended and are still known.
const MOST_ENDED: usize = 100;

struct Known {
    id: Uuid,
    request: ReplayRequest,
    running: RunningReplay,
}

impl Known {
    fn progress(&self) -> ReplayProgress {
        self.running.progress().borrow().clone()
    }

    fn is_running(&self) -> bool {
        self.running.progress().borrow().state == ReplayState::Running
    }
}

/// The replays that a gateway runs, and the last ones that have ended, in the order of their start.
#[derive(Default)]
pub struct Replays(Mutex<BTreeMap<u64, Known>>);

impl Replays {
    /// Starts a replay, unless it runs already, or as many others do as may.
    pub(crate) fn start(&self, bus: &Bus, request: ReplayRequest) -> Result<ReplayProgress, Problem> {
        let replay = request.on(bus);
        let id = replay.id();
        let mut replays = self.0.lock();
        if replays.values().any(|known| known.id == id && known.is_running()) {
            return Err(Problem::bad_request("this replay is running; wait for its end, or cancel it first"));
        }
        if replays.values().filter(|known| known.is_running()).count() >= MOST_RUNNING {
            return Err(Problem::unavailable(format!(
                "{MOST_RUNNING} replays are running, and no more may; wait for one to end"
            )));
        }
        replays.retain(|_, known| known.id != id);
        while replays.len() >= MOST_RUNNING + MOST_ENDED {
            let Some(oldest) = replays.iter().find(|(_, known)| !known.is_running()) else { break };
            let oldest = *oldest.0;
            replays.remove(&oldest);
        }
        let number = replays.last_key_value().map_or(0, |(number, _)| number + 1);
        let known = Known { id, request, running: replay.start() };
        let progress = known.progress();
        replays.insert(number, known);
        Ok(progress)
    }

    /// Waits until it is known which event is the last one of a replay: what is published after that is no part of it.
    pub(crate) async fn knows_its_end(&self, id: Uuid) {
        let progress = self.0.lock().values().find(|known| known.id == id).map(|known| known.running.progress());
        let Some(mut progress) = progress else { return };
        // Its sender goes with its task.
        let _ = progress.wait_for(|progress| progress.end.is_some() || progress.state != ReplayState::Running).await;
    }

    /// How far each replay has come, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<ReplayProgress> {
        self.0.lock().values().map(Known::progress).collect()
    }

    /// How far a replay has come.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<ReplayProgress> {
        self.0.lock().values().find(|known| known.id == id).map(Known::progress)
    }

    /// What a replay was asked for; with [`ReplayRequest::resume`] it can go on after its end.
    #[must_use]
    pub fn request(&self, id: Uuid) -> Option<ReplayRequest> {
        self.0.lock().values().find(|known| known.id == id).map(|known| known.request.clone())
    }

    /// Cancels a replay, and waits until what is on its way is confirmed.
    pub async fn cancel(&self, id: Uuid) -> Option<ReplayProgress> {
        let mut progress = {
            let replays = self.0.lock();
            let known = replays.values().find(|known| known.id == id)?;
            known.running.cancellation().cancel();
            known.running.progress()
        };
        // Its sender goes with its task.
        let _ = progress.wait_for(|progress| progress.state != ReplayState::Running).await;
        let stopped = progress.borrow().clone();
        Some(stopped)
    }
}
