//! A RabbitMQ cluster of three nodes, publishers and consumers: and what is done to them.

use std::{thread::sleep, time::Duration};

use bloodbank_harness::{Cluster, RabbitMq, Random, Redis};

use super::{
    fleet::{Fleet, left, write_down_queues},
    ledger::Ledger,
    processes::{ChildProcess, kill_again_and_again},
    scenario::{Scenario, eventually, faults},
};

faults! {
    /// What is done to them.
    ClusterFault {
        NodeKilled,
        NodeRestarted,
        /// One after the other, the next when the one before serves again.
        EachNodeRestarted,
        /// From the other nodes, not from its clients.
        NodeIsolated,
        NodeIsolatedForLong,
        /// From everybody, without a word.
        NodeCutOffForLong,
        MajorityDown,
        AllNodesKilled,
        /// The node that leads `faults.work`.
        LeaderKilled,
        ConnectionsClosedByTheOperator,
        PublisherKilled,
        ConsumersKilledAgainAndAgain,
        ConsumersRestartedOneByOne,
    }
}

impl ClusterFault {
    /// Those of the short form.
    pub(crate) const SHORT: &[Self] =
        &[Self::LeaderKilled, Self::NodeIsolated, Self::ConsumersKilledAgainAndAgain, Self::NodeRestarted];
}

pub(crate) struct ClusterScenario {
    fleet: Fleet,
    cluster: Cluster,
    _redis: Redis,
}

impl ClusterScenario {
    fn nodes(&self) -> &[RabbitMq] {
        self.cluster.nodes()
    }

    fn all_run(&self) {
        self.cluster.until_running(self.nodes().len()).unwrap();
    }

    /// Kills nodes, and starts them again after this time.
    fn killed(&self, nodes: &[&RabbitMq], time: Duration) {
        nodes.iter().for_each(|node| node.kill().unwrap());
        sleep(time);
        // Together: one alone waits for the others.
        std::thread::scope(|scope| {
            for node in nodes {
                scope.spawn(|| node.start_again().unwrap());
            }
        });
        self.all_run();
    }

    fn restarted(&self, node: &RabbitMq) {
        node.stop().unwrap();
        node.start_again().unwrap();
        self.all_run();
    }

    fn isolated(&self, node: usize, time: Duration) {
        self.cluster.isolate(node).unwrap();
        sleep(time);
        self.cluster.heal(node).unwrap();
        self.all_run();
    }

    /// The node that leads the queue.
    fn leader(&self) -> &RabbitMq {
        let listed = self.ctl(&["list_queues", "name", "leader"]);
        let line = listed.lines().find(|line| line.starts_with("faults.work\t")).unwrap();
        let leader = line.split('\t').nth(1).unwrap();
        self.nodes().iter().find(|node| leader == node.node_name()).unwrap()
    }

    fn ctl(&self, arguments: &[&str]) -> String {
        self.nodes()[0].ctl(arguments).unwrap()
    }
}

impl Scenario for ClusterScenario {
    type Fault = ClusterFault;

    fn begin() -> Self {
        let cluster = Cluster::start(3).expect("this test needs a RabbitMQ");
        let redis = Redis::start().expect("and a Redis");
        let consumed = || cluster.nodes()[0].ctl(&["list_consumers", "queue_name"]).unwrap_or_default();
        let fleet = Fleet::start((cluster.urls(), redis.url()), cluster.urls(), consumed, || {
            cluster.nodes().iter().for_each(write_down_queues);
        });
        Self { fleet, cluster, _redis: redis }
    }

    fn ledger(&self) -> &Ledger {
        &self.fleet.ledger
    }

    fn inflict(&self, fault: ClusterFault, random: &mut Random) {
        let (nodes, fleet) = (self.nodes(), &self.fleet);
        let (node, number) = (random.choose(nodes), usize::try_from(random.below(3)).unwrap());
        match fault {
            ClusterFault::NodeKilled => self.killed(&[node], Duration::from_secs(3)),
            ClusterFault::LeaderKilled => self.killed(&[self.leader()], Duration::from_secs(3)),
            ClusterFault::NodeRestarted => self.restarted(node),
            ClusterFault::EachNodeRestarted => nodes.iter().for_each(|node| self.restarted(node)),
            ClusterFault::NodeIsolated => self.isolated(number, Duration::from_secs(5)),
            ClusterFault::NodeIsolatedForLong => self.isolated(number, Duration::from_secs(60)),
            ClusterFault::NodeCutOffForLong => {
                node.pause().unwrap();
                sleep(Duration::from_secs(60));
                // The others have given it up, and it does not notice.
                self.killed(&[node], Duration::ZERO);
            }
            ClusterFault::MajorityDown => {
                self.killed(&[&nodes[number], &nodes[(number + 1) % 3]], Duration::from_secs(40))
            }
            ClusterFault::AllNodesKilled => self.killed(&[&nodes[0], &nodes[1], &nodes[2]], Duration::from_secs(3)),
            ClusterFault::ConnectionsClosedByTheOperator => drop(self.ctl(&["close_all_connections", "maintenance"])),
            ClusterFault::PublisherKilled => random.choose(&fleet.publishers).kill(),
            ClusterFault::ConsumersKilledAgainAndAgain => kill_again_and_again(&fleet.consumers, random),
            ClusterFault::ConsumersRestartedOneByOne => {
                for consumer in &fleet.consumers {
                    ChildProcess::terminate(consumer);
                    self.makes_progress();
                }
            }
        }
    }

    /// Each of the three consumers consumes each of its queues, once.
    fn is_whole(&self) {
        eventually("each process consumes each of its queues", || {
            let listed = self.ctl(&["list_consumers", "queue_name"]);
            let count = |queue| listed.lines().filter(|line| *line == queue).count();
            ["faults.work", "faults.once", "faults.audit", "faults.count"].map(count) == [3; 4]
        });
    }

    fn end(&mut self) -> String {
        let Self { fleet, cluster, .. } = self;
        fleet.end(|| left(&cluster.nodes()[0].ctl(&["list_queues", "name", "messages"]).unwrap()))
    }
}
