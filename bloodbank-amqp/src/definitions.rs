//! A topology as a document, for operators who declare it by other means than the services do.

use bloodbank_core::{
    Result,
    settings::{QueueArgument, QueueKind, Settings},
    transport::{
        Topology,
        topology::{Exchange, ExchangeKind, Queue},
    },
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    address::Address,
    queue_arguments::{QUEUE_TYPE, arguments},
    subscriber_mark,
};

/// A topology as the definitions that `rabbitmqctl import_definitions` and the management API read.
///
/// They are those that [`crate::Amqp`] would declare, for the virtual host of `RABBIT_URL`.
///
/// # Errors
/// [`bloodbank_core::ErrorKind::Settings`] when `RABBIT_URL` is wrong, [`bloodbank_core::ErrorKind::Topology`] when the arguments of
/// `BLOODBANK_QUEUE_ARGUMENTS` do not fit a queue.
pub fn definitions(topology: &Topology, settings: &Settings) -> Result<Value> {
    let topology = &topology.clone().with_arguments(&settings.queue_arguments)?;
    let vhost = virtual_host(settings)?;
    let exchanges = topology.exchanges.iter().map(|exchange| {
        json!({
            "name": &*exchange.name,
            "vhost": vhost,
            "type": kind(exchange),
            "durable": true,
            "auto_delete": false,
            "internal": false,
            "arguments": {},
        })
    });
    let marks = lasting(topology)
        .filter_map(|queue| subscriber_mark::definition(&queue.name, queue.subscriber.as_deref()?, &vhost));
    let queues = lasting(topology).map(|queue| {
        json!({
            "name": &*queue.name,
            "vhost": vhost,
            "durable": true,
            "auto_delete": false,
            "arguments": json_arguments(queue),
        })
    });
    let bindings = topology.bindings.iter().map(|binding| {
        json!({
            "source": &*binding.exchange,
            "vhost": vhost,
            "destination": &*binding.queue,
            "destination_type": "queue",
            "routing_key": &*binding.pattern,
            "arguments": {},
        })
    });
    Ok(json!({
        "vhosts": [{ "name": vhost }],
        "exchanges": exchanges.chain(marks).collect::<Vec<_>>(),
        "queues": queues.collect::<Vec<_>>(),
        "bindings": bindings.collect::<Vec<_>>(),
    }))
}

/// A topology as resources of RabbitMQ's topology operator for Kubernetes, on the `RabbitmqCluster` of this name.
///
/// Which subscriber a queue belongs to is left to the services: the operator knows no exchange that is internal.
///
/// # Errors
/// Like [`definitions`].
pub fn manifests(topology: &Topology, settings: &Settings, cluster: &str) -> Result<Value> {
    let topology = &topology.clone().with_arguments(&settings.queue_arguments)?;
    let vhost = virtual_host(settings)?;
    let resource = |kind: &str, name: String, mut spec: Value| {
        spec["vhost"] = vhost.as_str().into();
        spec["rabbitmqClusterReference"] = json!({ "name": cluster });
        json!({ "apiVersion": "rabbitmq.com/v1beta1", "kind": kind, "metadata": { "name": name }, "spec": spec })
    };
    let exchanges = topology.exchanges.iter().map(|exchange| {
        let spec = json!({ "name": &*exchange.name, "type": kind(exchange), "durable": true, "autoDelete": false });
        resource("Exchange", resource_name(&[&exchange.name]), spec)
    });
    let queues = lasting(topology).map(|queue| {
        let mut arguments = json_arguments(queue);
        // A field of its own there.
        let queue_type = arguments.remove(QUEUE_TYPE).unwrap_or_else(|| "classic".into());
        let spec = json!({
            "name": &*queue.name,
            "type": queue_type,
            "durable": true,
            "autoDelete": false,
            // Whoever deletes the resource by mistake does not delete events.
            "deletionPolicy": "retain",
            "arguments": arguments,
        });
        resource("Queue", resource_name(&[&queue.name]), spec)
    });
    let bindings = topology.bindings.iter().map(|binding| {
        let spec = json!({
            "source": &*binding.exchange,
            "destination": &*binding.queue,
            "destinationType": "queue",
            "routingKey": &*binding.pattern,
        });
        resource("Binding", resource_name(&[&binding.queue, &binding.exchange, &binding.pattern]), spec)
    });
    let items: Vec<_> = exchanges.chain(queues).chain(bindings).collect();
    Ok(json!({ "apiVersion": "v1", "kind": "List", "items": items }))
}

