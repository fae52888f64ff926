//! A command line for the events that are linked into a program.

use std::process::ExitCode;

use bloodbank_core::{App, Bus, Result};
use bloodbank_gateway::{GatewayBuilder, GatewayError};
use clap::FromArgMatches;

use crate::{
    app::{AppFactories, Composition},
    command_line::CommandLine,
    program_name::program_name,
};

/// A command line with every verb, for the events that are linked into this program.
#[must_use = "nothing happens until `run`"]
pub struct Program {
    composition: Composition,
}

/// Runs the command line for the events, subscribers and commands that are linked into this program.
///
/// `work` executes the linked commands that need no state. A program that has states or subscribers says what its app is:
/// [`Program::app`].
#[must_use]
pub fn main() -> ExitCode {
    Program::new().run()
}

impl Program {
    /// A program without an app of its own: one executes the linked commands.
    #[expect(clippy::new_without_default, reason = "a program is run, not stored")]
    pub fn new() -> Self {
        Self { composition: Composition { apps: AppFactories::default(), gateway: Box::new(Ok) } }
    }

    /// Adds an app that `work` and `serve` run and `topology` shows: its states, its subscribers, its commands. It may wait,
    /// for a database for example. A program may have several.
    ///
    /// ```no_run
    /// # use bloodbank_core::App;
    /// # async fn connect() -> bloodbank_core::Result<String> { Ok(String::new()) }
    /// bloodbank_cli::Program::new().app(async |bus| Ok(App::new("shipping", bus).state(connect().await?))).run();
    /// ```
    pub fn app<Provided: 'static>(mut self, app: impl AsyncFnOnce(Bus) -> Result<App<Provided>> + 'static) -> Self {
        self.composition.apps.add(app);
        self
    }

    /// Adds to the gateway of the program: webhooks, limits, origins. An error ends the verb that starts the gateway.
    pub fn gateway(
        mut self,
        with: impl FnOnce(GatewayBuilder) -> std::result::Result<GatewayBuilder, GatewayError> + 'static,
    ) -> Self {
        self.composition.gateway = Box::new(with);
        self
    }

    /// Parses the arguments of this process and runs the verb that they name.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let matches = CommandLine::of_program(&program_name()).get_matches();
        let done = match CommandLine::from_arg_matches(&matches) {
            Ok(command_line) => command_line.verb.run(self.composition),
            Err(error) => error.exit(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => error.report(),
        }
    }
}
