//! Which dead letters are meant.

use bloodbank_core::{
    Bus, DeadLetters, ErrorKind,
    dead_letter::{DeadLetter, Filter},
    routing::BindingPattern,
};
use uuid::Uuid;

use crate::{
    bus,
    fault::Fault,
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
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Select {
    /// Only these events
    #[arg(long, value_name = "ID")]
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

/// The dead-letter queues that are meant, on an open bus.
pub(super) struct Places {
    bus: Bus,
    queues: Vec<DeadLetters>,
    /// The queues were named, so each must exist.
    named: bool,
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
        let bus = bus::connect_lasting().await?;
        let queues = queues.into_iter().map(|queue| DeadLetters::of(&bus, queue)).collect();
        Ok(Places { bus, queues, named })
    }
}

impl Places {
    /// Every queue that is there, with its letters that pass.
    pub(super) async fn letters(&self, filter: &Filter) -> Result<Vec<(&DeadLetters, Vec<DeadLetter>)>, Fault> {
        let mut found = Vec::new();
        for queue in &self.queues {
            match queue.list(filter).await {
                Ok(letters) => found.push((queue, letters)),
                // An app that never ran has no queues yet.
                Err(error) if error.kind() == ErrorKind::Topology && !self.named => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    pub(super) async fn close(&self) {
        self.bus.close().await;
    }
}
