//! `bb check`.

use std::{collections::BTreeSet, io::Write};

use bloodbank_client::{Flow, HandlerKind};
use bloodbank_core::{EventKind, Registry};
use clap::ValueEnum;
use serde::Serialize;

use crate::{
    app::AppFactories,
    error::{CliError, Result},
    output::{
        self,
        style::{BAD, DIM, GOOD, WARN, paint},
    },
    runtime,
};

/// Check the whole program: keys, patterns, handlers, cycles
///
/// Errors end with exit code 1: keys that collide, patterns that match no event, events that lead back to themselves. Warnings
/// end with exit code 1 only when --strict is given, because another program may handle the event.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb check
  bb check --strict --allow unhandled
  bb check --json")]
pub(crate) struct Check {
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
    /// Leave out a kind of finding
    #[arg(long, value_name = "KIND")]
    allow: Vec<Kind>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Two events or executors under one key, or keys that can be the same
    Collision,
    /// A subscriber whose pattern matches no event of this program
    Pattern,
    /// An event that leads back to itself
    Cycle,
    /// A fact that no subscriber of this program handles
    Unhandled,
    /// A command that this program does not execute
    Unexecuted,
    /// A subscriber or an executor that is linked, and that no app of this program runs
    Unsubscribed,
}

#[derive(Debug, Serialize)]
struct Finding {
    kind: Kind,
    is_error: bool,
    message: String,
}

impl Check {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        let registry = Registry::global();
        let subscribed = runtime::block_on(async { Ok(apps.handlers().await?) })?;
        let flow = Flow::of(registry, &subscribed);
        let mut findings = findings(registry, &flow);
        findings.retain(|finding| !self.allow.contains(&finding.kind));
        for finding in &mut findings {
            finding.is_error |= self.strict;
        }
        let errors = findings.iter().filter(|finding| finding.is_error).count();
        if self.json {
            output::json(&findings)?;
        } else {
            let mut out = output::out();
            for finding in &findings {
                let word = if finding.is_error { paint(BAD, "error") } else { paint(WARN, "warning") };
                let kind = finding.kind.to_possible_value().map(|value| value.get_name().to_owned());
                writeln!(out, "{word} {} {}", paint(DIM, kind.unwrap_or_default()), finding.message)?;
            }
            let verdict = if errors == 0 { paint(GOOD, "ok") } else { paint(BAD, "not ok") };
            writeln!(
                out,
                "{verdict}: {}, {}, {}; {}, {}",
                count(registry.events().len(), "event"),
                running(&flow, HandlerKind::Subscriber, "subscriber"),
                running(&flow, HandlerKind::Executor, "executor"),
                count(errors, "error"),
                count(findings.len() - errors, "warning"),
            )?;
        }
        if errors == 0 { Ok(()) } else { Err(CliError::check_failed()) }
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// How many handlers of a kind the apps run, and of how many that are linked.
fn running(flow: &Flow, kind: HandlerKind, what: &str) -> String {
    let linked = flow.handlers.iter().filter(|handler| handler.kind == kind);
    let (linked, runs) = (linked.clone().count(), linked.filter(|handler| handler.is_subscribed).count());
    if runs == linked { count(runs, what) } else { format!("{runs} of {} at work", count(linked, what)) }
}

fn findings(registry: &Registry, flow: &Flow) -> Vec<Finding> {
    let mut findings: Vec<_> = registry
        .check()
        .faults
        .into_iter()
        .map(|fault| Finding { kind: Kind::Collision, is_error: true, message: fault.to_string() })
        .collect();
    for handler in &flow.handlers {
        for pattern in &handler.unmatched_patterns {
            findings.push(Finding {
                kind: Kind::Pattern,
                is_error: true,
                message: format!(
                    "no event of this program travels under `{pattern}`, with which `{}` at {} is bound; link the crate that declares one, or correct the pattern",
                    handler.name, handler.location
                ),
            });
        }
    }
    for handler in flow.handlers.iter().filter(|handler| !handler.is_subscribed) {
        let remedy = match handler.kind {
            HandlerKind::Executor => "`.commands(CommandManager::linked())`".to_owned(),
            _ => format!("`.subscribe({})`", handler.name),
        };
        findings.push(Finding {
            kind: Kind::Unsubscribed,
            is_error: false,
            message: format!(
                "`{}` at {} is linked, but no app of this program runs it; give one {remedy}",
                handler.name, handler.location
            ),
        });
    }
    for cycle in flow.cycles() {
        findings.push(Finding {
            kind: Kind::Cycle,
            is_error: true,
            message: format!(
                "`{}` leads back to itself: {}; let one of them return another event",
                cycle.first().copied().unwrap_or_default(),
                cycle.join(" → ")
            ),
        });
    }
    let replies: BTreeSet<_> = registry.commands().filter_map(|command| command.declaration().reply).collect();
    for event in registry.events() {
        let key = event.routing_key();
        let handled = flow.handlers_of(key).next().is_some();
        match event.kind() {
            EventKind::Fact if !handled && !replies.contains(key) => findings.push(Finding {
                kind: Kind::Unhandled,
                is_error: false,
                message: format!("nothing in this program handles `{key}`, declared at {}", event.location()),
            }),
            EventKind::Command if !handled => {
                findings.push(Finding {
                    kind: Kind::Unexecuted,
                    is_error: false,
                    message: format!("nothing in this program executes `{key}`, declared at {}", event.location()),
                });
            }
            EventKind::Fact | EventKind::Command | EventKind::Failure => {}
        }
    }
    findings
}
