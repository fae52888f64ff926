//! The flow of events through the subscribers and commands of a program.

mod cycles;
mod diagram;

use std::collections::{BTreeMap, BTreeSet};

use bloodbank_core::{EventKind, Registry, event::Location, routing};

/// Events, and the subscribers and commands between them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Flow {
    /// The kind of every registered event, by key as declared.
    pub events: BTreeMap<&'static str, EventKind>,
    /// What handles events, sorted by name.
    pub handlers: Vec<Handler>,
}

/// What handles events.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Handler {
    /// The name of the subscriber, or of the type of the command.
    pub name: String,
    /// Subscriber or executor.
    pub kind: HandlerKind,
    /// Where the handler is declared.
    pub location: Location,
    /// Whether an app of the program runs it; `false`: it is only linked.
    pub is_subscribed: bool,
    /// The keys of the registered events that it receives.
    pub inputs: BTreeSet<&'static str>,
    /// The keys of the events that it may publish by returning them.
    pub outputs: BTreeSet<&'static str>,
    /// The patterns of its bindings that match no registered event.
    pub unmatched_patterns: Vec<String>,
}

/// What a handler is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerKind {
    /// A function that receives events.
    Subscriber,
    /// A type that executes its command.
    Executor,
}

impl Flow {
    /// The flow through everything in a registry, of which the apps of the program run the handlers at `subscribed`.
    #[must_use]
    pub fn of(registry: &Registry, subscribed: &BTreeSet<Location>) -> Self {
        let executors = registry.executors().iter().map(|executor| {
            let declaration = executor.declaration();
            Handler {
                name: declaration.name.to_owned(),
                kind: HandlerKind::Executor,
                location: *executor.location(),
                is_subscribed: subscribed.contains(executor.location()),
                inputs: [declaration.routing_key].into(),
                outputs: executor.outputs().iter().map(|output| output.routing_key).collect(),
                unmatched_patterns: Vec::new(),
            }
        });
        let subscribers = registry.subscribers().iter().map(|subscriber| {
            let mut inputs = BTreeSet::new();
            let mut unmatched_patterns = Vec::new();
            for pattern in subscriber.patterns() {
                let mut matching = registry.matching(&pattern).map(|event| event.routing_key()).peekable();
                if matching.peek().is_none() {
                    unmatched_patterns.push(pattern.to_string());
                }
                inputs.extend(matching);
            }
            if subscriber.options.foreign {
                // Nothing is bound; it takes what others put into the queue for these.
                inputs.extend((subscriber.inputs)().iter().map(|input| input.routing_key));
            }
            Handler {
                name: subscriber.name.to_owned(),
                kind: HandlerKind::Subscriber,
                location: subscriber.location,
                is_subscribed: subscribed.contains(&subscriber.location),
                inputs,
                outputs: (subscriber.outputs)().iter().map(|output| output.routing_key).collect(),
                unmatched_patterns,
            }
        });
        let mut handlers: Vec<_> = executors.chain(subscribers).collect();
        handlers.sort_by(|one, other| one.name.cmp(&other.name));
        let events = registry.events().iter().map(|event| (event.routing_key(), event.kind())).collect();
        Self { events, handlers }
    }

    /// The flow without the handlers that are only linked.
    #[must_use]
    pub fn subscribed(mut self) -> Self {
        self.handlers.retain(|handler| handler.is_subscribed);
        self
    }

    /// The handlers that receive an event, sorted by name.
    pub fn handlers_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Handler> {
        self.handlers.iter().filter(move |handler| handler.inputs.contains(key))
    }

    /// The part of the flow that begins with the events that a pattern matches: those, and all that follows from them.
    #[must_use]
    pub fn starting_from(mut self, pattern: &str) -> Self {
        let mut reached: BTreeSet<_> =
            self.events.keys().copied().filter(|key| routing::overlaps(pattern, key)).collect();
        loop {
            let next: Vec<_> = self
                .handlers
                .iter()
                .filter(|handler| !handler.inputs.is_disjoint(&reached))
                .flat_map(|handler| handler.outputs.iter().copied())
                .filter(|key| !reached.contains(key))
                .collect();
            if next.is_empty() {
                break;
            }
            reached.extend(next);
        }
        self.events.retain(|key, _| reached.contains(key));
        self.handlers.retain(|handler| !handler.inputs.is_disjoint(&reached));
        for handler in &mut self.handlers {
            handler.inputs.retain(|key| reached.contains(key));
        }
        self
    }
}
