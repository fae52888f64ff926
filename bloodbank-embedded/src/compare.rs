//! Comparison of a topology with the exchanges and queues that there are.

use crate::engine::State;
use bloodbank_core::{
    Result,
    transport::{
        Difference, Topology, TopologyDiff, TopologyStatus,
        topology::{Binding, Queue},
    },
};

impl State {
    /// Compares and changes nothing.
    pub(super) fn compare(&self, topology: &Topology) -> Result<Vec<TopologyDiff>> {
        self.check_open()?;
        let exchanges = topology.exchanges.iter().filter(|exchange| !exchange.name.is_empty()).map(|wanted| {
            let status = match self.exchanges.get(&wanted.name) {
                None => TopologyStatus::Missing,
                Some(known) => different(vec![property("type", &wanted.kind, &known.kind)]),
            };
            TopologyDiff { item: format!("exchange `{}`", wanted.name), status }
        });
        let queues = topology.queues.iter().map(|wanted| {
            let known = self.names.get(&wanted.name).and_then(|id| self.queues.get(*id)?.as_ref());
            let status = known.map_or(TopologyStatus::Missing, |known| different(properties(wanted, &known.spec)));
            TopologyDiff { item: format!("queue `{}`", wanted.name), status }
        });
        let bindings = topology.bindings.iter().map(|Binding { exchange, queue, pattern }| {
            let bound = self.names.get(queue).zip(self.exchanges.get(exchange));
            let status = match bound {
                Some((queue, exchange)) if exchange.has(pattern, *queue) => TopologyStatus::Equal,
                Some(_) | None => TopologyStatus::Missing,
            };
            let item = format!("the binding of queue `{queue}` to exchange `{exchange}` by `{pattern}`");
            TopologyDiff { item, status }
        });
        let foreign = topology.foreign.iter().map(|queue| {
            let exists = self.names.contains_key(queue);
            let status = if exists { TopologyStatus::Equal } else { TopologyStatus::Missing };
            TopologyDiff { item: format!("the foreign queue `{queue}`"), status }
        });
        Ok(foreign.chain(exchanges).chain(queues).chain(bindings).collect())
    }
}

fn different(properties: Vec<Option<Difference>>) -> TopologyStatus {
    let differences: Vec<_> = properties.into_iter().flatten().collect();
    if differences.is_empty() { TopologyStatus::Equal } else { TopologyStatus::Different(differences) }
}

fn properties(declared: &Queue, existing: &Queue) -> Vec<Option<Difference>> {
    vec![
        property("x-queue-type", &declared.kind, &existing.kind),
        property("x-dead-letter-exchange", &declared.dead_letter, &existing.dead_letter),
        property("x-delivery-limit", &declared.delivery_limit, &existing.delivery_limit),
        property("x-message-ttl", &declared.message_ttl, &existing.message_ttl),
        property("x-max-length", &declared.max_length, &existing.max_length),
        property("x-max-priority", &declared.max_priority, &existing.max_priority),
        property("x-single-active-consumer", &declared.single_active, &existing.single_active),
        property("x-expires", &declared.expires, &existing.expires),
        declared
            .subscriber
            .as_ref()
            .zip(existing.subscriber.as_ref())
            .and_then(|(declared, existing)| property("subscriber", declared, existing)),
    ]
}

fn property<T: PartialEq + std::fmt::Debug>(name: &str, declared: &T, existing: &T) -> Option<Difference> {
    let shown = |value: &T| format!("`{value:?}`");
    (declared != existing).then(|| Difference {
        property: name.to_owned(),
        declared: shown(declared),
        existing: shown(existing),
    })
}
