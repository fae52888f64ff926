//! `bb list-events`.

use std::io::Write;

use anstyle::Style;
use bloodbank_client::{EventSummary, kind_name, summary_line};
use bloodbank_core::{EventKind, Registry, registry::EventDescriptor, routing};
use clap::ValueEnum;

use crate::{
    error::{CliError, Result},
    output::{
        self, Table,
        style::{DIM, HEADING, KEY, paint},
    },
};

/// List the events that are linked into this program
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb list-events
  bb list-events --domain fireflies
  bb list-events --type command --json")]
pub(crate) struct ListEvents {
    /// Only those of a domain, such as `agent/thread`; `agent` is enough for all below it
    #[arg(short, long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Only events, or only commands
    #[arg(short = 't', long = "type", value_name = "TYPE", ignore_case = true)]
    kind: Option<Kind>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// What happened, failures included
    Event,
    /// What somebody shall do
    Command,
}

impl ListEvents {
    pub(super) fn commands(domain: Option<String>, json: bool) -> Self {
        Self { domain, kind: Some(Kind::Command), json }
    }

    pub(crate) fn run(self) -> Result {
        let registry = Registry::global();
        if let Some(domain) = &self.domain {
            check_domain(registry, domain)?;
        }
        let events: Vec<_> = registry.events().iter().copied().filter(|event| self.wants(event)).collect();
        if self.json {
            let events: Vec<_> = events.into_iter().map(EventSummary::of).collect();
            return Ok(output::json(&events)?);
        }
        let mut out = output::out();
        for domain in registry.domains() {
            let mut table = Table::default();
            let mut of_domain = events.iter().filter(|event| event.domain() == domain).peekable();
            if of_domain.peek().is_none() {
                continue;
            }
            for event in of_domain {
                table.styled([
                    (event.routing_key().to_owned(), KEY),
                    (kind_name(event.kind()).to_owned(), DIM),
                    (summary_line(event.declaration().docs), Style::new()),
                ]);
            }
            write!(out, "{}\n{}", paint(HEADING, domain), table.render(2))?;
        }
        if events.is_empty() {
            let what = if self.kind == Some(Kind::Command) { "commands" } else { "events" };
            match &self.domain {
                Some(domain) => {
                    writeln!(out, "domain `{domain}` has no {what}; `list-events --domain {domain}` shows what it has")?
                }
                None => writeln!(
                    out,
                    "no {what} are linked into this program; name the crate that declares them: `use its_crate as _;`"
                )?,
            }
        }
        Ok(())
    }

    fn wants(&self, event: &EventDescriptor) -> bool {
        let kind = self.kind.is_none_or(|kind| (kind == Kind::Command) == (event.kind() == EventKind::Command));
        kind && self.domain.as_deref().is_none_or(|domain| is_in(event.domain(), domain))
    }
}

fn is_in(domain: &str, wanted: &str) -> bool {
    domain.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn check_domain(registry: &Registry, wanted: &str) -> Result {
    if registry.domains().any(|domain| is_in(domain, wanted)) {
        return Ok(());
    }
    let remedy = match routing::nearest(wanted, registry.domains()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are {}", registry.domains().collect::<Vec<_>>().join(", ")),
    };
    Err(CliError::usage(format!("no domain `{wanted}`; {remedy}")))
}
