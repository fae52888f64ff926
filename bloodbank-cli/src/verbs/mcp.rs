//! `bb mcp`.

use std::io::Write;

use bloodbank_client::{GatewayClient, McpSession, is_in_memory};
use bloodbank_core::{Bus, Settings, routing::BindingPattern};
use bloodbank_gateway::{Gateway, McpServer, Patterns};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    task::JoinSet,
};

use crate::{
    app::Composition,
    connect::LASTING_BUS,
    error::{CliError, Result},
    output, runtime,
};

/// Speak MCP over standard input and output: the events of this program as tools of an AI agent
///
/// --allow limits what an agent may publish. On the embedded bus, which one process has to itself, the subscribers and
/// commands of the program run too; on RabbitMQ they run where `work` or `serve` does. The gateway of `serve` offers the
/// same tools over HTTP, at /mcp; beside a running gateway this verb passes through to it. What is published has to go
/// somewhere: without a gateway, RABBIT_URL and BLOODBANK_EMBEDDED_PATH, --memory says that it may be lost.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  BLOODBANK_EMBEDDED_PATH=bus.db bb mcp
  bb mcp --allow 'artifact.#' --allow llm.response
  bb mcp --memory")]
pub(crate) struct Mcp {
    /// Let the agent publish only events that match this pattern; can be given several times
    #[arg(long, value_name = "PATTERN", value_parser = |text: &str| BindingPattern::parse(text))]
    allow: Vec<BindingPattern>,
    /// Keep nothing: a bus in memory, which ends with this process
    #[arg(long)]
    memory: bool,
}

impl Mcp {
    pub(crate) fn run(self, program: Composition) -> Result {
        runtime::block_on(async {
            let settings = self.settings()?;
            if !self.memory
                && let Some(gateway) = GatewayClient::find(&settings).await?
            {
                output::note(&format!("events go through the gateway at {}", gateway.url()));
                return pass_through(gateway.mcp().allow(&self.allow)).await;
            }
            if is_in_memory(&settings) && !self.memory {
                return Err(CliError::usage(format!(
                    "what the agent publishes would be lost with this process; {LASTING_BUS}, or say --memory"
                )));
            }
            let is_alone = settings.rabbit_url.is_none();
            let file = settings.embedded_path.clone();
            let bus = Bus::connect(settings).await?;
            output::note(&match (file, is_alone) {
                (Some(file), true) => format!("events go to the bus in {}", file.display()),
                (None, true) => "events go to a bus in memory, which ends with this process".to_owned(),
                (_, false) => format!("events go to RabbitMQ, exchange {}", bus.exchange()),
            });
            let mut builder = (program.gateway)(Gateway::builder(bus.clone()))?;
            if !self.allow.is_empty() {
                builder = builder.agents_may_publish(Patterns::from_iter(self.allow));
            }
            let gateway = builder.build();
            // Nobody else can be on this bus to execute what the agent asks for.
            let running = if is_alone {
                Some(program.apps.build(&bus).await?.watched(&gateway.watch_commands()).start().await?)
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

    fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::load()?;
        if self.memory {
            if settings.rabbit_url.is_some() {
                return Err(CliError::usage("--memory is for the embedded bus; leave it out, or unset RABBIT_URL"));
            }
            settings.embedded_path = None;
            settings.allow_memory = true;
        }
        Ok(settings)
    }
}

/// Passes what the agent says to a gateway, and what comes back to the agent, until the agent says no more.
async fn pass_through(session: McpSession) -> Result {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut under_way = JoinSet::new();
    while let Some(line) = lines.next_line().await? {
        if line.trim().is_empty() {
            continue;
        }
        let was_initialized = session.is_initialized();
        let session = session.clone();
        let pass = async move {
            let id = serde_json::from_str::<Value>(&line).map_or(Value::Null, |message| message["id"].clone());
            if let Err(error) = session.send(line, answer).await {
                let error = json!({"code": GATEWAY_FAILED, "message": error.to_string()});
                answer(json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string());
            }
        };
        // The first answer names the session of all that follows; then a slow command holds up nobody.
        if was_initialized { drop(under_way.spawn(pass)) } else { pass.await }
    }
    while under_way.join_next().await.is_some() {}
    Ok(())
}

/// A code that JSON-RPC leaves to servers.
const GATEWAY_FAILED: i32 = -32000;

/// Writes one message to the agent, on one line.
fn answer(message: String) {
    let mut out = std::io::stdout().lock();
    // An agent that is gone ends the standard input too.
    let _ = writeln!(out, "{}", message.replace(['\n', '\r'], " ")).and_then(|()| out.flush());
}
