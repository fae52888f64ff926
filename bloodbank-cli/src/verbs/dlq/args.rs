//! Arguments that say which dead letters are meant.

use bloodbank_core::{
    dead_letter::{Filter, Handle},
    routing::BindingPattern,
};

use crate::{
    args::PastTime,
    error::{CliError, Result},
};

/// The queues that are looked at.
#[derive(Debug, clap::Args)]
pub(super) struct QueueArgs {
    /// Only the dead letters of this queue; default: those of every queue of the apps of this program
    #[arg(long, value_name = "QUEUE", conflicts_with = "everywhere")]
    pub(super) queue: Vec<String>,
    /// Those of every queue of the bus; `list` and `show` do so by themselves in a program without an app
    #[arg(long)]
    pub(super) everywhere: bool,
}

/// The dead letters that are meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct FilterArgs {
    /// Only these dead letters, by the handle that `list` prints: the id of the event, or `m-…` where it has none
    #[arg(long, value_name = "HANDLE")]
    id: Vec<Handle>,
    /// Only events whose type matches, such as `orders.#`
    #[arg(short = 't', long = "type", value_name = "PATTERN")]
    event_type: Option<String>,
    /// Only those given up for this reason: `failed`, `attempts`, `undecodable`, `delivery_limit`, …
    #[arg(long)]
    reason: Option<String>,
    /// Only those whose error contains this text
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only those that failed at this time or later: `10m`, `3d`, 2025-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<PastTime>,
    /// Only those that failed before this time
    #[arg(long, value_name = "TIME")]
    before: Option<PastTime>,
    /// Only those that this program can read now
    #[arg(long, conflicts_with = "unreadable")]
    readable: bool,
    /// Only those that this program cannot read
    #[arg(long)]
    unreadable: bool,
    /// At most this many
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
}

impl FilterArgs {
    /// Whether single dead letters are named.
    pub(super) fn names_letters(&self) -> bool {
        !self.id.is_empty()
    }

    /// Whether every dead letter passes.
    pub(super) fn is_empty(&self) -> bool {
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

    /// The arguments as a filter.
    pub(super) fn filter(&self) -> Result<Filter> {
        let pattern =
            |text: &String| BindingPattern::parse_wire(&**text).map_err(|error| CliError::usage(error.to_string()));
        // An empty text is contained in every other.
        for (name, text) in [("--reason", &self.reason), ("--error", &self.error)] {
            if text.as_deref() == Some("") {
                return Err(CliError::usage(format!("{name} is empty; leave it out, or say what it selects")));
            }
        }
        Ok(Filter {
            handles: self.id.clone(),
            event_type: self.event_type.as_ref().map(pattern).transpose()?,
            reason: self.reason.clone(),
            error: self.error.clone(),
            since: self.since.as_ref().map(|since| since.0),
            before: self.before.as_ref().map(|before| before.0),
            decodes: match (self.readable, self.unreadable) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                (false, false) => None,
            },
            limit: self.limit,
        })
    }
}
