//! The app and the gateway of a program, as the verbs get them.

use std::sync::Arc;

use bloodbank_core::{App, Bus, Result, RunningApp, Settings, app::BusBuilder, transport::Topology};
use bloodbank_embedded::Embedded;
use bloodbank_gateway::{Gateway, GatewayBuilder, GatewayError, WatchCommands};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use serde_json::Value;

use crate::error::CliError;

/// Builds the app of a program on a bus.
pub(crate) type AppFactory = Box<dyn FnOnce(Bus) -> LocalBoxFuture<'static, Result<Box<dyn AnyApp>>>>;

/// Adds what a program has besides to its gateway.
pub(crate) type GatewayFactory = Box<dyn FnOnce(GatewayBuilder) -> std::result::Result<GatewayBuilder, GatewayError>>;

/// What a program consists of beside its command line.
pub(crate) struct Composition {
    pub(crate) app: AppFactory,
    pub(crate) gateway: GatewayFactory,
}

/// An app, whatever its states.
pub(crate) trait AnyApp: Send {
    fn topology(&self) -> Topology;
    fn start(self: Box<Self>) -> BoxFuture<'static, Result<RunningApp>>;
    /// The same app, whose commands a gateway sees.
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

/// An app of a known type as one of any type.
pub(crate) fn boxed<Provided: 'static>(app: impl AsyncFnOnce(Bus) -> Result<App<Provided>> + 'static) -> AppFactory {
    Box::new(|bus| Box::pin(async move { Ok(Box::new(app(bus).await?) as Box<dyn AnyApp>) }))
}

/// What an app needs on the broker, without asking the broker.
pub(crate) async fn topology(app: AppFactory) -> Result<Topology> {
    Ok(app(detached_bus().await?).await?.topology())
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
