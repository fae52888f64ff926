//! How far the archive is behind its journal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bloodbank_core::store::Journal;
use metrics::gauge;
use tokio::time::{Instant, sleep};

use super::Trouble;

/// The interval between measurements.
const INTERVAL: Duration = Duration::from_secs(10);
/// The time that a segment may take after its age is reached.
const LATE: Duration = Duration::from_secs(120);

/// Measures the lag, and says what is wrong with it, until it is dropped. A segment is closed at this age.
pub(super) async fn watch(source: Arc<dyn Journal>, next: Arc<AtomicU64>, age: Duration, trouble: Trouble) {
    let lag = gauge!("bloodbank_archive_lag_entries");
    // Where the journal was when the archive began to be behind it.
    let mut behind: Option<(u64, Instant)> = None;
    loop {
        // A journal that is away is said by who reads it.
        if let Ok(tip) = source.tip().await {
            let (end, next) = (tip.map_or(0, |tip| tip + 1), next.load(Ordering::Relaxed));
            let entries = end.saturating_sub(next);
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; no archive is 2^52 entries behind")]
            lag.set(entries as f64);
            behind = behind.filter(|(mark, _)| next < *mark);
            if entries > 0 {
                behind.get_or_insert_with(|| (end, Instant::now()));
            }
            let late = behind.filter(|(_, since)| since.elapsed() > age + LATE);
            *trouble.lock() = late.map(|(_, since)| {
                let seconds = since.elapsed().as_secs();
                format!("the archive is {entries} entries behind, for {seconds} s; check its store")
            });
        }
        sleep(INTERVAL).await;
    }
}
