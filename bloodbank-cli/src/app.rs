//! The apps and the gateway of a program, as the verbs get them.

use std::{collections::BTreeSet, sync::Arc};

use bloodbank_core::{
    App, Bus, CommandManager, Result, RunningApp, Settings,
    app::{BusBuilder, Health, HealthProbe, StopSignals},
    event::Location,
    routing,
    settings::Reader,
    transport::Topology,
};
use bloodbank_embedded::Embedded;
use bloodbank_gateway::{Gateway, GatewayBuilder, GatewayError, WatchCommands};
use bloodbank_outgoing::OutgoingWebhooks;
use futures_util::future::{BoxFuture, LocalBoxFuture, join_all};
use serde_json::Value;

use crate::error::CliError;

/// Builds an app of a program on a bus.
pub(crate) type AppFactory = Box<dyn FnOnce(Bus) -> LocalBoxFuture<'static, Result<Box<dyn AnyApp>>>>;

/// Adds what a program has besides to its gateway.
pub(crate) type GatewayFactory = Box<dyn FnOnce(GatewayBuilder) -> std::result::Result<GatewayBuilder, GatewayError>>;

/// What a program consists of beside its command line.
pub(crate) struct Composition {
    pub(crate) apps: AppFactories,
    pub(crate) gateway: GatewayFactory,
}

/// What builds the apps of a program.
#[derive(Default)]
pub(crate) struct AppFactories(Vec<AppFactory>);

impl AppFactories {
    pub(crate) fn add<Provided: 'static>(&mut self, app: impl AsyncFnOnce(Bus) -> Result<App<Provided>> + 'static) {
        self.0.push(Box::new(|bus| Box::pin(async move { Ok(Box::new(app(bus).await?) as Box<dyn AnyApp>) })));
    }

    /// Whether the program names no app of its own: then one executes the commands that are linked.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) async fn build(mut self, bus: &Bus) -> Result<Apps> {
        if self.is_empty() {
            self.add(async |bus: Bus| Ok(App::new(bus.service_name(), bus.clone()).commands(CommandManager::linked())));
        }
        let mut apps: Vec<Box<dyn AnyApp>> = Vec::new();
        for app in self.0 {
            apps.push(app(bus.clone()).await?);
        }
        let outgoing = OutgoingWebhooks::from_env()?;
        if !outgoing.is_empty() {
            apps.push(Box::new(outgoing.app(bus.clone())));
        }
        let apps = Apps { apps, bus: bus.clone() };
        Ok(match wanted_commands(&apps)? {
            Some(wanted) => apps.execute_only(&wanted),
            None => apps,
        })
    }

    /// What the apps need on the broker, without asking the broker.
    pub(crate) async fn topology(self) -> Result<Topology> {
        Ok(self.build(&detached_bus().await?).await?.topology())
    }

    /// Where the handlers are declared that the apps run.
    pub(crate) async fn handlers(self) -> Result<BTreeSet<Location>> {
        let apps = self.build(&detached_bus().await?).await?;
        Ok(apps.apps.iter().flat_map(|app| app.handlers()).collect())
    }
}

/// The patterns of `BLOODBANK_EXECUTE`, each of which is for a command of these apps.
fn wanted_commands(apps: &Apps) -> Result<Option<Vec<String>>> {
    let known: Vec<_> = apps.apps.iter().flat_map(|app| app.executes()).collect();
    let mut reader = Reader::load()?;
    let wanted = reader.get("BLOODBANK_EXECUTE", |text| {
        let patterns: Vec<_> = text.split(',').map(|pattern| pattern.trim().to_owned()).collect();
        let is_known = |pattern: &String| known.iter().any(|key| routing::overlaps(pattern, key));
        if patterns.iter().all(is_known) {
            return Ok(patterns);
        }
        Err(format!("keys or patterns of commands that this program executes ({})", known.join(", ")))
    });
    reader.finish()?;
    Ok(wanted)
}

/// The apps of a program on one bus.
pub(crate) struct Apps {
    apps: Vec<Box<dyn AnyApp>>,
    bus: Bus,
}

