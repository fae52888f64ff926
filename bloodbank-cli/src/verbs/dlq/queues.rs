//! The dead-letter queues that a verb works on.

use bloodbank_client::Connection;
use bloodbank_core::{
    Settings,
    dead_letter::{DeadLetterDetail, DeadLetterEntry, Filter},
    transport::topology::dead_letter_queue,
};

use super::args::QueueArgs;
use crate::{
    app::AppFactories,
    args::Via,
    connect::{self, LASTING_BUS},
    error::{CliError, Result},
};

/// The queues of subscribers whose dead letters are meant, on an open connection.
pub(super) struct DeadLetterQueues {
    pub(super) connection: Connection,
    settings: Settings,
    queues: Vec<String>,
    choice: Choice,
}

/// Why these queues are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The user named them, so that each must exist.
    Named,
    /// The apps of the program have them.
    OfApps,
    /// They are all that the bus has.
    Everywhere,
}

/// The dead letters of one subscriber.
pub(super) struct Listing {
    /// The queue of the subscriber.
    pub(super) queue: String,
    pub(super) entries: Vec<DeadLetterEntry>,
}

impl Listing {
    /// The name of the queue that holds the dead letters.
    pub(super) fn dead_letter_queue(&self) -> String {
        dead_letter_queue(&self.queue)
    }
}

/// What was found, and where it was looked for.
pub(super) struct Looked {
    pub(super) listings: Vec<Listing>,
    /// Queues of the apps that are not on the bus yet.
    pub(super) missing: Vec<String>,
    choice: Choice,
}

impl DeadLetterQueues {
    /// Opens the queues that the arguments name, otherwise those of the apps, otherwise, where `is_harmless`, those of the
    /// whole bus.
    pub(super) async fn open(args: &QueueArgs, apps: AppFactories, is_harmless: bool, via: Via) -> Result<Self> {
        let choice = match (args.queue.is_empty(), args.everywhere) {
            (false, _) => Choice::Named,
            (true, true) => Choice::Everywhere,
            (true, false) if !apps.is_empty() => Choice::OfApps,
            (true, false) if is_harmless => Choice::Everywhere,
            (true, false) => {
                return Err(CliError::usage(
                    "this program has no app whose queues could be meant; say which: --queue, --id, or --everywhere",
                ));
            }
        };
        let settings = Settings::load()?;
        let of_apps = if choice == Choice::OfApps {
            let topology = apps.topology().await?;
            let queues = topology.queues.iter().filter_map(|queue| queue.name.strip_suffix(".dlq"));
            queues.map(str::to_owned).collect()
        } else {
            Vec::new()
        };
        let connection = connect::open_lasting(via).await?.ok_or_else(|| {
            CliError::usage(format!("a bus in memory holds nothing when a command begins; {LASTING_BUS}"))
        })?;
        let queues = match choice {
            // The queue or its dead-letter queue: both name the same subscriber.
            Choice::Named => {
                args.queue.iter().map(|queue| queue.strip_suffix(".dlq").unwrap_or(queue).to_owned()).collect()
            }
            Choice::OfApps => of_apps,
            Choice::Everywhere => {
                let queues = connection.queues(&settings).await?;
                queues.iter().filter_map(|queue| queue.name.strip_suffix(".dlq").map(str::to_owned)).collect()
            }
        };
        Ok(Self { connection, settings, queues, choice })
    }

    /// The names of the queues of subscribers.
    pub(super) fn names(&self) -> &[String] {
        &self.queues
    }

    /// The dead letters that pass a filter, by queue.
    pub(super) async fn list(&self, filter: &Filter, detail: DeadLetterDetail) -> Result<Looked> {
        let mut looked = Looked { listings: Vec::new(), missing: Vec::new(), choice: self.choice };
        for queue in &self.queues {
            match self.connection.dead_letters(queue, filter, detail).await {
                Ok(entries) => looked.listings.push(Listing { queue: queue.clone(), entries }),
                // An app that never ran has no queues yet.
                Err(error) if error.is_missing_queue() && self.choice != Choice::Named => {
                    looked.missing.push(dead_letter_queue(queue));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(looked)
    }

    /// What lies in dead-letter queues that were not looked at, in a sentence; `None`: nothing, as far as can be seen.
    pub(super) async fn elsewhere(&self) -> Option<String> {
        if self.choice != Choice::OfApps {
            return None;
        }
        let queues = match self.connection.queues(&self.settings).await {
            Ok(queues) => queues,
            Err(error) => return Some(format!("other dead-letter queues were not looked at: {error} with --queue")),
        };
        let others = queues.iter().filter_map(|queue| Some((queue.name.strip_suffix(".dlq")?, queue.waiting)));
        let others = others.filter(|(queue, waiting)| *waiting > 0 && !self.queues.iter().any(|own| own == queue));
        let (count, waiting) = others.fold((0, 0), |(count, sum), (_, waiting)| (count + 1, sum + waiting));
        let (is, queues) = if count == 1 { ("is", "queue") } else { ("are", "queues") };
        (count > 0).then(|| {
            format!("{waiting} more dead letters lie in {count} {queues} that {is} not of this program; --everywhere shows them")
        })
    }

    pub(super) async fn close(&self) {
        self.connection.close().await;
    }
}

impl Looked {
    /// The dead letters of all queues.
    pub(super) fn entries(&self) -> impl Iterator<Item = &DeadLetterEntry> {
        self.listings.iter().flat_map(|listing| &listing.entries)
    }

    /// Where it was looked, in a sentence.
    pub(super) fn place(&self) -> String {
        let queues: Vec<_> = self.listings.iter().map(Listing::dead_letter_queue).collect();
        let whose = match self.choice {
            Choice::Named => "named here",
            Choice::OfApps => "of this program",
            Choice::Everywhere => "of the bus",
        };
        let mut place = match queues.len() {
            0 => format!("no dead-letter queue {whose} exists"),
            1..=8 => format!("looked at the dead-letter queues {whose}: {}", queues.join(", ")),
            count => format!("looked at all {count} dead-letter queues {whose}"),
        };
        if !self.missing.is_empty() {
            place.push_str(&format!("; not on the bus yet: {}", self.missing.join(", ")));
        }
        place
    }
}
