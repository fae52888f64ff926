//! The work of a relay: claim, publish, delete.

use std::{collections::BTreeMap, time::Duration};

use bloodbank_core::{Bus, ErrorKind, publish::Prepared};
use futures_util::future::join_all;
use metrics::{Counter, counter, gauge};
use sqlx_core::pool::Pool;
use tracing::{debug, error};

use super::{
    OutboxTable,
    claim::{Claimed, Claims},
};
use crate::database::Database;

/// The time for which a row waits that could not be published because the broker was away.
const AWAY: Duration = Duration::from_secs(1);
/// The age of a row at which something is wrong.
const LATE: Duration = Duration::from_secs(60);
/// The longest time for which a row waits that the broker refused.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// The number of times that the broker may refuse a row before it is parked.
const REFUSALS: i64 = 10;

/// What a turn has found.
pub(super) enum Turn {
    /// Nothing was due.
    Idle,
    /// Rows were published, and this many are confirmed; others were parked or put off.
    Worked(usize),
    /// Rows were due, and the broker was away.
    Away,
}

/// What became of the rows of a batch.
#[derive(Default)]
struct Outcomes {
    confirmed: Vec<i64>,
    /// The broker was away: the rows by error.
    away: BTreeMap<String, Vec<i64>>,
    /// The broker said no: the row, its attempts before this one, the error.
    refused: Vec<(i64, i64, String)>,
    /// Nobody can publish it: the row and the error.
    hopeless: Vec<(i64, String)>,
}

/// The worker of a relay.
pub(super) struct Worker<DB: Database> {
    claims: Claims<DB>,
    bus: Bus,
    batch: u32,
    /// Rows that are claimed, and not yet published.
    next: Vec<Claimed>,
    /// Rows that are published, and not yet deleted.
    outcomes: Outcomes,
    published: Counter,
    parked: Counter,
}

impl<DB: Database> Worker<DB> {
    pub(super) fn new(pool: Pool<DB>, bus: Bus, batch: u32, lease: Duration) -> Self {
        Self {
            claims: Claims::new(pool, lease),
            bus,
            batch,
            next: Vec::new(),
            outcomes: Outcomes::default(),
            published: counter!("bloodbank_outbox_published_total"),
            parked: counter!("bloodbank_outbox_parked_total"),
        }
    }

    /// Publishes one batch. Meanwhile the rows of the batch before are deleted, and those of the next are claimed.
    pub(super) async fn turn(&mut self) -> Result<Turn, sqlx_core::Error> {
        let mut rows = std::mem::take(&mut self.next);
        if rows.is_empty() {
            if !self.claims.is_any_due().await? {
                return Ok(Turn::Idle);
            }
            rows = self.claims.take(self.batch).await?;
        }
        if rows.is_empty() {
            return Ok(Turn::Idle);
        }
        let is_full = rows.len() >= self.batch as usize;
        let before = std::mem::take(&mut self.outcomes);
        let next = async { if is_full { self.claims.take(self.batch).await } else { Ok(Vec::new()) } };
        let (outcomes, settled, next) = tokio::join!(self.publish(rows), self.settle(before), next);
        let turn = match outcomes.confirmed.len() {
            0 if !outcomes.away.is_empty() => Turn::Away,
            confirmed => Turn::Worked(confirmed),
        };
        self.outcomes = outcomes;
        self.next = next?;
        settled?;
        if self.next.is_empty() {
            let outcomes = std::mem::take(&mut self.outcomes);
            self.settle(outcomes).await?;
        }
        Ok(turn)
    }

