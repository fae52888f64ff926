//! The wake-up call for the relays of this process: somebody has written a row, and will commit soon.

use std::sync::LazyLock;

use tokio::sync::watch;

static WRITTEN: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));

/// Says that a row was written. Whether and when it is committed is not known.
pub(crate) fn written() {
    WRITTEN.send_modify(|count| *count = count.wrapping_add(1));
}

/// Listens for rows that this process writes.
pub(super) fn listen() -> watch::Receiver<u64> {
    WRITTEN.subscribe()
}
