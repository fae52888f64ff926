//! `bb record`.

use std::{collections::HashSet, io::Write};

use bloodbank_core::{
    Settings,
    envelope::RawEnvelope,
    message::names,
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use futures_util::TryStreamExt;
use uuid::Uuid;

use super::history::{self, Selection};
use crate::{args::Via, error::Result, output, runtime};

/// Record events and what they led to, for tests on recorded history
///
/// Prints journal entries, one per line as JSON: those selected, and every event that they led to, directly or not. A recording has
/// the payloads as they were; look through it before it goes into a repository.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb record 'orders.#' --since 1d > tests/orders.ndjson
  bb record --id 01890a5d-ac96-774b-bcce-b302099a8057 > tests/one_order.ndjson")]
pub(crate) struct Record {
    #[command(flatten)]
    selection: Selection,
    /// Begin at this offset of the journal
    #[arg(long, value_name = "OFFSET")]
    from: Option<u64>,
    /// Everything that the journal has; required where nothing else selects
    #[arg(long, conflicts_with_all = ["since", "from"])]
    all: bool,
    /// The way to the bus
    #[arg(long, value_enum, default_value_t)]
    via: Via,
}

impl Record {
    pub(crate) fn run(self) -> Result {
        runtime::block_on(async {
            let settings = Settings::load()?;
            let query = self.selection.query(&settings.exchange_name)?;
            let from = self.selection.begin(self.from, self.all)?;
            let connection = history::open(self.via).await?;
            let recorded = write(&*connection.journal()?, query, from).await;
            connection.close().await;
            recorded
        })
    }
}

async fn write(journal: &dyn Journal, query: JournalQuery, from: Position) -> Result {
    let recorded = recorded(journal, query, from).await?;
    let mut out = output::out();
    for entry in &recorded.entries {
        serde_json::to_writer(&mut out, entry)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    let (all, selected) = (recorded.entries.len(), recorded.selected);
    output::note(&format!("recorded {all} events: {selected} selected, {} that they led to", all - selected));
    Ok(())
}

/// Recorded history.
#[derive(Default)]
pub(super) struct Recorded {
    /// Oldest first.
    pub(super) entries: Vec<JournalEntry>,
    /// How many of them were selected; the others are what those led to.
    pub(super) selected: usize,
}

/// The events that pass a query, and those that they led to. An effect stands behind its cause, so that reading once is enough.
pub(super) async fn recorded(journal: &dyn Journal, query: JournalQuery, from: Position) -> Result<Recorded> {
    let mut everything = JournalQuery::all();
    everything.exchange.clone_from(&query.exchange);
    let mut entries = journal.read(everything, from);
    let (mut recorded, mut known) = (Recorded::default(), HashSet::<Uuid>::new());
    while let Some(entry) = entries.try_next().await? {
        // What a replay led to has the ids of the first time.
        if entry.message.properties.headers.text(names::REPLAY).is_some() {
            continue;
        }
        let is_selected = query.passes(&entry);
        if is_selected || causes(&entry).iter().any(|cause| known.contains(cause)) {
            recorded.selected += usize::from(is_selected);
            known.extend(entry.event_id());
            recorded.entries.push(entry);
        }
    }
    Ok(recorded)
}

fn causes(entry: &JournalEntry) -> Vec<Uuid> {
    RawEnvelope::read(&entry.message.body).map(|envelope| envelope.correlation_ids).unwrap_or_default()
}
