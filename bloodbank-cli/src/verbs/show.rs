//! `bb show`.

use std::{collections::BTreeSet, io::Write};

use anstyle::Style;
use bloodbank_client::{EventDetails, Flow, Handler, HandlerKind, find_event, mock_payload};
use bloodbank_core::Registry;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    app::AppFactories,
    error::Result,
    output::{
        self, Table,
        style::{DIM, HEADING, KEY, paint},
    },
    runtime,
};

/// Show an event: what it is, who handles it, its schema, an example
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb show fireflies.transcript.ready
  bb show artifact.created
  bb show AgentThreadPrompt --json")]
pub(crate) struct Show {
    /// A routing key, or the name of a Rust type
    #[arg(value_name = "KEY|TYPE")]
    event: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    details: &'a EventDetails,
    handlers: Vec<Value>,
    example: Value,
}

impl Show {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        let event = find_event(&self.event)?;
        let details = EventDetails::of(event);
        let subscribed = runtime::block_on(async { Ok(apps.handlers().await?) })?;
        let flow = Flow::of(Registry::global(), &subscribed);
        let handlers: Vec<_> = flow.handlers_of(event.routing_key()).collect();
        let example = mock_payload(event).ok();
        let is_declared = event.example().is_some();
        if self.json {
            let handlers = handlers
                .iter()
                .map(|handler| json!({"name": label(handler), "location": handler.location.to_string(), "publishes": handler.outputs, "subscribed": handler.is_subscribed}))
                .collect();
            let example = json!({"declared": is_declared, "payload": example});
            return Ok(output::json(&Shown { details: &details, handlers, example })?);
        }
        let mut out = output::out();
        writeln!(out, "{}\n{}", paint(KEY, event.routing_key()), facts(&details, &handlers).render(2))?;
        if !details.documentation.is_empty() {
            writeln!(out, "{}\n", details.documentation)?;
        }
        writeln!(out, "{}\n{}", paint(HEADING, "schema"), output::highlighted(&details.schema)?)?;
        if let Some(example) = example {
            let heading = if is_declared { "example" } else { "example (made up from the schema)" };
            writeln!(out, "\n{}\n{}", paint(HEADING, heading), output::highlighted(&example)?)?;
        }
        Ok(())
    }
}

fn facts(details: &EventDetails, handlers: &[&Handler]) -> Table {
    let mut facts = Table::default();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            facts.styled([(name.to_owned(), DIM), (value, Style::new())]);
        }
    };
    let summary = &details.summary;
    fact("kind", summary.kind.to_owned());
    fact("domain", summary.domain.to_owned());
    fact("type", summary.type_path.to_owned());
    fact("declared at", summary.location.to_string());
    fact("id from", details.id_fields.join(", "));
    fact("caused by", details.cause_fields.join(", "));
    fact("reply", details.reply.unwrap_or_default().to_owned());
    fact("supersedes", details.supersedes.join(", "));
    fact("published", if details.external { "outside of this code base".to_owned() } else { String::new() });
    for handler in handlers {
        let idle = if handler.is_subscribed { "" } else { ", which no app of this program runs" };
        fact("handled by", format!("{} at {}{idle}", label(handler), handler.location));
    }
    let follow_ups: BTreeSet<_> = handlers.iter().flat_map(|handler| handler.outputs.iter().copied()).collect();
    fact("follow-ups", follow_ups.into_iter().collect::<Vec<_>>().join(", "));
    facts
}

/// The name of a handler; that of a command is the name of its event too, which therefore says what it is.
fn label(handler: &Handler) -> String {
    match handler.kind {
        HandlerKind::Executor => format!("executor of {}", handler.name),
        _ => handler.name.clone(),
    }
}