impl Apps {
    pub(crate) fn add<Provided: 'static>(&mut self, app: App<Provided>) {
        self.apps.push(Box::new(app));
    }

    pub(crate) fn topology(&self) -> Topology {
        let mut topology = Topology::default();
        topology.extend(self.apps.iter().map(|app| app.topology()));
        topology
    }

    /// The same apps, which execute the commands that match these patterns, and no others.
    pub(crate) fn execute_only(mut self, patterns: &[String]) -> Self {
        self.apps = self.apps.into_iter().map(|app| app.execute_only(patterns)).collect();
        self
    }

    /// The same apps, whose commands a gateway sees.
    pub(crate) fn watched(mut self, by: &WatchCommands) -> Self {
        self.apps = self.apps.into_iter().map(|app| app.watched(by.clone())).collect();
        self
    }

    pub(crate) async fn start(self) -> Result<RunningApps> {
        let mut running = RunningApps { apps: Vec::new(), bus: self.bus };
        for app in self.apps {
            match app.start().await {
                Ok(app) => running.apps.push(app),
                Err(error) => {
                    // What is in hand is finished; the error says why nothing else begins.
                    let _ = running.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(running)
    }
}

/// The apps of a program at work.
pub(crate) struct RunningApps {
    apps: Vec<RunningApp>,
    bus: Bus,
}

impl RunningApps {
    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// A view of the health of all apps.
    pub(crate) fn probes(&self) -> Probes {
        Probes(self.apps.iter().map(RunningApp::probe).collect())
    }

    /// Stops taking events and finishes those in progress; the bus stays open.
    pub(crate) async fn shutdown(self) -> Result<()> {
        join_all(self.apps.into_iter().map(RunningApp::shutdown)).await.into_iter().collect()
    }

    /// Works until a signal arrives, finishes what is in hand, and closes the bus; a second signal stops at once.
    pub(crate) async fn wait_for(self, mut signals: StopSignals) -> Result<()> {
        signals.next().await;
        let bus = self.bus.clone();
        let stopped = tokio::select! {
            stopped = self.shutdown() => stopped,
            () = signals.next() => Ok(()),
        };
        bus.close().await;
        stopped
    }
}

/// A view of the health of the apps of a program.
pub(crate) struct Probes(Vec<HealthProbe>);

impl Probes {
    /// The health of all apps together; a program has at least one.
    pub(crate) fn health(&self) -> Option<Health> {
        self.0.iter().map(HealthProbe::health).reduce(Health::and)
    }
}

/// An app, whatever its states.
pub(crate) trait AnyApp: Send {
    fn topology(&self) -> Topology;
    fn handlers(&self) -> Vec<Location>;
    fn executes(&self) -> Vec<&'static str>;
    fn execute_only(self: Box<Self>, patterns: &[String]) -> Box<dyn AnyApp>;
    fn start(self: Box<Self>) -> BoxFuture<'static, Result<RunningApp>>;
    fn watched(self: Box<Self>, by: WatchCommands) -> Box<dyn AnyApp>;
}

impl<Provided: 'static> AnyApp for App<Provided> {
    fn topology(&self) -> Topology {
        Self::topology(self)
    }

    fn handlers(&self) -> Vec<Location> {
        Self::handlers(self).collect()
    }

    fn executes(&self) -> Vec<&'static str> {
        Self::executes(self).collect()
    }

    fn execute_only(self: Box<Self>, patterns: &[String]) -> Box<dyn AnyApp> {
        Box::new(Self::execute_only(*self, patterns))
    }

    fn start(self: Box<Self>) -> BoxFuture<'static, Result<RunningApp>> {
        Box::pin(Self::start(*self))
    }

    fn watched(self: Box<Self>, by: WatchCommands) -> Box<dyn AnyApp> {
        Box::new(self.layer(by))
    }
}

/// The endpoints of a gateway as an OpenAPI document.
pub(crate) async fn openapi(gateway: GatewayFactory) -> std::result::Result<Value, CliError> {
    Ok(bloodbank_gateway::openapi_document(&gateway(Gateway::builder(detached_bus().await?))?.build()))
}

/// A bus with the settings of this process that nobody else is on, for what is built only to be looked at.
async fn detached_bus() -> Result<Bus> {
    let bus = BusBuilder::new(Settings::load()?).transport(Arc::new(Embedded::in_memory())).without_correlation();
    bus.connect().await
}
