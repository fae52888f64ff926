//! Exchanges, queues and bindings of the embedded broker: made, compared, deleted.

use std::{collections::HashMap, sync::Arc};

use crate::{
    changes::{DeclaredTopology, Record},
    engine::{State, missing_exchange},
    entry::QueueId,
    exchange::Exchange,
    queue::Queue,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    settings::QueueKind,
    transport::{
        Topology,
        topology::{self, Binding, Exchange as ExchangeSpec, Queue as Spec},
    },
};

impl State {
    /// Makes sure that all of it exists, or changes nothing.
    pub(super) fn declare(&mut self, topology: &Topology) -> Result<()> {
        self.check_open()?;
        self.check(topology)?;
        let mut new = DeclaredTopology::default();
        for exchange in &topology.exchanges {
            if self.add_exchange(exchange) {
                new.exchanges.push(exchange.clone());
            }
        }
        for spec in &topology.queues {
            if let Some(id) = self.names.get(&spec.name).copied() {
                new.queues.extend(self.take_over(id, spec.subscriber.as_ref()));
                continue;
            }
            let id = self.queues.len();
            self.add_queue(id, spec.clone());
            if spec.kind != QueueKind::Transient {
                new.queues.push((id, spec.clone()));
            }
        }
        for Binding { exchange, queue, pattern } in &topology.bindings {
            let id = self.queue_id(queue)?;
            if self.bind(exchange, pattern, id)? && self.queue(id).is_some_and(|queue| queue.is_durable()) {
                new.bindings.push((Arc::clone(exchange), Arc::clone(pattern), id));
            }
        }
        if !(new.exchanges.is_empty() && new.queues.is_empty() && new.bindings.is_empty()) {
            self.changes.append(|| Record::Declared(new));
        }
        Ok(())
    }

    /// Checks that a topology does not contradict what there is.
    fn check(&self, topology: &Topology) -> Result<()> {
        // By name: there may be thousands.
        let mut exchanges: HashMap<&str, _> = HashMap::new();
        for exchange in &topology.exchanges {
            let known = self.exchanges.get(&exchange.name).map(|known| known.kind);
            let first = *exchanges.entry(&exchange.name).or_insert(exchange.kind);
            if let Some(kind) = known.or(Some(first))
                && kind != exchange.kind
            {
                return Err(Error::new(
                    ErrorKind::Topology,
                    format!(
                        "exchange `{}` exists with another type: it is {kind:?}, {:?} is wanted; delete it or choose another name",
                        exchange.name, exchange.kind
                    ),
                ));
            }
        }
        let mut queues: HashMap<&str, &Spec> = HashMap::new();
        for spec in &topology.queues {
            let known = self.names.get(&spec.name).and_then(|id| self.queues.get(*id)?.as_ref());
            let first = *queues.entry(&spec.name).or_insert(spec);
            let other = known.map_or(first, |queue| &queue.spec);
            if *other != spec.clone().subscriber(other.subscriber.clone()) {
                return Err(Error::new(
                    ErrorKind::Topology,
                    format!(
                        "queue `{}` exists with other properties: it has {other:?}, {spec:?} is wanted; delete it once it is empty, or choose another name",
                        spec.name
                    ),
                ));
            }
        }
        for spec in &topology.queues {
            let known = self.names.get(&spec.name).and_then(|id| self.queues.get(*id)?.as_ref());
            let owner = known.and_then(|queue| queue.spec.subscriber.as_ref());
            if let (Some(owner), Some(other)) = (owner, &spec.subscriber)
                && owner != other
            {
                return Err(topology::belongs_to_another(&spec.name, owner, other));
            }
        }
        if let Some(queue) =
            topology.queues.iter().find(|queue| queue.max_priority.is_some() && queue.kind != QueueKind::Classic)
        {
            return Err(topology::priorities_need_classic(&queue.name, queue.kind));
        }
        if let Some(missing) = topology.foreign.iter().find(|queue| !self.names.contains_key(*queue)) {
            return Err(topology::foreign_queue_missing(missing));
        }
        for binding in &topology.bindings {
            let has_exchange =
                self.exchanges.contains_key(&binding.exchange) || exchanges.contains_key(&*binding.exchange);
            if !has_exchange {
                return Err(missing_exchange(&binding.exchange));
            }
            let has_queue = self.names.contains_key(&binding.queue) || queues.contains_key(&*binding.queue);
            if !has_queue {
                return Err(missing_queue(&binding.queue, "binding"));
            }
        }
        Ok(())
    }

    /// Notes the first subscriber of a queue that has none; the queue as it is then, where a file is to keep it.
    fn take_over(&mut self, id: QueueId, subscriber: Option<&Arc<str>>) -> Option<(QueueId, Spec)> {
        let queue = self.queues.get_mut(id)?.as_mut()?;
        if queue.spec.subscriber.is_some() {
            return None;
        }
        queue.spec.subscriber = Some(Arc::clone(subscriber?));
        queue.is_durable().then(|| (id, queue.spec.clone()))
    }

    /// Makes a queue forget its subscriber.
    pub(super) fn release(&mut self, name: &str) -> Result<()> {
        self.check_open()?;
        let id = self.names.get(name).copied();
        let queue = id.and_then(|id| self.queues.get_mut(id)?.as_mut());
        let Some((id, queue)) = id.zip(queue) else { return Err(missing_queue(name, "releasing it")) };
        queue.spec.subscriber = None;
        if queue.is_durable() {
            let mut changed = DeclaredTopology::default();
            changed.queues.push((id, queue.spec.clone()));
            self.changes.append(|| Record::Declared(changed));
        }
        Ok(())
    }

    /// Adds an exchange; `false`: it was there.
    pub(super) fn add_exchange(&mut self, exchange: &ExchangeSpec) -> bool {
        if self.exchanges.contains_key(&exchange.name) {
            return false;
        }
        let topology::Exchange { name, kind } = exchange;
        self.exchanges.insert(Arc::clone(name), Exchange::new(*kind));
        true
    }

    /// Adds a queue at a place that is free.
    pub(super) fn add_queue(&mut self, id: QueueId, spec: Spec) {
        if self.queues.len() <= id {
            self.queues.resize_with(id + 1, || None);
        }
        self.names.insert(Arc::clone(&spec.name), id);
        let mut queue = Queue::new(spec);
        if let Some(backlog) = self.backlog.as_ref().filter(|_| queue.is_durable()) {
            queue.page_from(id, Arc::clone(backlog));
        }
        self.queues[id] = Some(queue);
    }

    /// Binds a queue to an exchange; `false`: it was.
    pub(super) fn bind(&mut self, exchange: &str, pattern: &Arc<str>, queue: QueueId) -> Result<bool> {
        let exchange = self.exchanges.get_mut(exchange).ok_or_else(|| missing_exchange(exchange))?;
        Ok(exchange.bind(pattern, queue))
    }

    pub(super) fn queue_id(&self, name: &str) -> Result<QueueId> {
        self.names.get(name).copied().ok_or_else(|| missing_queue(name, "consuming"))
    }

    pub(super) fn delete(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(id).and_then(Option::take) {
            self.names.remove(&queue.spec.name);
            for exchange in self.exchanges.values_mut() {
                exchange.unbind(id);
            }
        }
    }
}

fn missing_queue(name: &str, before: &str) -> Error {
    Error::new(ErrorKind::Topology, format!("there is no queue `{name}`; declare it before {before}"))
}
