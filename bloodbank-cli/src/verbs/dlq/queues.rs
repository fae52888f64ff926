//! The dead-letter queues that a verb works on.

use bloodbank_client::{Connection, DeadLetterDetail, DeadLetterEntry};
use bloodbank_core::{dead_letter::Filter, transport::topology::dead_letter_queue};

use super::args::QueueArgs;
use crate::{
    app::{self, AppFactory},
    args::Via,
    connect::{self, LASTING_BUS},
    error::{CliError, Result},
};

/// The queues of subscribers whose dead letters are meant, on an open connection.
pub(super) struct DeadLetterQueues {
    pub(super) connection: Connection,
    queues: Vec<String>,
    /// Whether the user named the queues, so that each must exist.
    are_named: bool,
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

impl DeadLetterQueues {
    /// Opens the queues that the arguments name, otherwise those of the app.
    pub(super) async fn open(args: &QueueArgs, app: AppFactory) -> Result<Self> {
        let are_named = !args.queue.is_empty();
        let queues = if are_named {
            // The queue or its dead-letter queue: both name the same subscriber.
            args.queue.iter().map(|queue| queue.strip_suffix(".dlq").unwrap_or(queue).to_owned()).collect()
        } else {
            let topology = app::topology(app).await?;
            let dead_letter_queues = topology.queues.iter().filter_map(|queue| queue.name.strip_suffix(".dlq"));
            dead_letter_queues.map(str::to_owned).collect()
        };
        let connection = connect::open_lasting(Via::Auto).await?.ok_or_else(|| {
            CliError::usage(format!("a bus in memory holds nothing when a command begins; {LASTING_BUS}"))
        })?;
        Ok(Self { connection, queues, are_named })
    }

    /// The dead letters that pass a filter, by queue.
    pub(super) async fn list(&self, filter: &Filter, detail: DeadLetterDetail) -> Result<Vec<Listing>> {
        let mut listings = Vec::new();
        for queue in &self.queues {
            match self.connection.dead_letters(queue, filter, detail).await {
                Ok(entries) => listings.push(Listing { queue: queue.clone(), entries }),
                // An app that never ran has no queues yet.
                Err(error) if error.is_missing_queue() && !self.are_named => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(listings)
    }

    pub(super) async fn close(&self) {
        self.connection.close().await;
    }
}
