//! `bb work`.

use bloodbank_core::app::StopSignals;

use crate::{app::AppFactories, connect, error::Result, output, runtime};

/// Run the subscribers and commands of this program until SIGTERM or Ctrl-C
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb work
  RABBIT_URL=amqp://localhost BLOODBANK_AGENT=echo bb work")]
pub(crate) struct Work {}

impl Work {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        runtime::block_on_service(async {
            let bus = connect::bus().await?;
            let apps = apps.build(&bus).await?;
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
