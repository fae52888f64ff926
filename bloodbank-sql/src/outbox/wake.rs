//! The wake-up call for relays: somebody has written a row, and will commit soon.
//!
//! The relays of this process hear of it at once, those of other processes by a notification of PostgreSQL that comes with the
//! commit. A relay that hears nothing looks at the table all the same.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::watch;

/// The channel of the notifications.
pub(super) const CHANNEL: &str = "bloodbank_outbox";
/// The shortest time between two notifications of a process: PostgreSQL lets transactions that notify commit one after the
/// other. A relay that was woken looks again and again, and finds what is written in between.
const THROTTLE: Duration = Duration::from_millis(25);

static WRITTEN: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));
static NOTIFIED: Mutex<Option<Instant>> = Mutex::new(None);

/// Says to the relays of this process that a row was written. Whether and when it is committed is not known.
pub(crate) fn written() {
    WRITTEN.send_modify(|count| *count = count.wrapping_add(1));
}

/// Listens for rows that this process writes.
pub(super) fn listen() -> watch::Receiver<u64> {
    WRITTEN.subscribe()
}

/// Whether the relays of other processes are to be notified of a row that is written now.
pub(super) fn notifies() -> bool {
    // A process with a relay of its own needs no other one.
    if WRITTEN.receiver_count() > 0 {
        return false;
    }
    let (mut last, now) = (NOTIFIED.lock(), Instant::now());
    let is_due = last.is_none_or(|last| now.duration_since(last) >= THROTTLE);
    if is_due {
        *last = Some(now);
    }
    is_due
}
