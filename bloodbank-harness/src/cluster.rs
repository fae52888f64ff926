use std::{sync::Arc, time::Duration};

use crate::{HarnessError, RabbitMq, port_mapper::PortMapper, rabbit::node_name, until};

const DEADLINE: Duration = Duration::from_secs(240);

/// Private RabbitMQ nodes on loopback that form a cluster; a node that sees less than half of them stops serving
/// (`pause_minority`) until it sees more again.
///
/// Each node is a [`RabbitMq`] that can be stopped, killed and frozen by itself. A frozen node is cut off from everybody without
/// a word, and has to be started again if that was for more than some seconds; [`isolate`](Self::isolate) cuts one off from the other nodes alone; a [`Proxy`](crate::Proxy) in front of one, from clients.
///
/// ```no_run
/// use bloodbank_harness::{Cluster, HarnessError};
///
/// # fn main() -> Result<(), HarnessError> {
/// let cluster = Cluster::start(3)?;
/// cluster.isolate(0)?;
/// // … connect to `cluster.urls()` …
/// cluster.heal(0)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<RabbitMq>,
}

impl Cluster {
    /// Starts this many nodes, one after the other, and returns once all of them run in one cluster: 5 to 8 seconds for each node on
    /// an idle machine.
    pub fn start(nodes: usize) -> Result<Self, HarnessError> {
        Self::start_on(nodes, false)
    }

    /// Starts the same, with the management plugin on the first node.
    pub fn start_with_management(nodes: usize) -> Result<Self, HarnessError> {
        Self::start_on(nodes, true)
    }

    fn start_on(nodes: usize, has_management: bool) -> Result<Self, HarnessError> {
        let mapper = Arc::new(PortMapper::start()?);
        let names: Vec<String> = (0..nodes).map(|_| node_name()).collect();
        let peers: String = (1..)
            .zip(&names)
            .map(|(number, name)| format!("cluster_formation.classic_config.nodes.{number} = {name}\n"))
            .collect();
        let mut cluster = Self { nodes: Vec::with_capacity(nodes) };
        for (number, name) in names.into_iter().enumerate() {
            // The first one waits for nobody; the others find it.
            let formation = match number {
                0 => String::new(),
                _ => format!("cluster_formation.peer_discovery_backend = classic_config\n{peers}"),
            };
            let configuration = format!("cluster_partition_handling = pause_minority\n{formation}");
            let node = RabbitMq::node(name, &configuration, Arc::clone(&mapper), has_management && number == 0)?;
            node.start_again()?;
            cluster.nodes.push(node);
        }
        cluster.until_running(nodes)?;
        Ok(cluster)
    }

    /// The nodes, in the order of their start.
    #[must_use]
    pub fn nodes(&self) -> &[RabbitMq] {
        &self.nodes
    }

    /// The addresses of the nodes, with commas between them, as `RABBIT_URL` takes them.
    #[must_use]
    pub fn urls(&self) -> String {
        self.nodes.iter().map(RabbitMq::url).collect::<Vec<_>>().join(",")
    }

    /// Cuts one node off from the other nodes; its clients stay connected, until it sees that it is in the minority. Both sides
    /// notice at once.
    pub fn isolate(&self, node: usize) -> Result<(), HarnessError> {
        self.with_each_peer(node, "true = erlang:set_cookie(Peer, cut_off), erlang:disconnect_node(Peer)")
    }

    /// Lets a node that was cut off see the others again. It serves again a few seconds later.
    pub fn heal(&self, node: usize) -> Result<(), HarnessError> {
        self.with_each_peer(node, "true = erlang:set_cookie(Peer, erlang:get_cookie()), net_kernel:connect_node(Peer)")
    }

    /// Waits until the first node that answers sees this many running nodes.
    pub fn until_running(&self, nodes: usize) -> Result<(), HarnessError> {
        until(&format!("{nodes} nodes of the cluster run"), DEADLINE, || {
            let seen = self
                .nodes
                .iter()
                .filter(|node| node.pid().is_some())
                .find_map(|node| node.ctl(&["eval", "length(rabbit_mnesia:cluster_nodes(running))."]).ok());
            seen.is_some_and(|seen| seen.trim() == nodes.to_string())
        })
    }

    fn with_each_peer(&self, node: usize, expression: &str) -> Result<(), HarnessError> {
        let Some(own) = self.nodes.get(node) else {
            return Err(HarnessError::NoSuchNode { node, nodes: self.nodes.len() });
        };
        let peers: Vec<String> = self
            .nodes
            .iter()
            .map(RabbitMq::node_name)
            .filter(|name| *name != own.node_name())
            .map(|name| format!("'{name}'"))
            .collect();
        own.ctl(&["eval", &format!("[begin {expression} end || Peer <- [{}]].", peers.join(", "))])?;
        Ok(())
    }
}
