//! Today's subscribers on recorded events.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bloodbank_core::{
    Bus, Error, ErrorKind, Registry, Result,
    app::Health,
    envelope::RawEnvelope,
    event::Declaration,
    event_id,
    message::{Incoming, Outgoing, names},
    routing,
    store::JournalEntry,
};
use chrono::Utc;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Recording,
    difference::{Change, Difference, Differences},
    payload,
};
use crate::{recorder::Step, test_bus::TestBus};

/// The number of follow-ups of one event by one subscriber that are recognised.
const MOST_FOLLOW_UPS: u32 = 256;
/// The number of attempts whose failure events are recognised.
const MOST_ATTEMPTS: u32 = 32;

/// A bus on which today's subscribers handle recorded events. What they publish is caught, and goes to nobody.
#[derive(Debug)]
pub struct RecordingBus(TestBus);

/// A follow-up, as it was published.
struct FollowUp {
    event_id: Uuid,
    event_type: String,
    message: Incoming,
}

impl RecordingBus {
    /// A bus on which nothing has happened.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a bus is a resource, not a value")]
    pub fn new() -> Self {
        Self(TestBus::catching())
    }

    /// The bus, for [`App::new`](bloodbank_core::App::new).
    #[must_use]
    pub fn bus(&self) -> Bus {
        self.0.bus()
    }

    /// Gives every recorded event to the apps that run on this bus, and compares what they publish with what is recorded. Places
    /// of payloads that are not the same each time, such as a time, are `ignored`: JSON pointers, in which `*` stands for any
    /// one name or index.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`] where no subscriber runs, or none of them subscribes to a recorded event.
    pub async fn compare(&self, recording: &Recording, health: &Health, ignored: &[&str]) -> Result<Differences> {
        let handlers = handlers(health, self.0.settings().command_queues());
        if handlers.is_empty() {
            let text = "the app has no subscribers and no commands; start it with those that are to be tested";
            return Err(Error::new(ErrorKind::Topology, text));
        }
        let mut found = Differences::default();
        let mut children: HashMap<Uuid, Vec<&JournalEntry>> = HashMap::new();
        for entry in recording.entries() {
            for cause in causes(entry) {
                children.entry(cause).or_default().push(entry);
            }
        }
        let mut replaced: HashSet<(Uuid, Uuid)> = HashSet::new();
        let mut today: HashMap<Uuid, Vec<FollowUp>> = HashMap::new();
        for entry in recording.entries() {
            let Some(cause) = entry.event_id() else { continue };
            let Some(published) = self.handle(entry).await? else { continue };
            found.handled += 1;
            let recorded = children.get(&cause).into_iter().flatten();
            let is_today = |child: &JournalEntry| {
                published.follow_ups.iter().any(|follow_up| Some(follow_up.event_id) == child.event_id())
            };
            let is_its = |child: &JournalEntry| is_of(child, cause, &handlers) || is_today(child);
            let recorded = recorded.filter(|child| is_its(child) && !is_interim(&child.message));
            let recorded: Vec<FollowUp> = recorded.filter_map(|child| follow_up(&child.message)).collect();
            replaced.extend(recorded.iter().map(|then| (cause, then.event_id)));
            for change in diff(&recorded, &published.follow_ups, ignored, &mut found.unchanged) {
                found.differences.push(Difference { cause_type: entry.event_type().to_owned(), cause, ..change });
            }
            if let Some(error) = published.gave_up.filter(|_| !recorded.iter().any(|then| is_failure(&then.event_type)))
            {
                let (event_type, event_id) = (entry.event_type().to_owned(), cause);
                let cause_type = event_type.clone();
                found.differences.push(Difference {
                    cause_type,
                    cause,
                    event_type,
                    event_id,
                    change: Change::GaveUp(error),
                });
            }
            today.entry(cause).or_default().extend(published.follow_ups);
        }
        if found.handled == 0 {
            let text = "no subscriber of the app subscribes to an event of the recording; start it with those that do";
            return Err(Error::new(ErrorKind::Topology, text));
        }
        found.today = accepted(recording, &replaced, today);
        Ok(found)
    }

