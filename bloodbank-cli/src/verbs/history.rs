//! `bb history`.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use bloodbank_client::Connection;
use bloodbank_core::{
    Settings,
    routing::BindingPattern,
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use futures_util::TryStreamExt;
use uuid::Uuid;

use crate::{
    args::{PastTime, Via},
    connect::{self, LASTING_BUS},
    error::{CliError, Result},
    output::{
        self,
        event::{Format, print},
    },
    runtime,
};

/// Show the events that were published, oldest first
///
/// The file of an embedded bus keeps its history by itself; RabbitMQ does once `topology journal enable` has switched its journal
/// on. Without --since, --from or --all the last 100 events are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb history
  bb history 'orders.#' --since 1h
  bb history --caused-by 01890a5d-ac96-774b-bcce-b302099a8057 --full
  bb history --source shop --text Ada -n 5
  bb history --since 1d --json | jq .payload
  bb history 'orders.#' --all --export orders.ndjson")]
pub(crate) struct History {
    #[command(flatten)]
    listing: Listing,
    /// The way to the bus
    #[arg(long, value_enum, default_value_t)]
    via: Via,
}

/// Which events are listed, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Listing {
    #[command(flatten)]
    selection: Selection,
    /// The last so many events of those selected; with --since, --from or --all the first so many
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<usize>,
    /// Everything that is remembered, from the oldest event on
    #[arg(long, conflicts_with_all = ["since", "from"])]
    all: bool,
    /// Begin at this offset of the journal
    #[arg(long, value_name = "OFFSET")]
    from: Option<u64>,
    /// The whole envelope of each event
    #[arg(long, conflicts_with = "json")]
    full: bool,
    /// One envelope per line, as JSON
    #[arg(long)]
    json: bool,
    /// Write whole messages into a file instead, one per line as JSON: offset, properties and body. `-` is the standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "full"])]
    export: Option<PathBuf>,
}

/// Which events.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// The pattern of event types: `*` is one word, `#` any number of words
    pattern: Option<String>,
    /// Only events published since this time: `90s`, `10m`, `2h`, `3d`, or a time such as 2025-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<PastTime>,
    /// Only events published before this time
    #[arg(long, value_name = "TIME")]
    until: Option<PastTime>,
    /// Only events of this type; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events that this program published
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only events that this one caused directly
    #[arg(long, value_name = "EVENT_ID")]
    caused_by: Option<Uuid>,
    /// Only the event with this id
    #[arg(long, value_name = "EVENT_ID")]
    id: Option<Uuid>,
    /// Only events whose payload contains this text, as it stands in the JSON
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

impl Selection {
    /// Whether nothing is selected.
    fn is_empty(&self) -> bool {
        let Self { pattern, since, until, types, source, caused_by, id, text } = self;
        pattern.is_none()
            && since.is_none()
            && until.is_none()
            && types.is_empty()
            && source.is_none()
            && caused_by.is_none()
            && id.is_none()
            && text.is_none()
    }

    /// Where reading begins; an error where nothing says which events.
    pub(crate) fn begin(&self, from: Option<u64>, all: bool) -> Result<Position> {
        match (from, &self.since) {
            (Some(offset), _) => Ok(Position::Offset(offset)),
            (None, Some(since)) => Ok(Position::Time(since.0)),
            (None, None) if all || !self.is_empty() => Ok(Position::Start),
            (None, None) => {
                Err(CliError::usage("say which events: with a pattern, --since or another condition, or --all"))
            }
        }
    }

    /// The query for these events among those of an exchange.
    pub(crate) fn query(&self, exchange: &str) -> Result<JournalQuery> {
        let mut query = JournalQuery::all().types(&self.types).exchange(exchange);
        if let Some(pattern) = &self.pattern {
            let pattern = BindingPattern::parse_wire(&**pattern);
            query.pattern = Some(pattern.map_err(|fault| CliError::usage(fault.to_string()))?);
        }
        query.since = self.since.as_ref().map(|since| since.0);
        query.until = self.until.as_ref().map(|until| until.0);
        (query.source, query.text) = (self.source.clone(), self.text.clone());
        (query.caused_by, query.event_id) = (self.caused_by, self.id);
        Ok(query)
    }
}

/// The number of events that are shown where nothing says where to begin.
const LAST: usize = 100;

impl History {
    pub(crate) fn run(self) -> Result {
        runtime::block_on(async {
            let settings = Settings::load()?;
            let query = self.listing.selection.query(&settings.exchange_name)?;
            let connection = open(self.via).await?;
            let journal = connection.journal()?;
            let listed = self.listing.list(&*journal, query).await;
            connection.close().await;
            listed
        })
    }
}

impl Listing {
    /// Lists what these settings and this journal have.
    #[cfg(feature = "archive")]
    pub(crate) async fn of(&self, settings: &Settings, journal: &dyn Journal) -> Result {
        self.list(journal, self.selection.query(&settings.exchange_name)?).await
    }

    async fn list(&self, journal: &dyn Journal, query: JournalQuery) -> Result {
        match &self.export {
            Some(path) => self.export(journal, query, path).await,
            None => self.show(journal, query).await,
        }
    }

    fn begin(&self) -> (Position, usize) {
        let count = self.count.unwrap_or(usize::MAX);
        match (self.from, &self.selection.since) {
            (Some(offset), _) => (Position::Offset(offset), count),
            (None, Some(since)) => (Position::Time(since.0), count),
            (None, None) if self.all => (Position::Start, count),
            (None, None) => (Position::Last(self.count.unwrap_or(LAST)), count),
        }
    }

    async fn show(&self, journal: &dyn Journal, query: JournalQuery) -> Result {
        let format = match (self.full, self.json) {
            (true, _) => Format::Full,
            (_, true) => Format::Json,
            _ => Format::Line,
        };
        let shown = self.each(journal, query, |entry| print(&entry.message.body, format)).await?;
        if shown == 0 {
            output::note("the journal has no such event");
        }
        Ok(())
    }

    async fn export(&self, journal: &dyn Journal, query: JournalQuery, path: &PathBuf) -> Result {
        let is_stdout = path.as_os_str() == "-";
        let mut file: Box<dyn Write> = match is_stdout {
            true => Box::new(output::out()),
            false => {
                let file = File::create(path).map_err(|error| {
                    CliError::failed(format!("{} cannot be written: {error}; name another file", path.display()))
                })?;
                Box::new(BufWriter::new(file))
            }
        };
        let written = self
            .each(journal, query, |entry| {
                serde_json::to_writer(&mut file, entry)?;
                Ok(file.write_all(b"\n")?)
            })
            .await?;
        file.flush()?;
        if !is_stdout {
            output::note(&format!("{written} events are in {}", path.display()));
        }
        Ok(())
    }

    /// Does something with each event, and counts them.
    async fn each(
        &self,
        journal: &dyn Journal,
        query: JournalQuery,
        mut with: impl FnMut(&JournalEntry) -> Result,
    ) -> Result<usize> {
        let (from, most) = self.begin();
        let mut entries = journal.read(query, from);
        let mut count = 0;
        while count < most {
            let Some(entry) = entries.try_next().await? else { break };
            with(&entry)?;
            count += 1;
        }
        Ok(count)
    }
}

/// Opens a bus that has something to remember.
pub(super) async fn open(via: Via) -> Result<Connection> {
    let connection = connect::open_lasting(via).await?;
    connection.ok_or_else(|| CliError::usage(format!("a bus in memory remembers nothing; {LASTING_BUS}")))
}
