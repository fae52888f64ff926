//! How far the copy is behind its source.

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

use super::writer::Trouble;

/// The interval between measurements.
const INTERVAL: Duration = Duration::from_secs(10);
/// The time after which something is wrong with a copy that has not come to where the source was then.
const LATE: Duration = Duration::from_secs(60);

/// Measures the lag, and says what is wrong with it, until it is dropped.
pub(super) async fn watch(source: Arc<dyn Journal>, next: Arc<AtomicU64>, trouble: Trouble) {
    let lag = gauge!("bloodbank_journal_lag_entries");
    // Where the source was when the copy began to be behind it.
    let mut behind: Option<(u64, Instant)> = None;
    loop {
        // A source that is away is said by who reads it.
        if let Ok(tip) = source.tip().await {
            let (end, next) = (tip.map_or(0, |tip| tip + 1), next.load(Ordering::Relaxed));
            let entries = end.saturating_sub(next);
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; no copy is 2^52 entries behind")]
            lag.set(entries as f64);
            behind = behind.filter(|(mark, _)| next < *mark);
            if entries > 0 {
                behind.get_or_insert_with(|| (end, Instant::now()));
            }
            let late = behind.filter(|(_, since)| since.elapsed() > LATE);
            *trouble.lock() = late.map(|(_, since)| {
                let seconds = since.elapsed().as_secs();
                format!("the journal in PostgreSQL is {entries} entries behind, for {seconds} s; check the database")
            });
        }
        sleep(INTERVAL).await;
    }
}