    /// Gives an event to every subscriber; `None`: nobody subscribes to it.
    async fn handle(&self, entry: &JournalEntry) -> Result<Option<Published>> {
        let (begin, Incoming { routing_key, properties, body, .. }) = (self.0.log().len(), entry.message.clone());
        let mut properties = properties;
        (properties.reply_to, properties.expiration) = (None, None);
        properties.headers.remove_all(|name| name == names::EXPIRES_AT);
        let message = Outgoing::new(Arc::clone(self.0.bus().exchange()), routing_key, body).properties(properties);
        if self.0.inject(message.mandatory()).await?.unrouted == Some(true) {
            return Ok(None);
        }
        self.0.drain_retries().await;
        let mut published = Published { follow_ups: Vec::new(), gave_up: None };
        for (step, message) in self.0.log().since(begin) {
            match step {
                Step::Published if !is_interim(&message) => published.follow_ups.extend(follow_up(&message)),
                Step::DeadLettered(_) => {
                    let error = message.properties.headers.text(names::ERROR);
                    published.gave_up = Some(error.unwrap_or("no reason is given").to_owned());
                }
                _ => {}
            }
        }
        Ok(Some(published))
    }
}

/// What the subscribers made of an event.
struct Published {
    follow_ups: Vec<FollowUp>,
    /// The error of a subscriber that gave it up.
    gave_up: Option<String>,
}

/// A subscriber or an executor that runs.
struct Handler {
    /// The name from which the ids of its follow-ups are derived.
    name: String,
    /// The app that it belongs to; `None`: its queue does not say.
    app: Option<String>,
    /// The events that it may publish by returning them.
    outputs: Vec<&'static Declaration>,
}

/// The subscribers and executors that run.
fn handlers(health: &Health, command_queues: &str) -> Vec<Handler> {
    let registry = Registry::global();
    let queues = || health.subscribers.iter().map(|running| &*running.queue);
    let functions = registry.subscribers().iter().filter_map(|subscriber| {
        let own = format!(".{}", subscriber.name);
        let queue = queues().find(|queue| match subscriber.options.queue {
            Some(named) => named == *queue,
            None => queue.ends_with(&own),
        })?;
        let app = queue.strip_suffix(&own).map(str::to_owned);
        Some(Handler { name: subscriber.name.to_owned(), app, outputs: (subscriber.outputs)() })
    });
    let executors = registry.executors().iter().filter_map(|command| {
        let own = command.queue(command_queues);
        queues().find(|queue| *own == **queue)?;
        let name = event_id::executor(command.declaration().routing_key);
        Some(Handler { name, app: None, outputs: command.outputs() })
    });
    functions.chain(executors).collect()
}

fn causes(entry: &JournalEntry) -> Vec<Uuid> {
    RawEnvelope::read(&entry.message.body).map(|envelope| envelope.correlation_ids).unwrap_or_default()
}

/// Whether an event that names a cause is a follow-up of it by one of these subscribers: its id is derived from both. One whose type
/// has an id of its own is a type that the subscriber returns, or was published by its app.
fn is_of(child: &JournalEntry, cause: Uuid, handlers: &[Handler]) -> bool {
    let (Some(id), event_type) = (child.event_id(), child.event_type()) else { return false };
    let derived = |name: &str| {
        (0..MOST_FOLLOW_UPS).any(|position| event_id::derived(cause, name, position, event_type) == id)
            || (1..=MOST_ATTEMPTS).any(|attempt| event_id::derived_failure(cause, name, attempt, event_type) == id)
    };
    if handlers.iter().any(|handler| derived(&handler.name)) {
        return true;
    }
    let has_own_id =
        Registry::global().event(event_type).is_some_and(|event| !event.declaration().id_fields.is_empty());
    let source = RawEnvelope::read(&child.message.body).ok().and_then(|envelope| envelope.source.app);
    let is_its = |handler: &Handler| {
        let returns = |output: &&Declaration| routing::template_matches(output.routing_key, event_type);
        handler.outputs.iter().any(returns) || handler.app.is_some() && handler.app == source
    };
    has_own_id && handlers.iter().any(is_its)
}

/// Whether a message is the failure event of an attempt that another one follows: how often something failed that failed by
/// chance is not compared.
fn is_interim(message: &Incoming) -> bool {
    let key = message.properties.event_type.as_deref().unwrap_or(&message.routing_key);
    is_failure(key) && message.properties.headers.get(names::FINAL).is_none()
}

