//! `bb flow`.

use std::{collections::BTreeMap, io::Write};

use bloodbank_client::kind_name;
use bloodbank_core::{EventKind, Registry};
use clap::ValueEnum;
use serde_json::json;

use crate::{
    app::AppFactories,
    error::{CliError, Result},
    output::{
        self,
        style::{DIM, KEY, paint},
    },
    runtime,
};

/// Draw the flow of events through the subscribers and commands of this program
#[derive(Debug, clap::Args)]
#[command(
    name = "flow",
    after_help = "\
Examples:
  bb flow
  bb flow --from orders.order.placed
  bb flow --format mermaid > flow.mmd
  bb flow --format dot | dot -Tsvg > flow.svg"
)]
pub(crate) struct Flow {
    /// How it is drawn
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Only what follows from the events of a pattern
    #[arg(long, value_name = "PATTERN")]
    from: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading
    Text,
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
}

impl Flow {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        let handlers = runtime::block_on(async { Ok(apps.handlers().await?) })?;
        let linked = bloodbank_client::Flow::of(Registry::global(), &handlers);
        let idle = linked.handlers.iter().filter(|handler| !handler.is_subscribed).count();
        if idle > 0 {
            output::note(&format!("{idle} linked handlers are left out, because no app runs them; `check` names them"));
        }
        let mut flow = linked.subscribed();
        if let Some(pattern) = &self.from {
            flow = flow.starting_from(pattern);
            if flow.events.is_empty() {
                return Err(CliError::usage(format!(
                    "no event of this program travels under `{pattern}`; `list-events` shows those there are"
                )));
            }
        }
        if self.json {
            let handlers: Vec<_> = flow
                .handlers
                .iter()
                .map(|handler| json!({"name": handler.name, "location": handler.location, "receives": handler.inputs, "publishes": handler.outputs}))
                .collect();
            let events: BTreeMap<_, _> = flow.events.iter().map(|(key, kind)| (key, kind_name(*kind))).collect();
            return Ok(output::json(&json!({"events": events, "handlers": handlers}))?);
        }
        let text = match self.format {
            Format::Text => text(&flow),
            Format::Mermaid => flow.to_mermaid(),
            Format::Dot => flow.to_dot(),
        };
        Ok(output::out().write_all(text.as_bytes())?)
    }
}

fn text(flow: &bloodbank_client::Flow) -> String {
    let mut text = String::new();
    for (key, kind) in &flow.events {
        let mut line = paint(KEY, key);
        if *kind != EventKind::Fact {
            line = format!("{line} {}", paint(DIM, kind_name(*kind)));
        }
        text.push_str(&line);
        text.push('\n');
        for handler in flow.handlers_of(key) {
            text.push_str(&format!("  → {}\n", handler.name));
            for output in &handler.outputs {
                text.push_str(&format!("      {}\n", paint(KEY, output)));
            }
        }
    }
    text
}
