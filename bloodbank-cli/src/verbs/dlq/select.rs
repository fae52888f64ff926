//! Which dead letters are meant.

use bloodbank_core::{Settings, dead_letter::Filter, routing::BindingPattern};
use uuid::Uuid;

use super::places::Places;
use crate::{
    bus,
    door::{Client, Door, Via},
    fault::Fault,
    id::event_id,
    program::{self, AppOf},
    when::Past,
};

/// Where to look.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The dead letters of this queue; default: those of this program's app
    #[arg(long, value_name = "QUEUE")]
    queue: Vec<String>,
}

/// Which of them.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Select {
    /// Only these events
    #[arg(long, value_name = "ID", value_parser = event_id)]
    id: Vec<Uuid>,
    /// Only events whose type matches, such as `orders.#`
    #[arg(short = 't', long = "type", value_name = "PATTERN")]
    event_type: Option<String>,
    /// Only those given up for this reason: `failed`, `attempts`, `undecodable`, `delivery_limit`, …
    #[arg(long)]
    reason: Option<String>,
    /// Only those whose error contains this text
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only those that failed then or later: `10m`, `3d`, 2025-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Past>,
    /// Only those that failed before
    #[arg(long, value_name = "TIME")]
    before: Option<Past>,
    /// Only those that this program can read now
    #[arg(long, conflicts_with = "unreadable")]
    readable: bool,
    /// Only those that this program cannot read
    #[arg(long)]
    unreadable: bool,
    /// At most so many
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
}

impl Select {
    /// This event.
    pub(super) fn event(id: Uuid) -> Self {
        Self { id: vec![id], ..Self::default() }
    }

    /// Whether it means all of them.
    pub(super) fn is_open(&self) -> bool {
        let Self { id, event_type, reason, error, since, before, readable, unreadable, limit } = self;
        id.is_empty()
            && event_type.is_none()
            && reason.is_none()
            && error.is_none()
            && since.is_none()
            && before.is_none()
            && limit.is_none()
            && !readable
            && !unreadable
    }

    /// The same for a gateway.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let Self { id, event_type, reason, error, since, before, readable, unreadable, limit } = self;
        let time = |past: &Past| past.0.to_rfc3339();
        let mut query: Vec<_> = id.iter().map(|id| ("id", id.to_string())).collect();
        let mut add = |name, value: Option<String>| query.extend(value.map(|value| (name, value)));
        add("type", event_type.clone());
        add("reason", reason.clone());
        add("error", error.clone());
        add("since", since.as_ref().map(time));
        add("before", before.as_ref().map(time));
        add("readable", (*readable || *unreadable).then(|| readable.to_string()));
        add("limit", limit.map(|limit| limit.to_string()));
        query
    }

    /// At most so many of them.
    pub(super) fn at_most(&self, limit: usize) -> Self {
        Self { limit: Some(limit), ..self.clone() }
    }

    pub(super) fn filter(&self) -> Result<Filter, Fault> {
        let pattern =
            |text: &String| BindingPattern::parse_wire(&**text).map_err(|fault| Fault::usage(fault.to_string()));
        Ok(Filter {
            event_ids: self.id.clone(),
            event_type: self.event_type.as_ref().map(pattern).transpose()?,
            reason: self.reason.clone(),
            error: self.error.clone(),
            since: self.since.as_ref().map(|past| past.0),
            before: self.before.as_ref().map(|past| past.0),
            decodes: match (self.readable, self.unreadable) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                (false, false) => None,
            },
            limit: self.limit,
        })
    }
}

impl Place {
    pub(super) async fn open(&self, app: AppOf) -> Result<Places, Fault> {
        let named = !self.queue.is_empty();
        let queues = if named {
            // The queue or its dead-letter queue: both name the same.
            self.queue.iter().map(|queue| queue.strip_suffix(".dlq").unwrap_or(queue).to_owned()).collect()
        } else {
            let topology = program::topology(app).await?;
            let parked = topology.queues.iter().filter_map(|queue| queue.name.strip_suffix(".dlq"));
            parked.map(str::to_owned).collect::<Vec<_>>()
        };
        let settings = Settings::load()?;
        let door = match Client::find(&settings, Via::Auto).await? {
            Some(gateway) => Door::Gateway(gateway),
            None => Door::Bus(bus::connect_lasting().await?),
        };
        Ok(Places { door, queues, named })
    }
}