fn is_failure(event_type: &str) -> bool {
    routing::is_failure_key(event_type)
}

fn follow_up(message: &Incoming) -> Option<FollowUp> {
    let envelope = RawEnvelope::read(&message.body).ok()?;
    Some(FollowUp { event_id: envelope.event_id, event_type: envelope.event_type, message: message.clone() })
}

fn value(follow_up: &FollowUp) -> Value {
    let envelope = RawEnvelope::read(&follow_up.message.body).ok();
    envelope.and_then(|envelope| serde_json::from_str(envelope.payload.get()).ok()).unwrap_or_default()
}

/// What is different about the follow-ups of one event. Those of failures have an id for each attempt, and are the same where
/// their type is.
fn diff(then: &[FollowUp], today: &[FollowUp], ignored: &[&str], unchanged: &mut usize) -> Vec<Difference> {
    let same = |one: &FollowUp, other: &FollowUp| {
        one.event_type == other.event_type && (one.event_id == other.event_id || is_failure(&one.event_type))
    };
    let difference = |event: &FollowUp, change| Difference {
        cause_type: String::new(),
        cause: Uuid::nil(),
        event_type: event.event_type.clone(),
        event_id: event.event_id,
        change,
    };
    // An id follows from a place: where an earlier follow-up is gone, those behind it have others. What has no counterpart by its
    // id is compared with what has none of the same type, in order.
    let mut counterparts: Vec<Option<usize>> =
        then.iter().map(|old| today.iter().position(|new| same(old, new))).collect();
    for (place, old) in then.iter().enumerate() {
        if counterparts[place].is_none() {
            let mut candidates = today.iter().enumerate();
            counterparts[place] = candidates.find_map(|(number, new)| {
                (new.event_type == old.event_type && !counterparts.contains(&Some(number))).then_some(number)
            });
        }
    }
    let mut found = Vec::new();
    for (old, counterpart) in then.iter().zip(&counterparts) {
        match counterpart.and_then(|number| today.get(number)) {
            None => found.push(difference(old, Change::Missing)),
            Some(new) => {
                let ignored: Vec<&str> = if is_failure(&old.event_type) {
                    ignored.iter().copied().chain(["/retry_count"]).collect()
                } else {
                    ignored.to_vec()
                };
                match payload::changes(&value(old), &value(new), &ignored) {
                    changes if changes.is_empty() => *unchanged += 1,
                    changes => found.push(difference(new, Change::Payload(changes))),
                }
            }
        }
    }
    let is_new = |(number, new): &(usize, &FollowUp)| {
        !counterparts.contains(&Some(*number)) && !then.iter().any(|old| same(old, new))
    };
    found.extend(today.iter().enumerate().filter(is_new).map(|(_, new)| difference(new, Change::New(value(new)))));
    found
}

/// The recording with the follow-ups of today behind their causes, in place of those of then.
fn accepted(
    recording: &Recording,
    replaced: &HashSet<(Uuid, Uuid)>,
    mut today: HashMap<Uuid, Vec<FollowUp>>,
) -> Vec<JournalEntry> {
    let mut accepted: Vec<JournalEntry> = Vec::new();
    let known: HashMap<Uuid, &JournalEntry> =
        recording.entries().iter().filter_map(|entry| Some((entry.event_id()?, entry))).collect();
    for entry in recording.entries() {
        let id = entry.event_id();
        let is_replaced = id.is_some_and(|id| causes(entry).iter().any(|cause| replaced.contains(&(*cause, id))));
        if is_replaced {
            continue;
        }
        accepted.push(entry.clone());
        let mut open: Vec<Uuid> = id.into_iter().collect();
        while let Some(cause) = open.pop() {
            for new in today.remove(&cause).unwrap_or_default() {
                // What is as it was keeps its time and its place in the journal it came from.
                let (offset, time) =
                    known.get(&new.event_id).map_or((0, Utc::now()), |old| (old.offset, old.published_at));
                open.push(new.event_id);
                accepted.push(JournalEntry::new(offset, time, new.message));
            }
        }
    }
    accepted
}
