//! `bb show`.

use std::io::Write;

use anstyle::Style;
use bloodbank_core::{Registry, event::Declaration, registry::EventDescriptor, routing};
use serde_json::json;

use crate::{
    fault::{Done, Fault},
    output::{
        self, Table,
        style::{DIM, HEADING, KEY, paint},
    },
    payload::{describe, mock},
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

impl Show {
    pub(crate) fn run(self) -> Done {
        let event = find(&self.event)?;
        let schema = event.schema().to_value();
        let handlers = describe::handlers(event);
        let example = mock(event, &schema).ok();
        let declared = event.example().is_some();
        let declaration = event.declaration();
        if self.json {
            let mut value = describe::summary(event);
            value["documentation"] = json!(describe::plain(declaration.docs));
            value["id_fields"] = json!(declaration.id_fields);
            value["reply"] = json!(declaration.reply);
            value["supersedes"] = json!(older(declaration));
            value["external"] = json!(declaration.external);
            value["validated"] = json!(declaration.validated);
            value["handlers"] = handlers
                .iter()
                .map(|handler| json!({"name": handler.name, "location": handler.location, "publishes": keys(&handler.outputs)}))
                .collect();
            value["schema"] = schema;
            value["example"] = json!({"declared": declared, "payload": example});
            output::json(&value)?;
            return Ok(());
        }
        let mut facts = Table::default();
        let mut fact = |name: &str, value: String| {
            if !value.is_empty() {
                facts.styled([(name.to_owned(), DIM), (value, Style::new())]);
            }
        };
        fact("kind", describe::kind(event.kind()).to_owned());
        fact("domain", event.domain().to_owned());
        fact("type", event.type_path().to_owned());
        fact("declared at", event.location().to_string());
        fact("id from", declaration.id_fields.join(", "));
        fact("reply", declaration.reply.unwrap_or_default().to_owned());
        fact("supersedes", older(declaration).join(", "));
        fact("published", if declaration.external { "outside this code base".to_owned() } else { String::new() });
        for handler in &handlers {
            fact("handled by", format!("{} at {}", handler.name, handler.location));
        }
        let mut follow_ups: Vec<_> = handlers.iter().flat_map(|handler| keys(&handler.outputs)).collect();
        follow_ups.sort_unstable();
        follow_ups.dedup();
        fact("follow-ups", follow_ups.join(", "));
        let mut out = output::out();
        writeln!(out, "{}\n{}", paint(KEY, event.routing_key()), facts.render(2))?;
        if !declaration.docs.is_empty() {
            writeln!(out, "{}\n", describe::plain(declaration.docs))?;
        }
        writeln!(out, "{}\n{}", paint(HEADING, "schema"), output::highlighted(&schema)?)?;
        if let Some(example) = example {
            let head = if declared { "example" } else { "example (made up from the schema)" };
            writeln!(out, "\n{}\n{}", paint(HEADING, head), output::highlighted(&example)?)?;
        }
        Ok(())
    }
}

fn keys(declarations: &[&Declaration]) -> Vec<&'static str> {
    declarations.iter().map(|declaration| declaration.routing_key).collect()
}

fn older(declaration: &Declaration) -> Vec<&'static str> {
    declaration.received_keys().skip(1).collect()
}

/// The event of that key or type.
pub(super) fn find(name: &str) -> Result<&'static EventDescriptor, Fault> {
    let registry = Registry::global();
    if let Some(event) = registry.event(name) {
        return Ok(event);
    }
    let mut of_type =
        registry.events().iter().copied().filter(|event| event.declaration().name == name || event.type_path() == name);
    match (of_type.next(), of_type.next()) {
        (Some(event), None) => Ok(event),
        (Some(one), Some(other)) => Err(Fault::usage(format!(
            "`{name}` is `{}` and `{}`; name one by its key",
            one.routing_key(),
            other.routing_key()
        ))),
        (None, _) if name.contains('.') => Err(registry.unknown(name).into()),
        (None, _) => {
            let names = registry.events().iter().map(|event| event.declaration().name);
            let remedy = match routing::nearest(name, names) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "`list-events` lists what is there".to_owned(),
            };
            Err(Fault::usage(format!("no event of type `{name}` is registered in this program; {remedy}")))
        }
    }
}
