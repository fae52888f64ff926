//! The flow of events through the subscribers and commands that are linked into a program.

use std::collections::{BTreeMap, BTreeSet};

use bloodbank_core::{EventKind, Registry, event::Location, routing};

/// Events, and what stands between them.
pub(crate) struct Flow {
    /// Every event by key, also those that no registered event declares.
    pub(crate) events: BTreeMap<&'static str, EventKind>,
    /// What handles events, sorted by name.
    pub(crate) handlers: Vec<Handler>,
}

/// A subscriber, or the executor of a command.
pub(crate) struct Handler {
    pub(crate) name: String,
    pub(crate) location: Location,
    /// The keys of the registered events it receives.
    pub(crate) inputs: BTreeSet<&'static str>,
    /// The keys of the events it may publish by returning them.
    pub(crate) outputs: BTreeSet<&'static str>,
    /// The patterns it is bound with, under which no registered event travels.
    pub(crate) idle: Vec<String>,
}

impl Flow {
    /// The flow of this program.
    pub(crate) fn of(registry: &Registry) -> Self {
        let mut handlers = Vec::new();
        for executor in registry.executors() {
            let declaration = executor.declaration();
            handlers.push(Handler {
                name: declaration.name.to_owned(),
                location: *executor.location(),
                inputs: [declaration.routing_key].into(),
                outputs: executor.outputs().iter().map(|output| output.routing_key).collect(),
                idle: Vec::new(),
            });
        }
        for subscriber in registry.subscribers() {
            let mut inputs = BTreeSet::new();
            let mut idle = Vec::new();
            for pattern in subscriber.patterns() {
                let before = inputs.len();
                inputs.extend(registry.matching(&pattern).map(|event| event.routing_key()));
                if inputs.len() == before && registry.matching(&pattern).next().is_none() {
                    idle.push(pattern.to_string());
                }
            }
            handlers.push(Handler {
                name: subscriber.name.to_owned(),
                location: subscriber.location,
                inputs,
                outputs: (subscriber.outputs)().iter().map(|output| output.routing_key).collect(),
                idle,
            });
        }
        handlers.sort_by(|one, other| one.name.cmp(&other.name));
        let events = registry.events().iter().map(|event| (event.routing_key(), event.kind())).collect();
        Self { events, handlers }
    }

    /// What handles an event.
    pub(crate) fn handlers_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Handler> {
        self.handlers.iter().filter(move |handler| handler.inputs.contains(key))
    }

    /// The ways on which an event leads back to itself: keys and handlers in turn, beginning and ending with the same
    /// key. Each is found once.
    pub(crate) fn cycles(&self) -> Vec<Vec<&str>> {
        let mut search = Search { flow: self, done: BTreeSet::new(), way: Vec::new(), cycles: Vec::new() };
        for key in self.events.keys() {
            search.visit(key);
        }
        search.cycles
    }

    /// Only what begins with events that a pattern matches, and all that follows from them.
    pub(crate) fn from(mut self, pattern: &str) -> Self {
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

struct Search<'a> {
    flow: &'a Flow,
    done: BTreeSet<&'a str>,
    /// The keys on the way, each with the handler that leads on from it.
    way: Vec<(&'a str, &'a str)>,
    cycles: Vec<Vec<&'a str>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, key: &'a str) {
        if let Some(start) = self.way.iter().position(|(on_way, _)| *on_way == key) {
            let steps = self.way[start..].iter().flat_map(|(key, handler)| [*key, *handler]);
            self.cycles.push(steps.chain([key]).collect());
            return;
        }
        if self.done.contains(key) {
            return;
        }
        for handler in self.flow.handlers_of(key) {
            self.way.push((key, &handler.name));
            for output in &handler.outputs {
                self.visit(output);
            }
            self.way.pop();
        }
        self.done.insert(key);
    }
}
