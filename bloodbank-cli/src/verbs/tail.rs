//! `bb tail`.

use std::{path::Path, pin::pin, sync::Arc};

use bloodbank_client::{Connection, GatewayClient, GatewayEvent};
use bloodbank_core::{
    Bus, Settings,
    routing::{self, BindingPattern},
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
    transport::Transport,
};
use bloodbank_embedded::Embedded;
use futures_util::{StreamExt, TryStreamExt};

use crate::{
    args::PastTime,
    connect::LASTING_BUS,
    error::{CliError, Result},
    output::{
        self,
        event::{Format, print},
    },
    runtime,
};

/// Watch events as they are published
///
/// On RabbitMQ, `tail` shows events from now on, through a queue of its own that is deleted at the end; no subscriber misses
/// an event by it. --since begins with earlier events, where there is a journal: in the file of an embedded bus, and on RabbitMQ
/// once `topology journal enable` has switched it on. Without a program that has the file open `tail` prints its history and ends: the
/// last 100 events, with --since all of them since then.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb tail
  bb tail 'orders.#'
  bb tail 'orders.*.failed' --full
  bb tail --since 10m --json | jq .payload")]
pub(crate) struct Tail {
    /// The pattern of routing keys: `*` is one word, `#` any number of words
    #[arg(default_value = "#")]
    pattern: String,
    /// Begin with the events published since this time, where the bus has a history: `90s`, `10m`, `2h`, `3d`, or a time such
    /// as 2025-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<PastTime>,
    /// End after so many events
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<usize>,
    /// The whole envelope of each event
    #[arg(long, conflicts_with = "json")]
    full: bool,
    /// One envelope per line, as JSON
    #[arg(long)]
    json: bool,
}

/// The number of events of the past that are printed where nobody says since when.
const MOST_WITHOUT_TIME: usize = 100;

impl Tail {
    pub(crate) fn run(self) -> Result {
        let pattern = BindingPattern::parse_wire(&*self.pattern).map_err(|fault| CliError::usage(fault.to_string()))?;
        let format = match (self.full, self.json) {
            (true, _) => Format::Full,
            (_, true) => Format::Json,
            _ => Format::Line,
        };
        runtime::block_on(async {
            let settings = Settings::load()?;
            if let Some(note) = matched_by_mistake(&pattern) {
                output::note(&note);
            }
            if settings.rabbit_url.is_some() {
                let bus = Bus::connect(settings).await?;
                return match &self.since {
                    Some(since) => self.follow_journal(&bus, since, &pattern, format).await,
                    None => self.follow_bus(&bus, &pattern, format).await,
                };
            }
            if let Some(gateway) = GatewayClient::find(&settings).await? {
                return self.follow_gateway(&gateway, &settings, &pattern, format).await;
            }
            if let Some(bus) = Bus::attach(&settings).await? {
                return match &self.since {
                    Some(since) => self.follow_journal(&bus, since, &pattern, format).await,
                    None => self.follow_bus(&bus, &pattern, format).await,
                };
            }
            match settings.embedded_path.as_deref() {
                Some(path) => self.show_history(path, &settings, &pattern, format).await,
                None => Err(CliError::usage(format!("a bus in memory is in one process only; {LASTING_BUS}"))),
            }
        })
    }

