//! The bus in a terminal: the events of a program as a tree, their schemas, an editor that checks payloads while they are
//! typed, the live stream, traces, and dead letters.
//!
//! A program opens it with its own events: [`run`] shows whatever is linked into it. `bb ui`, and the verb `ui` of every
//! program with `bloodbank-cli` and its feature `ui`, do nothing else.
//!
//! State, update and view are apart. The state is data; the update takes the state and a message, and says which effects are
//! wanted; the view draws the state. None of the three knows the bus or a terminal, so tests run them without either.
//!
//! ```no_run
//! use bloodbank_core::Settings;
//! use bloodbank_ui::{Options, Theme, run};
//!
//! # async fn example() -> std::io::Result<()> {
//! let options = Options::new("shop").queues(["shop.ship"]).theme(Theme::detected());
//! run(Settings::load().map_err(std::io::Error::other)?, options).await
//! # }
//! ```
#![forbid(unsafe_code)]

mod bus;
mod document;
mod files;
mod layout;
mod message;
mod options;
mod run;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod update;
mod view;

pub use options::Options;
pub use run::run;
pub use theme::Theme;
