//! `bb publish`.

use std::{
    fs,
    io::{self, Read, Write},
    path::PathBuf,
    time::Duration,
};

use bloodbank_core::{
    EventEnvelope, EventKind, Settings,
    envelope::{ENVELOPE_VERSION, Source, TriggerType},
    event_id,
    registry::{AnyEvent, EventDescriptor},
};
use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    bus,
    door::{Door, Draft, Published, Via},
    fault::{Done, Fault},
    id::event_id,
    output::{
        self,
        style::{GOOD, KEY, paint},
    },
    payload::{Assignment, Node, fill_from_key, mock},
    program,
    verbs::show,
};

/// Publish an event; resolves when the broker has confirmed it
///
/// The payload is checked before anything is sent; a fault names the place in it. Several sources of the payload build on
/// each other: --mock, then --file or --data, then every --set.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb publish fireflies.transcript.ready --mock
  bb publish artifact.created --set kind=note --set uri=file:///tmp/note.md
  bb publish llm.prompt --file prompt.json --parent 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11
  jq -n '{provider: \"x\", prompt: \"y\"}' | bb publish llm.prompt --file -
  bb publish agent.thread.prompt --set provider=anthropic --set prompt='Hello?' --wait")]
pub(crate) struct Publish {
    /// The routing key
    key: String,
    /// Begin with the declared example, or with a payload made up from the schema
    #[arg(short, long)]
    mock: bool,
    /// Read the payload, or an envelope around it, from a JSON file; `-` is standard input
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

/// An event that passed every check.
struct Checked {
    key: String,
    payload: Value,
    event_id: Option<Uuid>,
}

impl Publish {
    pub(crate) fn run(self) -> Done {
        let event = show::find(&self.key)?;
        if self.wait && event.kind() != EventKind::Command {
            return Err(Fault::usage(format!(
                "`{}` is no command, so nobody replies to it; leave out --wait",
                event.routing_key()
            )));
        }
        let checked = self.check(event)?;
        if self.dry_run {
            return self.print_envelope(&checked);
        }
        bus::block_on(self.publish(checked))
    }

    async fn publish(self, Checked { key, payload, event_id }: Checked) -> Done {
        let door = Door::open(self.via).await?;
        let draft =
            Draft { key: &key, payload: &payload, parents: &self.parent, event_id, timestamp: None, source: source() };
        let done = if self.wait {
            let reply = door.execute(&draft, Duration::from_secs(self.timeout)).await;
            reply.and_then(|reply| Ok(output::json(&reply)?))
        } else {
            door.publish(&draft).await.and_then(|published| print_receipt(&published, self.json))
        };
        door.close().await;
        done
    }

    /// The payload from where it comes, checked against the schema, the type and its rules.
    fn check(&self, event: &EventDescriptor) -> Result<Checked, Fault> {
        let schema = event.schema().to_value();
        let node = Node::root(&schema);
        let given = self.given()?;
        let nothing_given = given.is_none() && self.set.is_empty();
        let mut payload = if self.mock { mock(event, &schema)? } else { json!({}) };
        // A type is a name for the event as declared.
        let key = if self.key.contains('.') { &*self.key } else { event.routing_key() };
        if self.mock && key != event.routing_key() {
            // The words of the key come before those that were made up.
            for name in placeholders(event) {
                if let Some(fields) = payload.as_object_mut() {
                    fields.remove(name);
                }
            }
        }
        match (given, &mut payload) {
            (Some(Value::Object(members)), Value::Object(payload)) => payload.extend(members),
            (Some(other), _) => payload = other,
            (None, _) => {}
        }
        for assignment in &self.set {
            assignment.apply(&mut payload, node)?;
        }
        fill_from_key(event, key, &mut payload, node);
        let read = event.read(key, &payload).map_err(|error| match (nothing_given, self.mock) {
            (true, false) => Fault::usage(format!(
                "{error}; give the payload with --set, --file or --data, or make one up with --mock"
            )),
            _ => Fault::from(error),
        })?;
        let own_key = read.routing_key()?;
        if key != event.routing_key() && key != &*own_key {
            return Err(Fault::usage(format!(
                "the payload belongs under `{own_key}`, not under `{key}`; change one of them"
            )));
        }
        let event_id = self.event_id(&own_key, &*read)?;
        Ok(Checked { key: own_key.to_string(), payload: read.to_value()?, event_id })
    }

