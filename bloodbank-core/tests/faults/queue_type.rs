//! The kind of a queue is said each time it is declared, whatever its virtual host would make of it.

use std::sync::Arc;

use crate::amqp_support::{blocking, connect_to, name, queues};
use bloodbank_core::{
    settings::QueueKind,
    transport::{Consume, Transport, topology::Queue},
};
use bloodbank_harness::RabbitMq;
use lapin::{Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};

/// Declares a durable queue without a kind, as programs did before.
async fn declare_without_type(url: &str, queue: &str) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_that_were_made_without_a_kind_are_declared_again_as_classic() {
    let rabbit = Arc::new(blocking(|| RabbitMq::start().expect("a broker starts")).await);
    let ctl = Arc::clone(&rabbit);
    blocking(move || {
        ctl.ctl(&["add_vhost", "quorum", "--default-queue-type", "quorum"]).expect("a virtual host");
        ctl.ctl(&["set_permissions", "-p", "quorum", "guest", ".*", ".*", ".*"]).expect("permissions");
    })
    .await;
    let in_vhost = |vhost: &str| rabbit.url().replace("%2f", vhost);
    for (url, is_default_quorum) in [(rabbit.url(), false), (in_vhost("quorum"), true)] {
        let (old, new, own) = (name("old"), name("new"), name("own"));
        declare_without_type(&url, &old).await;
        let amqp = connect_to(&url).await;
        let declare = |queue: &Arc<str>, kind| amqp.declare(queues(vec![Queue::new(Arc::clone(queue), kind)]));
        // What exists stays what it is, and the program starts.
        declare(&old, QueueKind::Classic).await.unwrap();
        // What is made by us is what the setting says.
        declare(&new, QueueKind::Classic).await.unwrap();
        declare(&new, QueueKind::Classic).await.unwrap();
        declare(&own, QueueKind::Quorum).await.unwrap();
        let refused = declare(&own, QueueKind::Classic).await;
        let vhost = if is_default_quorum { "quorum" } else { "/" };
        let ctl = Arc::clone(&rabbit);
        let listed =
            blocking(move || ctl.ctl(&["list_queues", "-p", vhost, "name", "type", "arguments"]).unwrap()).await;
        println!("default quorum {is_default_quorum}: a quorum queue declared as classic: {refused:?}\n{listed}");
        let kind = |queue: &str| {
            let line = listed.lines().find(|line| line.starts_with(queue)).unwrap_or_else(|| panic!("{listed}"));
            line.split('\t').nth(1).unwrap().to_owned()
        };
        assert!(kind(&new).contains("classic"), "{listed}");
        assert!(kind(&own).contains("quorum"), "{listed}");
        // Nothing but the virtual host can have chosen otherwise.
        assert_eq!(refused.is_err(), !is_default_quorum || kind(&old).contains("classic"), "{listed}");
        amqp.close().await;
    }
}
