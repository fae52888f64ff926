//! `bb webhooks`.

use std::io::Write;

use anstyle::Style;
use bloodbank_outgoing::{Entry, OutgoingWebhooks, WebhooksFile};

use crate::{
    error::{CliError, Result},
    output::{
        self, Table, escape_controls,
        style::{BAD, DIM, KEY},
    },
    runtime,
};

/// List and change outgoing webhooks: who is told of which events
///
/// They stand in the file that BLOODBANK_WEBHOOKS_FILE names. `serve` and `work` send them, and read the file when they start.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb webhooks list
  bb webhooks add n8n https://n8n.example.org/webhook/bloodbank 'fireflies.#'
  bb webhooks test n8n
  bb webhooks rotate n8n
  bb webhooks disable n8n")]
pub(crate) struct Webhooks {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the webhooks
    List {
        /// As JSON, without the secrets
        #[arg(long)]
        json: bool,
    },
    /// Add a webhook, and print the secret that its receiver verifies with
    Add {
        /// The name: lower-case letters, digits, `-` and `_`
        name: String,
        /// The URL that events are posted to
        url: String,
        /// The pattern of the events, such as `orders.#`
        events: String,
        /// Let the URL lead to this machine or to a private network
        #[arg(long)]
        allow_private: bool,
    },
    /// Remove a webhook; its queue stays
    Remove {
        /// The name that `list` prints
        name: String,
    },
    /// Switch a webhook on
    Enable {
        /// The name that `list` prints
        name: String,
    },
    /// Switch a webhook off: what arrives for it becomes a dead letter
    Disable {
        /// The name that `list` prints
        name: String,
    },
    /// Make a new secret and print it; requests are signed with the old one too, until the next time
    Rotate {
        /// The name that `list` prints
        name: String,
    },
    /// Post an event of the type `bloodbank.webhook.test` to the URL, without the bus
    Test {
        /// The name that `list` prints
        name: String,
    },
}

impl Webhooks {
    pub(crate) fn run(self) -> Result {
        match self.action {
            Action::List { json } => list(json),
            Action::Add { name, url, events, allow_private } => {
                let mut entry = Entry::new(name, &url, events)?;
                entry.allow_private = allow_private;
                file()?.add(&entry)?;
                output::note("`serve` and `work` send it from their next start on");
                secret(entry.newest_secret())
            }
            Action::Remove { name } => {
                file()?.remove(&name)?;
                output::note(&format!(
                    "its queue `webhooks.{name}` stays, and events go on to arrive in it: delete it on the broker"
                ));
                Ok(())
            }
            Action::Enable { name } => {
                file()?.set_enabled(&name, true)?;
                output::note(&format!(
                    "restart `serve` and `work`; `dlq redrive --queue webhooks.{name} --all` sends what it has missed"
                ));
                Ok(())
            }
            Action::Disable { name } => {
                file()?.set_enabled(&name, false)?;
                output::note("restart `serve` and `work`");
                Ok(())
            }
            Action::Rotate { name } => {
                let new = file()?.rotate(&name)?;
                output::note(
                    "give it to the receiver, and restart `serve` and `work`; requests are signed with the old one too",
                );
                secret(&new)
            }
            Action::Test { name } => runtime::block_on(test(&name)),
        }
    }
}

/// The file, which people must have named.
fn file() -> Result<WebhooksFile> {
    WebhooksFile::from_env()?.ok_or_else(|| {
        CliError::usage(
            "webhooks stand in a file, and none is named; set BLOODBANK_WEBHOOKS_FILE, for instance to `webhooks.toml`",
        )
    })
}

/// Prints a secret alone, so that it can be taken on.
fn secret(secret: &str) -> Result {
    Ok(writeln!(output::out(), "{secret}")?)
}

fn list(as_json: bool) -> Result {
    let webhooks = OutgoingWebhooks::from_env()?;
    let entries: Vec<_> = webhooks.iter().map(bloodbank_outgoing::Webhook::entry).collect();
    if as_json {
        return Ok(output::json(&entries)?);
    }
    let mut table = Table::default();
    for Entry { name, url, events, enabled, .. } in &entries {
        table.styled([
            (name.clone(), KEY),
            (events.clone(), Style::new()),
            (escape_controls(url.as_str()).into_owned(), DIM),
            (if *enabled { String::new() } else { "off".to_owned() }, BAD),
        ]);
    }
    let mut out = output::out();
    if entries.is_empty() {
        return Ok(writeln!(out, "nobody is told of events; `webhooks add` adds a webhook")?);
    }
    Ok(write!(out, "{}", table.render(0))?)
}

async fn test(name: &str) -> Result {
    let webhooks = OutgoingWebhooks::from_env()?;
    let webhook = webhooks
        .get(name)
        .ok_or_else(|| CliError::usage(format!("there is no webhook `{name}`; `webhooks list` shows all")))?;
    match webhook.test().await {
        Ok(answer) => Ok(writeln!(output::out(), "{name} answered {}", answer.status)?),
        Err(error) => Err(CliError::failed(format!("{name}: {error}"))),
    }
}
