//! The program around the verbs.

use std::{process::ExitCode, sync::Arc};

use bloodbank_core::{
    App, Bus, CommandManager, Result, RunningApp, Settings,
    publish::BusBuilder,
    transport::{Topology, embedded::Embedded},
};
use bloodbank_gateway::{Gateway, GatewayBuilder, WatchCommands};
use clap::{CommandFactory, FromArgMatches};
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::args::Args;

/// A command line with every verb, for the events that are linked into this program.
#[must_use = "nothing happens until `run`"]
pub struct Program {
    pub(crate) app: AppOf,
    pub(crate) gateway: GatewayOf,
}

/// The app of a program, on a bus.
pub(crate) type AppOf = Box<dyn FnOnce(Bus) -> Result<Box<dyn AnyApp>>>;

/// What a program adds to its gateway.
pub(crate) type GatewayOf = Box<dyn FnOnce(GatewayBuilder) -> GatewayBuilder>;

/// An app, whatever its states.
pub(crate) trait AnyApp: Send {
    fn topology(&self) -> Topology;
    fn start(self: Box<Self>) -> BoxFuture<'static, Result<RunningApp>>;
    /// The same, whose commands a gateway sees.
    fn watched(self: Box<Self>, by: WatchCommands) -> Box<dyn AnyApp>;
}

impl<Provided: 'static> AnyApp for App<Provided> {
    fn topology(&self) -> Topology {
        Self::topology(self)
    }

    fn start(self: Box<Self>) -> BoxFuture<'static, Result<RunningApp>> {
        Box::pin(Self::start(*self))
    }

    fn watched(self: Box<Self>, by: WatchCommands) -> Box<dyn AnyApp> {
        Box::new(self.layer(by))
    }
}

/// A command line for the events, subscribers and commands that are linked into this program.
///
/// `work` executes the linked commands that need no state; for more, say what the app is: [`Program::app`].
#[must_use]
pub fn main() -> ExitCode {
    Program::new().run()
}

impl Program {
    /// A program whose app executes the linked commands.
    #[expect(clippy::new_without_default, reason = "a program is run, not stored")]
    pub fn new() -> Self {
        Self {
            app: boxed(|bus| {
                let service = bus.settings().service_name.clone();
                Ok(App::new(service, bus).commands(CommandManager::linked()))
            }),
            gateway: Box::new(|builder| builder),
        }
    }

    /// The app that `work` runs and `topology` shows: its states, its subscribers, its commands.
    pub fn app<Provided: 'static>(mut self, app: impl FnOnce(Bus) -> Result<App<Provided>> + 'static) -> Self {
        self.app = boxed(app);
        self
    }

    /// What its gateway has besides: webhooks, limits, origins.
    pub fn gateway(mut self, with: impl FnOnce(GatewayBuilder) -> GatewayBuilder + 'static) -> Self {
        self.gateway = Box::new(with);
        self
    }

    /// Does what the command line says.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let name = name();
        let command = Args::command().name(name.clone()).bin_name(name);
        let matches = command.get_matches();
        let done = match Args::from_arg_matches(&matches) {
            Ok(args) => args.verb.run(self),
            Err(error) => error.exit(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => fault.report(),
        }
    }
}

fn boxed<Provided: 'static>(app: impl FnOnce(Bus) -> Result<App<Provided>> + 'static) -> AppOf {
    Box::new(|bus| Ok(Box::new(app(bus)?)))
}

/// What an app needs on the broker, without asking the broker.
pub(crate) async fn topology(app: AppOf) -> Result<Topology> {
    Ok(app(aside().await?)?.topology())
}

/// The endpoints of a gateway as an OpenAPI document.
pub(crate) async fn openapi(gateway: GatewayOf) -> Result<Value> {
    Ok(bloodbank_gateway::openapi_document(&gateway(Gateway::builder(aside().await?)).build()))
}

/// A bus with these settings that nobody is on, to make what wants one.
async fn aside() -> Result<Bus> {
    let bus = BusBuilder::new(Settings::load()?).transport(Arc::new(Embedded::in_memory())).without_correlation();
    bus.connect().await
}

/// The name this program was called by.
pub(crate) fn name() -> String {
    let path = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = path.as_deref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "bb".to_owned())
}
