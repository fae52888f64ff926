//! `doctor` on a cluster.

use crate::support::{bb, out};
use bloodbank_harness::Cluster;
use serde_json::Value;

#[test]
fn a_quorum_queue_with_one_member_is_a_warning_with_what_gives_it_more() {
    let cluster = Cluster::start_with_management(2).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |kind: &str, args: &[&str]| {
        let mut command = bb(folder.path(), args);
        command.env("RABBIT_URL", cluster.urls()).env("BLOODBANK_QUEUE_TYPE", kind);
        command.env("RABBIT_MANAGEMENT_URL", cluster.nodes()[0].management_url().unwrap());
        command
    };
    let finding = |kind: &str| {
        let findings: Vec<Value> = serde_json::from_str(&out(run(kind, &["doctor", "--json"]))).unwrap();
        findings.into_iter().find(|finding| finding["what"] == "cluster").expect("it is looked at")
    };
    let healthy = finding("quorum");
    assert_eq!(healthy["state"], "ok", "{healthy}");

    let declare = r#"rabbit_amqqueue:declare(rabbit_misc:r(<<"/">>, queue, <<"lonely">>), true, false, [{<<"x-queue-type">>, longstr, <<"quorum">>},
        {<<"x-quorum-initial-group-size">>, long, 1}], none, <<"test">>), ok."#;
    cluster.nodes()[0].ctl(&["eval", declare]).unwrap();
    let lonely = finding("quorum");
    assert_eq!(lonely["state"], "warning", "{lonely}");
    let says = lonely["says"].as_str().unwrap();
    println!("{says}");
    assert!(says.contains("2 nodes") && says.contains("`lonely`") && says.contains("rabbitmq-queues grow"), "{says}");

    // The remedy that is named, in the way in which rabbitmqctl reaches it.
    let node = says.split("grow ").nth(1).unwrap().split(' ').next().unwrap();
    let grow = format!("rabbit_quorum_queue:grow('{node}', <<\".*\">>, <<\".*\">>, all).");
    println!("{}", cluster.nodes()[0].ctl(&["eval", &grow]).unwrap());
    let begun = std::time::Instant::now();
    while finding("quorum")["state"] != "ok" {
        assert!(begun.elapsed() < crate::support::TIMEOUT, "{}", finding("quorum"));
    }

    let declare = r#"rabbit_amqqueue:declare(rabbit_misc:r(<<"/">>, queue, <<"single">>), true, false,
        [{<<"x-queue-type">>, longstr, <<"classic">>}], none, <<"test">>), ok."#;
    cluster.nodes()[0].ctl(&["eval", declare]).unwrap();
    let classic = finding("classic");
    assert!(classic["says"].as_str().unwrap().contains("`single`"), "{classic}");
}