    /// What was given: a payload, or the one in an envelope.
    fn given(&self) -> Result<Option<Value>, Fault> {
        let (place, text) = match (&self.file, &self.data) {
            (Some(path), _) if path.as_os_str() == "-" => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text)?;
                ("standard input".to_owned(), text)
            }
            (Some(path), _) => {
                let place = path.display().to_string();
                let text = fs::read_to_string(path)
                    .map_err(|error| Fault::usage(format!("{place} cannot be read: {error}")))?;
                (place, text)
            }
            (None, Some(text)) => ("--data".to_owned(), text.clone()),
            (None, None) => return Ok(None),
        };
        let value: Value =
            serde_json::from_str(&text).map_err(|error| Fault::usage(format!("{place} is not JSON: {error}")))?;
        let is_envelope = ["event_id", "event_type", "payload"].iter().all(|field| value.get(field).is_some());
        Ok(Some(if is_envelope { value["payload"].clone() } else { value }))
    }

    fn event_id(&self, key: &str, event: &dyn AnyEvent) -> Result<Option<Uuid>, Fault> {
        if self.id_from.is_empty() {
            return Ok(event.event_id(key));
        }
        let payload = event.to_value()?;
        let mut fields = Vec::new();
        for field in &self.id_from {
            let value = match payload.get(field) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Bool(boolean)) => Some(if *boolean { "True" } else { "False" }.to_owned()),
                Some(Value::Number(number)) if !number.is_f64() => Some(number.to_string()),
                Some(Value::Null) => None,
                Some(Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    return Err(Fault::usage(format!(
                        "`{field}` cannot take part in an event id; texts, integers and booleans can"
                    )));
                }
                None => return Err(Fault::usage(format!("--id-from: the payload has no field `{field}`"))),
            };
            fields.push((&**field, value.map(Into::into)));
        }
        Ok(Some(event_id::deterministic(key, &event_id::unique_key(fields))))
    }

    fn print_envelope(&self, checked: &Checked) -> Done {
        // Checked although nothing is sent: the same command without --dry-run would refuse them.
        Settings::load()?;
        let envelope = EventEnvelope {
            event_id: checked.event_id.unwrap_or_else(Uuid::new_v4),
            event_type: checked.key.clone(),
            timestamp: Utc::now(),
            version: ENVELOPE_VERSION.into(),
            source: source(),
            correlation_ids: self.parent.clone(),
            agent_context: None,
            payload: &checked.payload,
        };
        writeln!(output::out(), "{}", output::highlighted(&envelope)?)?;
        Ok(())
    }
}

fn placeholders(event: &EventDescriptor) -> impl Iterator<Item = &'static str> {
    use bloodbank_core::routing::{Segment, template_segments};
    template_segments(event.routing_key()).filter_map(|segment| match segment {
        Segment::Placeholder(name) => Some(name.trim_start_matches("r#")),
        Segment::Literal(_) => None,
    })
}

/// A person, with this program.
pub(super) fn source() -> Source {
    Source::new(TriggerType::Manual, program::name())
}

/// What the broker confirmed.
pub(super) fn print_receipt(published: &Published, as_json: bool) -> Done {
    if as_json {
        return Ok(output::json(published)?);
    }
    let Published { event_id, event_type, unrouted } = published;
    writeln!(output::out(), "{} {} {event_id}", paint(GOOD, "published"), paint(KEY, event_type))?;
    if *unrouted {
        output::note("no queue receives it yet: start a subscriber, or `tail` it before publishing");
    }
    Ok(())
}
