//! `bb dlq`.

mod list;
mod places;
mod select;
mod show;
mod sweep;

use uuid::Uuid;

use self::{
    select::{Place, Select},
    sweep::Sweep,
};
use crate::{bus, fault::Done, id::event_id, program::AppOf};

/// List, show, redrive or discard dead letters: what subscribers gave up
///
/// Those of the queues of this program's app, or of the queues given with --queue.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb dlq list
  bb dlq list --type 'orders.#' --reason failed --json
  bb dlq show 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11
  bb dlq redrive --type orders.order.placed --dry-run
  bb dlq redrive --all
  bb dlq discard --queue shipping.ship --before 30d")]
pub(crate) struct Dlq {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List dead letters, the oldest first
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        select: Select,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one dead letter: why it was given up, whether it can be read now, its headers, its envelope
    Show {
        /// The id of the event
        #[arg(value_parser = event_id)]
        id: Uuid,
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Bring dead letters back to the subscriber that gave them up
    Redrive(Sweep),
    /// Drop dead letters for good
    Discard(Sweep),
}

impl Dlq {
    pub(crate) fn run(self, app: AppOf) -> Done {
        bus::block_on(async {
            match self.action {
                Action::List { place, select, json } => list::run(&place.open(app).await?, &select, json).await,
                Action::Show { id, place, json } => show::run(&place.open(app).await?, id, json).await,
                Action::Redrive(sweep) => sweep.run(app, sweep::Action::Redrive).await,
                Action::Discard(sweep) => sweep.run(app, sweep::Action::Discard).await,
            }
        })
    }
}
