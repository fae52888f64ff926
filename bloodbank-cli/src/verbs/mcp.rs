//! `bb mcp`.

use bloodbank_client::GatewayClient;
use bloodbank_core::{Bus, Settings, routing::BindingPattern};
use bloodbank_gateway::{Gateway, McpServer, Patterns};

use crate::{
    app::Composition,
    error::{CliError, Result},
    runtime,
};

/// Speak MCP over standard input and output: the events of this program as tools of an AI agent
///
/// --allow limits what an agent may publish. On the embedded bus, which one process has to itself, the subscribers and
/// commands of the program run too; on RabbitMQ they run where `work` or `serve` does. The gateway of `serve` offers the
/// same tools over HTTP, at /mcp.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb mcp
  bb mcp --allow 'artifact.#' --allow llm.response")]
pub(crate) struct Mcp {
    /// Let the agent publish only events that match this pattern; can be given several times
    #[arg(long, value_name = "PATTERN", value_parser = |text: &str| BindingPattern::parse(text))]
    allow: Vec<BindingPattern>,
}

impl Mcp {
    pub(crate) fn run(self, program: Composition) -> Result {
        runtime::block_on(async {
            let settings = Settings::load()?;
            if let Some(gateway) = GatewayClient::find(&settings).await? {
                return Err(CliError::failed(format!(
                    "a gateway has this bus; let the agent use {}/mcp, or stop the gateway",
                    gateway.url()
                )));
            }
            let is_alone = settings.rabbit_url.is_none();
            let bus = Bus::connect(settings).await?;
            let mut builder = (program.gateway)(Gateway::builder(bus.clone()))?;
            if !self.allow.is_empty() {
                builder = builder.agents_may_publish(Patterns::from_iter(self.allow));
            }
            let gateway = builder.build();
            // Nobody else can be on this bus to execute what the agent asks for.
            let running = if is_alone {
                Some((program.app)(bus.clone()).await?.watched(gateway.watch_commands()).start().await?)
            } else {
                None
            };
            let served = McpServer::new(gateway).serve_stdio().await;
            let stopped = match running {
                Some(running) => running.shutdown().await,
                None => Ok(()),
            };
            bus.close().await;
            served?;
            Ok(stopped?)
        })
    }
}
