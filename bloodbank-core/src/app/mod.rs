//! The app: where the parts are put together, started and stopped.

#[expect(clippy::module_inception, reason = "the file holds the type `App`")]
mod app;
mod connect;
mod control;
mod health;
mod place;
mod probe;
mod running;
mod signals;
mod task;
mod watchdog;

pub use app::App;
pub use connect::BusBuilder;
pub(crate) use connect::parked_keys;
pub use control::AppControl;
pub use health::{Health, HealthState, SubscriberHealth};
pub use probe::{HealthProbe, ProbeGuard, ProbeServer};
pub use running::RunningApp;
pub use signals::StopSignals;
pub use task::{AppTask, StartedTask};
