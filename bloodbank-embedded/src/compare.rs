//! Comparison of a topology with the exchanges and queues that there are.

use crate::engine::State;
use bloodbank_core::{
    Result,
    transport::{
        Compared, Difference, Found, Topology,
        topology::{Binding, Queue},
    },
};

impl State {
    /// Compares and changes nothing.
    pub(super) fn compare(&self, topology: &Topology) -> Result<Vec<Compared>> {
        self.check_open()?;
        let exchanges = topology.exchanges.iter().filter(|exchange| !exchange.name.is_empty()).map(|wanted| {
            let found = match self.exchanges.get(&wanted.name) {
                None => Found::Missing,
                Some(known) => different(vec![property("type", &wanted.kind, &known.kind)]),
            };
            Compared { item: format!("exchange `{}`", wanted.name), found }
        });
        let queues = topology.queues.iter().map(|wanted| {
            let known = self.names.get(&wanted.name).and_then(|id| self.queues.get(*id)?.as_ref());
            let found = known.map_or(Found::Missing, |known| different(properties(wanted, &known.spec)));
            Compared { item: format!("queue `{}`", wanted.name), found }
        });
        let bindings = topology.bindings.iter().map(|Binding { exchange, queue, pattern }| {
            let bound = self.names.get(queue).zip(self.exchanges.get(exchange));
            let found = match bound {
                Some((queue, exchange)) if exchange.has(pattern, *queue) => Found::Equal,
                Some(_) | None => Found::Missing,
            };
            let item = format!("the binding of queue `{queue}` to exchange `{exchange}` by `{pattern}`");
            Compared { item, found }
        });
        Ok(exchanges.chain(queues).chain(bindings).collect())
    }
}

fn different(properties: Vec<Option<Difference>>) -> Found {
    let differences: Vec<_> = properties.into_iter().flatten().collect();
    if differences.is_empty() { Found::Equal } else { Found::Different(differences) }
}

fn properties(declared: &Queue, existing: &Queue) -> Vec<Option<Difference>> {
    vec![
        property("x-queue-type", &declared.kind, &existing.kind),
        property("x-dead-letter-exchange", &declared.dead_letter, &existing.dead_letter),
        property("x-delivery-limit", &declared.delivery_limit, &existing.delivery_limit),
        property("x-message-ttl", &declared.message_ttl, &existing.message_ttl),
        property("x-max-length", &declared.max_length, &existing.max_length),
        property("x-expires", &declared.expires, &existing.expires),
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
