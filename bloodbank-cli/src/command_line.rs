//! The command line.

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    app::Composition,
    error::Result,
    verbs::{
        Check, Completions, Dlq, Docs, Doctor, Flow, ListCommands, ListEvents, Mcp, New, Publish, PublishPrompt,
        Schema, Serve, Show, Tail, Topology, Trace, Watch, Work,
    },
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the verb failed, or a check found something
  2  the command line is wrong: arguments, settings, an unknown event, a payload that does not fit

By default the bus is in memory. RABBIT_URL chooses RabbitMQ, and BLOODBANK_EMBEDDED_PATH names
a file for the bus. Settings come from the environment, .env and bloodbank.toml. NO_COLOR
switches colours off.";

/// Typed events: list them, publish them, watch them, check them.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, max_term_width = 100, subcommand_required = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    ListEvents(ListEvents),
    ListCommands(ListCommands),
    Show(Show),
    Publish(Publish),
    #[command(visible_alias = "publish_prompt")]
    PublishPrompt(PublishPrompt),
    #[cfg(unix)]
    Wrap(crate::verbs::Wrap),
    Watch(Watch),
    Tail(Tail),
    Trace(Trace),
    Dlq(Dlq),
    Check(Check),
    Flow(Flow),
    Topology(Topology),
    Schema(Schema),
    Docs(Docs),
    Serve(Serve),
    Work(Work),
    Mcp(Mcp),
    New(New),
    Doctor(Doctor),
    Completions(Completions),
}

impl Verb {
    pub(crate) fn run(self, program: Composition) -> Result {
        match self {
            Self::ListEvents(verb) => verb.run(),
            Self::ListCommands(verb) => verb.run(),
            Self::Show(verb) => verb.run(),
            Self::Publish(verb) => verb.run(),
            Self::PublishPrompt(verb) => verb.run(),
            #[cfg(unix)]
            Self::Wrap(verb) => verb.run(),
            Self::Watch(verb) => verb.run(),
            Self::Tail(verb) => verb.run(),
            Self::Trace(verb) => verb.run(),
            Self::Dlq(verb) => verb.run(program.app),
            Self::Check(verb) => verb.run(),
            Self::Flow(verb) => verb.run(),
            Self::Topology(verb) => verb.run(program.app),
            Self::Schema(verb) => verb.run(),
            Self::Docs(verb) => verb.run(program.gateway),
            Self::Serve(verb) => verb.run(program),
            Self::Work(verb) => verb.run(program.app),
            Self::Mcp(verb) => verb.run(program),
            Self::New(verb) => verb.run(),
            Self::Doctor(verb) => verb.run(program.app),
            Self::Completions(verb) => verb.run(CommandLine::command()),
        }
    }
}
