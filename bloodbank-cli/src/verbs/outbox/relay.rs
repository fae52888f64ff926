//! `bb outbox relay`.

use std::io::Write;

use bloodbank_core::app::StopSignals;
use tokio_util::sync::CancellationToken;

use crate::{connect, database, error::Result, output};

#[derive(Debug, clap::Args)]
pub(super) struct Relay {
    /// Publish what waits now, and end
    #[arg(long)]
    once: bool,
}

impl Relay {
    pub(super) async fn run(&self) -> Result {
        let pool = database::open()?;
        // Before the bus, which may take longer.
        pool.check_schema().await?;
        let mut signals = StopSignals::listen()?;
        let bus = connect::bus().await?;
        if self.once {
            let confirmed = pool.relay_once(&bus).await;
            bus.close().await;
            writeln!(output::out(), "{} published", confirmed?)?;
            return Ok(());
        }
        output::note(&format!("relaying from {}; Ctrl-C ends", pool.dialect()));
        let stop = CancellationToken::new();
        let relay = pool.relay(bus.clone(), stop.clone());
        let stopped = async {
            signals.next().await;
            stop.cancel();
        };
        let (relayed, ()) = tokio::join!(relay, stopped);
        bus.close().await;
        Ok(relayed?)
    }
}