    /// Prints what is published from now on.
    async fn follow_bus(&self, bus: &Bus, pattern: &BindingPattern, format: Format) -> Result {
        let connection = Connection::Bus(bus.clone());
        let mut events = connection.events(bus.settings(), pattern).await?;
        output::note(&format!("watching `{pattern}` on {}; Ctrl-C ends", bus.exchange()));
        let mut left = self.count.unwrap_or(usize::MAX);
        while left > 0 {
            let event = tokio::select! {
                event = events.next() => event,
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(GatewayEvent::Envelope(body)) = event.transpose()? else { break };
            print(&body, format)?;
            left -= 1;
        }
        drop(events);
        bus.close().await;
        Ok(())
    }

    /// Prints what was published since a time, and what is published from now on.
    async fn follow_journal(&self, bus: &Bus, since: &PastTime, pattern: &BindingPattern, format: Format) -> Result {
        let journal = Connection::Bus(bus.clone()).journal()?;
        let query = JournalQuery::all().pattern(pattern.clone()).exchange(&**bus.exchange());
        let mut entries = journal.follow(query, Position::Time(since.0));
        output::note(&format!("watching `{pattern}` on {}; Ctrl-C ends", bus.exchange()));
        let mut left = self.count.unwrap_or(usize::MAX);
        while left > 0 {
            let entry = tokio::select! {
                entry = entries.try_next() => entry?,
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(entry) = entry else { break };
            print(&entry.message.body, format)?;
            left -= 1;
        }
        drop(entries);
        bus.close().await;
        Ok(())
    }

    /// Prints what is published from now on, as a gateway sees it.
    async fn follow_gateway(
        &self,
        gateway: &GatewayClient,
        settings: &Settings,
        pattern: &BindingPattern,
        format: Format,
    ) -> Result {
        let since = self.since.as_ref().map(|since| since.0);
        let mut events = pin!(gateway.events(settings, pattern.as_str(), since).await?);
        output::note(&format!("watching `{pattern}` through {}; Ctrl-C ends", gateway.url()));
        let mut left = self.count.unwrap_or(usize::MAX);
        while left > 0 {
            let event = tokio::select! {
                event = events.next() => event,
                _ = tokio::signal::ctrl_c() => None,
            };
            match event.transpose()? {
                Some(GatewayEvent::Envelope(body)) => {
                    print(&body, format)?;
                    left -= 1;
                }
                Some(GatewayEvent::Resumed { url, is_complete }) => output::note(&resumed(&url, is_complete)),
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }

    /// Prints what the file of the embedded bus remembers.
    async fn show_history(&self, path: &Path, settings: &Settings, pattern: &BindingPattern, format: Format) -> Result {
        let bus = Embedded::open(path).await?;
        let is_empty = self.print_history(bus.stores(settings).journal, settings, pattern, format).await?;
        bus.close().await;
        if is_empty {
            output::note("the file remembers no such event");
        }
        Ok(())
    }

    /// Prints what the journal of a bus has, and says what was left out; returns whether that is nothing.
    async fn print_history(
        &self,
        journal: Option<Arc<dyn Journal>>,
        settings: &Settings,
        pattern: &BindingPattern,
        format: Format,
    ) -> Result<bool> {
        let Some(journal) = journal else { return Ok(true) };
        let query = JournalQuery::all().pattern(pattern.clone()).exchange(&*settings.exchange_name);
        match &self.since {
            Some(since) => self.print_since(journal.read(query.since(since.0), Position::Time(since.0)), format).await,
            None => self.print_last(&*journal, query, format).await,
        }
    }

    /// Prints everything since a time, or as many events as were asked for.
    async fn print_since(&self, mut entries: JournalEntries, format: Format) -> Result<bool> {
        let mut left = self.count.unwrap_or(usize::MAX);
        let mut is_empty = true;
        while left > 0
            && let Some(entry) = entries.try_next().await?
        {
            print(&entry.message.body, format)?;
            is_empty = false;
            left -= 1;
        }
        Ok(is_empty)
    }

    /// Prints the last events.
    async fn print_last(&self, journal: &dyn Journal, query: JournalQuery, format: Format) -> Result<bool> {
        let count = self.count.unwrap_or(MOST_WITHOUT_TIME);
        // One more tells whether there are more.
        let entries = journal.read(query, Position::Last(count.saturating_add(1)));
        let entries: Vec<JournalEntry> = entries.try_collect().await?;
        let older = entries.len().saturating_sub(count);
        for entry in &entries[older..] {
            print(&entry.message.body, format)?;
        }
        if older > 0 && self.count.is_none() {
            output::note(&format!("these are the last {count} events; --since shows all since a time"));
        }
        Ok(entries.is_empty())
    }
}

fn resumed(url: &str, is_complete: bool) -> String {
    let missed = if is_complete { "no event was missed" } else { "events may have been missed" };
    format!("the gateway was away and is back at {url}; {missed}")
}

/// A word to those whose pattern matches none of the events of this program.
fn matched_by_mistake(pattern: &BindingPattern) -> Option<String> {
    let registry = bloodbank_core::Registry::global();
    if registry.matching(pattern.as_str()).next().is_some() {
        return None;
    }
    let keys = registry.events().iter().map(|event| event.routing_key());
    let nearest = routing::nearest(pattern.as_str(), keys)?;
    Some(format!("no event of this program travels under `{pattern}`; did you mean `{nearest}`?"))
}
