//! The program around the verbs.

use std::process::ExitCode;

use bloodbank_core::{App, Bus, CommandManager, Result, RunningApp};
use clap::{CommandFactory, FromArgMatches};
use futures_util::future::BoxFuture;

use crate::{args::Args, fault::Fault};

/// How the app of a program is started on a bus.
pub(crate) type StartApp = Box<dyn FnOnce(Bus) -> BoxFuture<'static, Result<RunningApp>>>;

/// A command line with every verb, for the events that are linked into this program.
#[must_use = "nothing happens until `run`"]
pub struct Program {
    start: StartApp,
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
        let app = Self { start: Box::new(|_| unreachable!("`app` follows")) };
        app.app(|bus| {
            let service = bus.settings().service_name.clone();
            Ok(App::new(service, bus).commands(CommandManager::linked()))
        })
    }

    /// The app that `work` runs: its states, its subscribers, its commands.
    pub fn app<Provided: 'static>(mut self, app: impl FnOnce(Bus) -> Result<App<Provided>> + 'static) -> Self {
        self.start = Box::new(|bus| match app(bus) {
            Ok(app) => Box::pin(app.start()),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        });
        self
    }

    /// Does what the command line says.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let name = name();
        let command = Args::command().name(name.clone()).bin_name(name);
        let matches = command.get_matches();
        let done = match Args::from_arg_matches(&matches) {
            Ok(args) => args.verb.run(self.start),
            Err(error) => error.exit(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => fault.report(),
        }
    }
}

/// The name this program was called by.
pub(crate) fn name() -> String {
    let path = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = path.as_deref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "bb".to_owned())
}

impl From<clap::Error> for Fault {
    fn from(error: clap::Error) -> Self {
        Self::usage(error.to_string())
    }
}
