//! The registry: the events, subscribers and commands that are linked into this program.

mod check;
mod command;
mod event;
mod options;
mod queues;
mod schema;
mod subscriber;

use std::{
    any::TypeId,
    collections::{BTreeMap, HashMap},
    sync::{LazyLock, OnceLock},
};

pub use check::{Conflict, Report};
pub use command::CommandDescriptor;
pub(crate) use command::{StateType, command_queue};
pub(crate) use event::tree;
pub use event::{AnyEvent, EventDescriptor};
pub use options::{Backoff, BatchPolicy, OnFailure, Rate, RetryPolicy, Settle, SubscriberOptions};
pub(crate) use queues::linked_queues;
pub use subscriber::SubscriberDescriptor;

use crate::{
    error::{Error, ErrorKind},
    event::{Event, EventKind},
    routing,
};

/// The registry of every event, subscriber and command that is linked into this program.
///
/// A crate that only declares events is linked only if it is named: `use my_events as _;`.
#[derive(Debug)]
pub struct Registry {
    /// The events by declared key.
    by_key: HashMap<&'static str, &'static EventDescriptor>,
    /// The events by type; built on first use.
    by_type: OnceLock<HashMap<TypeId, &'static EventDescriptor>>,
    /// The events whose key has placeholders.
    templates: Vec<&'static EventDescriptor>,
    /// The events, sorted by key.
    events: Vec<&'static EventDescriptor>,
    /// The events by domain; built on first use.
    by_domain: OnceLock<BTreeMap<&'static str, Vec<&'static EventDescriptor>>>,
    subscribers: Vec<&'static SubscriberDescriptor>,
    commands: Vec<&'static CommandDescriptor>,
}

impl Registry {
    /// The registry of this program; built on the first call.
    #[must_use]
    pub fn global() -> &'static Self {
        static GLOBAL: LazyLock<Registry> = LazyLock::new(|| {
            Registry::new(
                inventory::iter::<EventDescriptor>.into_iter(),
                inventory::iter::<SubscriberDescriptor>.into_iter(),
                inventory::iter::<CommandDescriptor>.into_iter(),
            )
        });
        &GLOBAL
    }

    fn new(
        events: impl Iterator<Item = &'static EventDescriptor>,
        subscribers: impl Iterator<Item = &'static SubscriberDescriptor>,
        commands: impl Iterator<Item = &'static CommandDescriptor>,
    ) -> Self {
        // With their keys at hand: a program waits for this when it starts, and may have thousands of events.
        let mut events: Vec<_> = events.map(|event| (event.routing_key(), event)).collect();
        events.sort_by(|(key, event), (other_key, other)| {
            let place = |event: &EventDescriptor| (event.location().file, event.location().line);
            key.cmp(other_key).then_with(|| place(event).cmp(&place(other)))
        });
        let mut subscribers: Vec<_> = subscribers.collect();
        subscribers
            .sort_unstable_by_key(|subscriber| (subscriber.name, subscriber.location.file, subscriber.location.line));
        let mut commands: Vec<_> = commands.collect();
        commands.sort_unstable_by_key(|command| command.declaration().routing_key);
        Self {
            by_key: events.iter().copied().collect(),
            by_type: OnceLock::new(),
            templates: events.iter().filter(|(key, _)| routing::is_template(key)).map(|(_, event)| *event).collect(),
            events: events.into_iter().map(|(_, event)| event).collect(),
            by_domain: OnceLock::new(),
            subscribers,
            commands,
        }
    }

    /// The event with a key, either declared or published (`artifact.created` finds `artifact.{action}`).
    #[must_use]
    pub fn event(&self, key: &str) -> Option<&'static EventDescriptor> {
        let exact = self.by_key.get(key).copied();
        exact.or_else(|| {
            self.templates.iter().copied().find(|event| routing::template_matches(event.routing_key(), key))
        })
    }

    /// The event of type `E`.
    #[must_use]
    pub fn event_of<E: Event>(&self) -> Option<&'static EventDescriptor> {
        let by_type = self.by_type.get_or_init(|| self.events.iter().map(|event| (event.type_id(), *event)).collect());
        by_type.get(&TypeId::of::<E>()).copied()
    }

    /// Every event, sorted by key.
    #[must_use]
    pub fn events(&self) -> &[&'static EventDescriptor] {
        &self.events
    }

    fn by_domain(&self) -> &BTreeMap<&'static str, Vec<&'static EventDescriptor>> {
        self.by_domain.get_or_init(|| {
            let mut by_domain: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for event in &self.events {
                by_domain.entry(event.domain()).or_default().push(*event);
            }
            by_domain
        })
    }

    /// The domains, sorted.
    pub fn domains(&self) -> impl Iterator<Item = &'static str> {
        self.by_domain().keys().copied()
    }

    /// The events of a domain, sorted by key.
    #[must_use]
    pub fn events_in(&self, domain: &str) -> &[&'static EventDescriptor] {
        self.by_domain().get(domain).map_or(&[], Vec::as_slice)
    }

    /// The events that are commands, sorted by key.
    pub fn commands(&self) -> impl Iterator<Item = &'static EventDescriptor> {
        self.events.iter().copied().filter(|event| event.kind() == EventKind::Command)
    }

    /// The executors of commands, sorted by key.
    #[must_use]
    pub fn executors(&self) -> &[&'static CommandDescriptor] {
        &self.commands
    }

    /// The subscribers, sorted by name.
    #[must_use]
    pub fn subscribers(&self) -> &[&'static SubscriberDescriptor] {
        &self.subscribers
    }

    /// The events whose key can match a pattern, sorted by key.
    pub fn matching<'a>(&self, pattern: &'a str) -> impl Iterator<Item = &'static EventDescriptor> + use<'_, 'a> {
        self.events.iter().copied().filter(move |event| routing::overlaps(pattern, event.routing_key()))
    }

    /// The JSON Schema of an event.
    #[must_use]
    pub fn schema(&self, key: &str) -> Option<schemars::Schema> {
        self.event(key).map(EventDescriptor::schema)
    }

    /// The metric label for a key: the declared key, so that there are no more labels than declarations, or `other`.
    pub(crate) fn label(&self, key: &str) -> &'static str {
        self.event(key).map_or("other", EventDescriptor::routing_key)
    }

    /// The error for a key that is not registered; proposes the nearest one.
    #[must_use]
    pub fn unknown(&self, key: &str) -> Error {
        let remedy = match routing::nearest(key, self.events.iter().map(|event| event.routing_key())) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "link the crate that declares it: `use its_crate as _;`".to_owned(),
        };
        let key = routing::printable(key);
        Error::new(ErrorKind::UnknownEvent, format!("no event `{key}` is registered in this program; {remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_nobody_declares_is_named_in_short_and_on_one_line() {
        let message = Registry::global().unknown(&"orders\n.".repeat(100_000)).to_string();
        assert!(message.len() < 400, "{} bytes", message.len());
        assert!(!message.contains('\n'), "{message}");
        assert!(message.contains("no event `orders\\n.orders"), "{message}");
    }
}
