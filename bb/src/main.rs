//! `bb`: the command line for the events of `bloodbank-domains`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use bloodbank_cli::Program;
use bloodbank_core::{App, CommandManager};
use bloodbank_domains::agents::Agents;
use bloodbank_webhooks::{FirefliesApi, Webhooks};
use mimalloc::MiMalloc;

/// The allocator of glibc tidies up its free lists for each vector of over a kilobyte, and each message to RabbitMQ needs one.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    Program::new()
        .app(async |bus| {
            Ok(App::new(bus.service_name(), bus.clone())
                .state(Agents::from_env()?)
                .state(FirefliesApi::from_env()?)
                .commands(CommandManager::linked()))
        })
        .gateway(|builder| Ok(builder.endpoints(Webhooks::from_env()?.endpoints())))
        .run()
}
