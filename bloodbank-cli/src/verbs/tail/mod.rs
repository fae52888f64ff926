//! `bb tail`.

mod line;

use std::{io::Write, path::Path};

use bloodbank_core::{
    Bus, Settings,
    routing::{self, BindingPattern},
    settings::QueueKind,
    store::{JournalQuery, Position},
    transport::{
        Topology, Transport,
        topology::{Binding, Queue},
    },
};
use bloodbank_embedded::Embedded;
use futures_util::{StreamExt, TryStreamExt};
use uuid::Uuid;

use self::line::Style;
use crate::{
    bus,
    door::{Client, Via},
    fault::{Done, Fault},
    output,
    when::Past,
};

/// Watch events as they are published
///
/// On RabbitMQ: from now on, through a queue of its own that is gone with it; nobody's events are taken away. The embedded
/// bus remembers events: through a gateway that has its file, --since begins with those; without one, what the file
/// remembers is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb tail
  bb tail 'orders.#'
  bb tail 'orders.*.failed' --full
  bb tail --since 10m --json | jq .payload")]
pub(crate) struct Tail {
    /// `*` is one word, `#` any number of them
    #[arg(default_value = "#")]
    pattern: String,
    /// Begin with what was published since then, where the bus remembers it: `90s`, `10m`, `2h`, `3d`, or a time such as
    /// 2025-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Past>,
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

impl Tail {
    pub(crate) fn run(self) -> Done {
        let pattern = BindingPattern::parse_wire(&*self.pattern).map_err(|fault| Fault::usage(fault.to_string()))?;
        let style = match (self.full, self.json) {
            (true, _) => Style::Full,
            (_, true) => Style::Json,
            _ => Style::Line,
        };
        bus::block_on(async {
            let settings = Settings::load()?;
            if let Some(note) = matched_by_mistake(&pattern) {
                output::note(&note);
            }
            if settings.rabbit_url.is_some() {
                if self.since.is_some() {
                    return Err(Fault::usage(
                        "RabbitMQ remembers no events, so there is nothing since then; leave out --since",
                    ));
                }
                return self.live(&Bus::connect(settings).await?, &pattern, style).await;
            }
            if let Some(gateway) = Client::find(&settings, Via::Auto).await? {
                return self.through(&gateway, &pattern, style).await;
            }
            match settings.embedded_path.as_deref() {
                Some(path) => self.remembered(path, &settings, pattern, style).await,
                None => Err(Fault::usage(
                    "a bus in memory is in one process only; start `serve`, or set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to the file of a bus",
                )),
            }
        })
    }

    /// What is published from now on.
    async fn live(&self, bus: &Bus, pattern: &BindingPattern, style: Style) -> Done {
        let queue = Queue::new(format!("bloodbank.tail.{}", Uuid::new_v4()), QueueKind::Transient);
        let name = queue.name.clone();
        let binding =
            Binding { exchange: bus.exchange().clone(), queue: name.clone(), pattern: pattern.as_str().into() };
        let mut topology = Topology::events(bus.exchange());
        topology.queues.push(queue);
        topology.bindings.push(binding);
        bus.transport().declare(topology).await?;
        let mut deliveries = bus.transport().consume(name, 256).await?;
        output::note(&format!("watching `{pattern}` on {}; Ctrl-C ends", bus.exchange()));
        let mut left = self.count.unwrap_or(usize::MAX);
        while left > 0 {
            let delivery = tokio::select! {
                delivery = deliveries.next() => delivery,
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(delivery) = delivery else { break };
            print(&delivery.message.body, style)?;
            delivery.ack();
            left -= 1;
        }
        drop(deliveries);
        bus.close().await;
        Ok(())
    }

    /// What is published from now on, as a gateway sees it.
    async fn through(&self, gateway: &Client, pattern: &BindingPattern, style: Style) -> Done {
        let mut events =
            std::pin::pin!(gateway.stream(pattern.as_str(), self.since.as_ref().map(|since| since.0)).await?);
        output::note(&format!("watching `{pattern}` through {}; Ctrl-C ends", gateway.url()));
        let mut left = self.count.unwrap_or(usize::MAX);
        while left > 0 {
            let body = tokio::select! {
                body = events.next() => body,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            let body = body.ok_or_else(|| Fault::failed("the gateway ended the stream; is it still there?"))?;
            print(&body, style)?;
            left -= 1;
        }
        Ok(())
    }

    /// What the file of the embedded bus remembers.
    async fn remembered(&self, path: &Path, settings: &Settings, pattern: BindingPattern, style: Style) -> Done {
        let bus = Embedded::open(path).await?;
        let mut query = JournalQuery::all().pattern(pattern).exchange(&*settings.exchange_name);
        query.since = self.since.as_ref().map(|since| since.0);
        let count = self.count.unwrap_or(if self.since.is_some() { 10_000 } else { 100 });
        let mut is_empty = true;
        if let Some(journal) = bus.stores(settings).journal {
            let mut entries = journal.read(query, Position::Last(count));
            while let Some(entry) = entries.try_next().await? {
                print(&entry.message.body, style)?;
                is_empty = false;
            }
        }
        bus.close().await;
        if is_empty {
            output::note("the file remembers no such event");
        }
        Ok(())
    }
}

fn print(body: &[u8], style: Style) -> Done {
    // In one piece: whoever reads sees whole lines.
    let text = line::of(body, style);
    let mut out = output::out();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
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
