//! A private RabbitMQ cluster.

mod support;

use bloodbank_harness::{Cluster, HarnessError, until};
use support::{DEADLINE, amqp_answer};

#[test]
fn nodes_of_a_cluster_come_and_go_and_are_cut_off() {
    let cluster = Cluster::start(3).unwrap();
    let ports: Vec<u16> = cluster.nodes().iter().map(|node| node.port()).collect();
    let answer = |node: usize| amqp_answer(ports[node]) == Some(1);
    assert!((0..3).all(answer));
    assert_eq!(cluster.urls().split(',').count(), 3);
    // What one declares, the others know.
    cluster.nodes()[0].ctl(&["add_vhost", "everywhere"]).unwrap();
    assert!(cluster.nodes()[2].ctl(&["list_vhosts", "name"]).unwrap().contains("everywhere"));

    cluster.isolate(0).unwrap();
    until("the node in the minority stops serving", DEADLINE, || !answer(0)).unwrap();
    assert!(answer(1) && answer(2), "the majority goes on");
    let seen = cluster.nodes()[1].ctl(&["eval", "length(rabbit_mnesia:cluster_nodes(running))."]).unwrap();
    assert_eq!(seen.trim(), "2");
    cluster.heal(0).unwrap();
    cluster.until_running(3).unwrap();
    until("it serves again", DEADLINE, || answer(0)).unwrap();

    cluster.nodes()[1].kill().unwrap();
    cluster.until_running(2).unwrap();
    cluster.nodes()[1].start_again().unwrap();
    cluster.until_running(3).unwrap();

    cluster.nodes()[2].pause().unwrap();
    assert!(!answer(2));
    cluster.until_running(2).unwrap();
    // What was frozen for so long is not always taken back as it is: RabbitMQ may see a network that fell apart.
    cluster.nodes()[2].kill().unwrap();
    cluster.nodes()[2].start_again().unwrap();
    cluster.until_running(3).unwrap();
    until("it serves again", DEADLINE, || answer(2)).unwrap();

    let error = cluster.isolate(3).unwrap_err();
    assert!(matches!(error, HarnessError::NoSuchNode { node: 3, nodes: 3 }), "{error}");
}
