//! `bb work`.

use bloodbank_core::{App, app::StopSignals};

use crate::{app::AppFactories, connect, database, error::Result, output, runtime};

/// Run the subscribers and commands of this program until SIGTERM or Ctrl-C
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb work
  BLOODBANK_EXECUTE='fireflies.#' bb work
  DATABASE_URL=postgres://localhost/shop bb work --outbox --journal
  RABBIT_URL=amqp://localhost BLOODBANK_AGENT=echo bb work")]
pub(crate) struct Work {
    /// Execute no commands: somebody else does
    #[arg(long)]
    no_commands: bool,
    /// Relay the outbox in the database of DATABASE_URL too
    #[arg(long)]
    outbox: bool,
    /// Copy the journal of the bus into the database of DATABASE_URL too, which must be PostgreSQL
    #[arg(long)]
    journal: bool,
    /// Archive the journal of the bus at BLOODBANK_ARCHIVE too
    #[arg(long)]
    archive: bool,
}

impl Work {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        runtime::block_on_service(async {
            let bus = connect::bus().await?;
            let apps = apps.build(&bus).await?;
            let mut apps = if self.no_commands { apps.execute_only(&[]) } else { apps };
            if self.outbox {
                apps.add(App::new(bus.service_name(), bus.clone()).task(database::open()?));
            }
            if self.journal {
                apps.add(App::new(bus.service_name(), bus.clone()).task(database::open()?.journal_writer()?));
            }
            if self.archive {
                apps.add(App::new(bus.service_name(), bus.clone()).task(super::archive::archiver(bus.settings())?));
            }
            let topology = apps.topology();
            let mut signals = StopSignals::listen()?;
            let Some(running) = signals.let_finish(apps.start()).await else { return Ok(()) };
            let running = running?;
            let system = running.bus().transport().system();
            for binding in topology.bindings.iter().filter(|binding| binding.exchange == *running.bus().exchange()) {
                output::note(&format!("{} → {} on {system}", binding.pattern, binding.queue));
            }
            output::note("working; Ctrl-C finishes what is in hand and ends");
            Ok(running.wait_for(signals).await?)
        })
    }
}