    async fn publish(&self, rows: Vec<Claimed>) -> Outcomes {
        let mut outcomes = Outcomes::default();
        let mut in_flight = Vec::with_capacity(rows.len());
        for Claimed { id, message, attempts } in rows {
            match serde_json::from_str::<Prepared>(&message) {
                // Handed over here, in order; only the confirm is awaited later.
                Ok(prepared) => {
                    let confirmed = self.bus.publish_prepared(prepared);
                    in_flight.push(async move { (id, attempts, confirmed.await) });
                }
                Err(error) => outcomes.hopeless.push((id, format!("the row holds no prepared event: {error}"))),
            }
        }
        for (id, attempts, result) in join_all(in_flight).await {
            let Err(error) = result else {
                outcomes.confirmed.push(id);
                continue;
            };
            match error.kind() {
                ErrorKind::Connection | ErrorKind::Deadline | ErrorKind::Closed | ErrorKind::Storage => {
                    outcomes.away.entry(error.to_string()).or_default().push(id);
                }
                ErrorKind::Refused if attempts + 1 < REFUSALS => {
                    outcomes.refused.push((id, attempts, error.to_string()));
                }
                ErrorKind::Refused
                | ErrorKind::InvalidKey
                | ErrorKind::UnknownEvent
                | ErrorKind::InvalidPayload
                | ErrorKind::InvalidEnvelope
                | ErrorKind::InvalidHeader
                | ErrorKind::TooLarge
                | ErrorKind::Unrouted
                | ErrorKind::Topology
                | ErrorKind::Settings
                | ErrorKind::Registry
                | ErrorKind::MissingState
                | ErrorKind::CommandFailed => outcomes.hopeless.push((id, error.to_string())),
            }
        }
        outcomes
    }

    /// Writes down what became of a batch. Where that fails, the rows are published again when their lease has ended.
    async fn settle(&self, outcomes: Outcomes) -> Result<(), sqlx_core::Error> {
        let Outcomes { confirmed, away, refused, hopeless } = outcomes;
        if !confirmed.is_empty() {
            self.claims.delete(&confirmed).await?;
            self.published.increment(confirmed.len() as u64);
        }
        for (error, ids) in away {
            debug!(rows = ids.len(), error, "the outbox waits for the broker");
            self.claims.put_off(&ids, AWAY, false, error).await?;
        }
        for (id, attempts, error) in refused {
            let delay = Duration::from_secs(1 << attempts.clamp(0, 10)).min(LONGEST_DELAY);
            self.claims.put_off(&[id], delay, true, error).await?;
        }
        for (id, error) in hopeless {
            error!(row = id, error, "a row of the outbox cannot be published; `bb outbox list` shows it");
            self.claims.park(id, error).await?;
            self.parked.increment(1);
        }
        Ok(())
    }

    /// Gives back what is claimed and not published.
    pub(super) async fn give_back(&mut self) {
        let ids: Vec<i64> = self.next.drain(..).map(|row| row.id).collect();
        let outcomes = std::mem::take(&mut self.outcomes);
        // Otherwise the lease ends by itself.
        let _ = self.settle(outcomes).await;
        if !ids.is_empty() {
            let _ = self.claims.put_off(&ids, Duration::ZERO, false, String::new()).await;
        }
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Measures the backlog and deletes old marks. Returns what is wrong with the backlog; `None`: it cannot be read.
    pub(super) async fn chores(&self, table: &OutboxTable<DB>) -> Option<Option<String>> {
        let mut found = None;
        if let Ok(backlog) = table.backlog().await {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the table has fewer rows than 2^52")]
            gauge!("bloodbank_outbox_rows").set(backlog.waiting as f64);
            gauge!("bloodbank_outbox_oldest_seconds").set(backlog.oldest.unwrap_or_default().as_secs_f64());
            let late = backlog.oldest.filter(|oldest| *oldest > LATE);
            found = Some(late.map(|oldest| {
                let (rows, seconds) = (backlog.waiting, oldest.as_secs());
                format!("{rows} events wait in the outbox, the oldest for {seconds} s; check the broker")
            }));
        }
        // The next time will do.
        let _ = self.claims.sweep_inbox().await;
        found
    }
}