/// The queues that outlive their connection.
fn lasting(topology: &Topology) -> impl Iterator<Item = &Queue> {
    topology.queues.iter().filter(|queue| queue.kind != QueueKind::Transient)
}

fn virtual_host(settings: &Settings) -> Result<String> {
    match settings.rabbit_url {
        Some(_) => Ok(Address::from_settings(settings)?.uri().vhost.clone()),
        None => Ok("/".to_owned()),
    }
}

fn kind(exchange: &Exchange) -> &'static str {
    match exchange.kind {
        ExchangeKind::Topic => "topic",
        ExchangeKind::Fanout => "fanout",
        ExchangeKind::Direct => "direct",
    }
}

fn json_arguments(queue: &Queue) -> Map<String, Value> {
    let value = |argument| match argument {
        QueueArgument::Text(text) => Value::from(&*text),
        QueueArgument::Integer(integer) => integer.into(),
        QueueArgument::Boolean(boolean) => boolean.into(),
    };
    arguments(queue).into_iter().map(|(name, argument)| (name.to_owned(), value(argument))).collect()
}

/// The name of a resource: the first part where Kubernetes takes it as it is; otherwise with a hash of all parts, because two
/// names may become equal.
fn resource_name(parts: &[&str]) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let name: String = parts[0].to_lowercase().chars().map(|c| if allowed(c) { c } else { '-' }).take(240).collect();
    if parts.len() == 1 && name == parts[0] {
        return name;
    }
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, parts.join("\0").as_bytes()).simple().to_string();
    format!("{name}-{}", &hash[..8])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bloodbank_core::transport::topology::{Binding, DeadLetterTo};

    use super::*;

    fn topology() -> Topology {
        let to = DeadLetterTo { exchange: "bloodbank.dlx".into(), routing_key: None };
        let mut topology = Topology::default();
        topology.exchanges = vec![Exchange { name: "events".into(), kind: ExchangeKind::Topic }];
        topology.queues = vec![
            Queue::new("shop.ship_it", QueueKind::Quorum)
                .dead_letter(to)
                .delivery_limit(20)
                .subscriber(Some("shop.ship_it".into())),
            Queue::new("shop.slow", QueueKind::Classic).message_ttl(Duration::from_secs(1)),
            Queue::new("reply", QueueKind::Transient),
        ];
        topology.bindings =
            vec![Binding { exchange: "events".into(), queue: "shop.ship_it".into(), pattern: "orders.#".into() }];
        topology
    }

    #[test]
    fn definitions_have_what_would_be_declared() {
        let mut settings = Settings::default();
        settings.rabbit_url = Some("amqp://me:secret@host/events".into());
        let shown = definitions(&topology(), &settings).unwrap();
        assert_eq!(shown["vhosts"], json!([{ "name": "events" }]));
        assert_eq!(
            shown["queues"][0]["arguments"],
            json!({
                "x-queue-type": "quorum",
                "x-delivery-limit": 20,
                "x-dead-letter-exchange": "bloodbank.dlx",
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            })
        );
        assert_eq!(shown["queues"][1]["arguments"], json!({ "x-queue-type": "classic", "x-message-ttl": 1000 }));
        assert_eq!(shown["queues"].as_array().unwrap().len(), 2, "a queue for replies goes with its connection");
        assert_eq!(shown["exchanges"][1]["name"], "bloodbank.of.shop.ship_it");
        assert_eq!(shown["exchanges"][1]["arguments"], json!({ "alternate-exchange": "bloodbank.by.shop.ship_it" }));
        assert_eq!(shown["bindings"][0]["vhost"], "events");
        assert!(!shown.to_string().contains("secret"), "{shown}");
    }

    #[test]
    fn manifests_have_names_that_kubernetes_takes() {
        let shown = manifests(&topology(), &Settings::default(), "rabbitmq").unwrap();
        let items = shown["items"].as_array().unwrap();
        let names: Vec<_> = items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names[0], "events");
        assert_eq!(names[2], "shop.slow");
        assert!(names[1].starts_with("shop.ship-it-") && names[3].starts_with("shop.ship-it-"), "{names:?}");
        assert_ne!(names[1], names[3]);
        let valid = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c));
        assert!(names.iter().all(|name| valid(name)), "{names:?}");
        assert_eq!(items[1]["spec"]["type"], "quorum");
        assert_eq!(items[1]["spec"]["arguments"].get("x-queue-type"), None);
        assert!(items.iter().all(|item| item["spec"]["rabbitmqClusterReference"]["name"] == "rabbitmq"));
        assert!(items.iter().all(|item| item["spec"]["vhost"] == "/"));
    }
}
