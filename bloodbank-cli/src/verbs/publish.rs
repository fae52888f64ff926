//! `bb publish`.

use std::{
    fs,
    io::{self, Read, Write},
    path::PathBuf,
    time::Duration,
};

use bloodbank_client::{Assignment, CheckedEvent, ClientError, PayloadBuilder, PublishRequest, find_event};
use bloodbank_core::{ErrorKind, EventKind, Settings, json::read_value, registry::EventDescriptor};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    args::{Via, event_id},
    connect,
    error::{CliError, Result},
    output,
    receipt::{manual_source, print_receipt},
    runtime,
};

/// Publish an event and wait until the broker has confirmed it
///
/// The payload is checked before anything is sent, and an error names the place in it. Several sources of the payload build
/// on each other: --mock, then --file or --data, then every --set.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb publish fireflies.transcript.ready --mock
  bb publish artifact.created --set kind=note --set uri=file:///tmp/note.md
  bb publish llm.prompt --file prompt.json --parent 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11
  jq -n '{provider: \"x\", prompt: \"y\"}' | bb publish llm.prompt --file -
  bb publish agent.thread.prompt --set provider=anthropic --set prompt='Hello?' --wait")]
pub(crate) struct Publish {
    /// The routing key, or the name of the type
    #[arg(value_name = "KEY|TYPE")]
    key: String,
    /// Begin with the declared example, or with a payload made up from the schema
    #[arg(short, long)]
    mock: bool,
    /// Read the payload, or a whole envelope, from a JSON file; `-` is standard input. An envelope keeps its id, time,
    /// source and parents; that of version 1 of the Python side is read too
    #[arg(short, long, value_name = "FILE", alias = "payload-file", alias = "envelope-file", conflicts_with = "data")]
    file: Option<PathBuf>,
    /// The payload as JSON
    #[arg(short, long, value_name = "JSON")]
    data: Option<String>,
    /// Set one value: `order.lines.0.sku=A-1`, or with a JSON pointer `/order/lines/0/sku=A-1`
    #[arg(short, long, value_name = "PATH=VALUE")]
    set: Vec<Assignment>,
    /// The id of an event that caused this one; several for a fan-in
    #[arg(short, long, value_name = "ID", alias = "correlation-id", value_parser = event_id)]
    parent: Vec<Uuid>,
    /// Derive the event id from these fields, so that publishing twice gives the same id
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    id_from: Vec<String>,
    /// Print the envelope instead of publishing it
    #[arg(short = 'n', long, conflicts_with = "wait")]
    dry_run: bool,
    /// Wait for the reply to a command and print it
    #[arg(short, long)]
    wait: bool,
    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "wait")]
    timeout: u64,
    /// Which way to the bus
    #[arg(long, value_name = "WAY", default_value = "auto")]
    via: Via,
    /// The receipt, or the reply, as JSON
    #[arg(long)]
    json: bool,
}

impl Publish {
    pub(crate) fn run(self) -> Result {
        let event = find_event(&self.key)?;
        if self.wait && event.kind() != EventKind::Command {
            return Err(CliError::usage(format!(
                "`{}` is no command, so nobody replies to it; leave out --wait",
                event.routing_key()
            )));
        }
        let checked = self.check(event)?;
        if self.dry_run {
            return self.print_envelope(&checked);
        }
        runtime::block_on(self.publish(checked))
    }

    async fn publish(self, event: CheckedEvent) -> Result {
        let connection = connect::open(self.via).await?;
        let source = event.source.clone().unwrap_or_else(manual_source);
        let causes = event.all_causes(&self.parent);
        let mut request = PublishRequest::new(&event.routing_key, &event.payload, source).causes(&causes);
        if let Some(event_id) = event.event_id {
            request = request.event_id(event_id);
        }
        if let Some(timestamp) = event.timestamp {
            request = request.timestamp(timestamp);
        }
        if let Some(agent) = &event.agent_context {
            request = request.agent_context(agent);
        }
        let done = if self.wait {
            let reply = connection.execute(&request, Duration::from_secs(self.timeout)).await;
            reply.map_err(CliError::from).and_then(|reply| Ok(output::json(&reply)?))
        } else {
            let receipt = connection.publish(&request).await;
            receipt.map_err(CliError::from).and_then(|receipt| print_receipt(&receipt, self.json))
        };
        connection.close().await;
        done
    }

    /// The event with a payload from where the arguments say.
    fn check(&self, event: &EventDescriptor) -> Result<CheckedEvent> {
        let mut builder = PayloadBuilder::new(event).assign(&self.set).id_from(&self.id_from);
        // The name of a type stands for the key as declared.
        if self.key.contains('.') {
            builder = builder.routing_key(&self.key);
        }
        if self.mock {
            builder = builder.with_mock();
        }
        let given = self.given()?;
        let is_nothing_given = given.is_none() && self.set.is_empty() && !self.mock;
        if let Some(value) = given {
            builder = builder.given(value);
        }
        builder.build().map_err(|error| match &error {
            ClientError::Bus(cause) if is_nothing_given && cause.kind() == ErrorKind::InvalidPayload => {
                CliError::usage(format!(
                    "{error}; give the payload with --set, --file or --data, or make one up with --mock"
                ))
            }
            _ => error.into(),
        })
    }

    /// The JSON of --file or --data.
    fn given(&self) -> Result<Option<Value>> {
        let (place, text) = match (&self.file, &self.data) {
            (Some(path), _) if path.as_os_str() == "-" => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text)?;
                ("standard input".to_owned(), text)
            }
            (Some(path), _) => {
                let place = path.display().to_string();
                let text = fs::read_to_string(path)
                    .map_err(|error| CliError::usage(format!("{place} cannot be read: {error}")))?;
                (place, text)
            }
            (None, Some(text)) => ("--data".to_owned(), text.clone()),
            (None, None) => return Ok(None),
        };
        let value =
            read_value(text.as_bytes()).map_err(|fault| CliError::usage(format!("{place} cannot be read: {fault}")))?;
        Ok(Some(value))
    }

    fn print_envelope(&self, event: &CheckedEvent) -> Result {
        // Read although nothing is sent: the same command without --dry-run would refuse wrong settings.
        Settings::load()?;
        let envelope = event.envelope(manual_source(), &self.parent);
        Ok(writeln!(output::out(), "{}", output::highlighted(&envelope)?)?)
    }
}
