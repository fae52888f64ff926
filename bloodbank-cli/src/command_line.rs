//! The command line.

use clap::{Command, CommandFactory, Parser, Subcommand};

use crate::{
    app::Composition,
    error::Result,
    verbs::{
        Archive, Check, Completions, Dlq, Docs, Doctor, Flow, History, Journal, ListCommands, ListEvents, Mcp, New,
        Outbox, Publish, PublishPrompt, Queues, Record, Replay, Schema, Serve, Show, Sql, Tail, Topology, Trace, Watch,
        Webhooks, Work,
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

impl CommandLine {
    /// The command line of a program with this name, which its examples call by that name too.
    pub(crate) fn of_program(name: &str) -> Command {
        naming(Self::command(), name).name(name.to_owned()).bin_name(name)
    }
}

/// Puts the name of the program into the examples of a command and of those below it.
fn naming(command: Command, name: &str) -> Command {
    let examples = command.get_after_help().map(|help| renamed(&help.to_string(), name));
    let command = match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    };
    command.mut_subcommands(|verb| naming(verb, name))
}

/// A text whose words `bb` are another name.
fn renamed(text: &str, name: &str) -> String {
    let is_part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("bb") {
        let is_word = !before.ends_with(is_part_of_word) && !after.starts_with(is_part_of_word);
        renamed.push_str(before);
        renamed.push_str(if is_word { name } else { "bb" });
        rest = after;
    }
    renamed + rest
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
    History(History),
    Journal(Journal),
    Archive(Archive),
    Record(Record),
    Replay(Replay),
    Trace(Trace),
    #[cfg(feature = "ui")]
    Ui(crate::verbs::Ui),
    Queues(Queues),
    Dlq(Dlq),
    Outbox(Outbox),
    Sql(Sql),
    Check(Check),
    Flow(Flow),
    Topology(Topology),
    Webhooks(Webhooks),
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
            Self::Show(verb) => verb.run(program.apps),
            Self::Publish(verb) => verb.run(),
            Self::PublishPrompt(verb) => verb.run(),
            #[cfg(unix)]
            Self::Wrap(verb) => verb.run(),
            Self::Watch(verb) => verb.run(),
            Self::Tail(verb) => verb.run(),
            Self::History(verb) => verb.run(),
            Self::Journal(verb) => verb.run(),
            Self::Archive(verb) => verb.run(),
            Self::Record(verb) => verb.run(),
            Self::Replay(verb) => verb.run(program.apps),
            Self::Trace(verb) => verb.run(),
            #[cfg(feature = "ui")]
            Self::Ui(verb) => verb.run(program.apps),
            Self::Queues(verb) => verb.run(),
            Self::Dlq(verb) => verb.run(program.apps),
            Self::Outbox(verb) => verb.run(),
            Self::Sql(verb) => verb.run(),
            Self::Check(verb) => verb.run(program.apps),
            Self::Flow(verb) => verb.run(program.apps),
            Self::Topology(verb) => verb.run(program.apps),
            Self::Webhooks(verb) => verb.run(),
            Self::Schema(verb) => verb.run(),
            Self::Docs(verb) => verb.run(program),
            Self::Serve(verb) => verb.run(program),
            Self::Work(verb) => verb.run(program.apps),
            Self::Mcp(verb) => verb.run(program),
            Self::New(verb) => verb.run(),
            Self::Doctor(verb) => verb.run(program.apps),
            Self::Completions(verb) => verb.run(CommandLine::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(command: &Command) -> String {
        let of_verbs = command.get_subcommands().map(examples);
        let own = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        own + &of_verbs.collect::<String>()
    }

    #[test]
    fn the_examples_of_a_teams_program_call_it_by_its_name() {
        let shown = examples(&CommandLine::of_program("shop"));
        let ours = |text: &str| text.split([' ', '/', '\n', '.']).filter(|word| *word == "bb").count();
        assert!(shown.contains("  shop list-events --domain fireflies\n") && shown.contains("| shop wrap"), "{shown}");
        assert_eq!(ours(&shown), 0, "{shown}");
        let own = examples(&CommandLine::of_program("bb"));
        assert_eq!(own, examples(&CommandLine::command()));
        assert!(ours(&own) > 40, "{own}");
    }
}
