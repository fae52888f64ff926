//! `bb dlq`.

mod args;
mod keys;
mod list;
mod queues;
mod show;
mod sweep;

use bloodbank_client::SweepAction;
use bloodbank_core::dead_letter::Handle;

use self::{
    args::{FilterArgs, QueueArgs},
    keys::Keys,
    queues::DeadLetterQueues,
    sweep::Sweep,
};
use crate::{app::AppFactories, args::Via, error::Result, runtime};

/// List, show, redrive or discard dead letters: the events that subscribers gave up
///
/// Without --queue, the dead letters of every queue of the apps of this program are meant; in a program without an app,
/// those of the whole bus are listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb dlq list
  bb dlq list --type 'orders.#' --reason failed --json
  bb dlq show 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11
  bb dlq redrive --type orders.order.placed --dry-run
  bb dlq redrive --all
  bb dlq discard --queue shipping.ship --before 30d
  bb dlq keys
  bb dlq keys --queue shipping.ship --release o-17")]
pub(crate) struct Dlq {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List dead letters, the oldest first
    List {
        #[command(flatten)]
        queues: QueueArgs,
        #[command(flatten)]
        filter: FilterArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one dead letter: why it was given up, whether this program can read it now, its headers, its envelope
    Show {
        /// The handle that `list` prints: the id of the event, or `m-…` where it has none
        handle: Handle,
        #[command(flatten)]
        queues: QueueArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters back to the subscriber that gave them up
    Redrive(Sweep),
    /// Drop dead letters for good
    Discard(Sweep),
    /// List the keys that a dead letter holds back (`retry(park_key)`), or release one
    Keys(Keys),
}

impl Dlq {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        runtime::block_on(async {
            match self.action {
                Action::List { queues, filter, json } => {
                    let filter = filter.filter()?;
                    list::run(&DeadLetterQueues::open(&queues, apps, true, Via::Auto).await?, &filter, json).await
                }
                Action::Show { handle, queues, json } => {
                    show::run(&DeadLetterQueues::open(&queues, apps, true, Via::Auto).await?, handle, json).await
                }
                Action::Redrive(sweep) => sweep.run(apps, SweepAction::Redrive).await,
                Action::Discard(sweep) => sweep.run(apps, SweepAction::Discard).await,
                Action::Keys(keys) => keys.run(apps).await,
            }
        })
    }
}
