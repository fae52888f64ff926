//! Serves a gateway on the embedded bus, or on the bus that the environment names, with the linked agents.
//!
//! Run: `cargo run -p bloodbank-gateway --example gateway`, then
//! `curl -d '{"provider": "me", "prompt": "why?"}' -H 'content-type: application/json' localhost:8682/events/llm/prompt`.
//! With `-- mcp` the program speaks MCP on its standard input and output instead.

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

use bloodbank_core::{App, Bus, CommandManager, Settings, telemetry::init_logging};
use bloodbank_domains::agents::{Agents, Echo};
use bloodbank_gateway::{Gateway, McpServer, ServeOptions, Server, Tokens};
use bloodbank_webhooks::{FirefliesApi, Webhooks};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    init_logging();
    let settings = Settings::load()?;
    let options = ServeOptions::on(settings.http_host.as_str(), settings.http_port);
    let bus = Bus::connect(settings).await?;
    let gateway =
        Gateway::builder(bus.clone()).tokens(Tokens::from_env()?).endpoints(Webhooks::from_env()?.endpoints()).build();
    let agents = App::new("agents", bus.clone())
        .state(Agents::new(Echo))
        .state(FirefliesApi::default())
        .commands(CommandManager::linked());
    let app = agents.layer(gateway.watch_commands()).start().await?;
    if std::env::args().nth(1).as_deref() == Some("mcp") {
        McpServer::new(gateway).serve_stdio().await?;
    } else {
        let server = Server::bind(gateway, options).await?;
        println!("http://{}/docs", server.address());
        server.run().await?;
    }
    app.shutdown().await?;
    bus.close().await;
    Ok(())
}
