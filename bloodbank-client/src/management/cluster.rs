//! What the management API says about the nodes of RabbitMQ, and on how many of them queues live.

use bloodbank_core::Settings;
use serde::{Deserialize, Serialize};

use super::Access;
use crate::error::Result;

const NODE_COLUMNS: &str = "name,running";
const QUEUE_COLUMNS: &str = "name,type,durable,exclusive,members";

/// The nodes of RabbitMQ, and the queues that live on one of them alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// The nodes, sorted by name, those that are down included.
    pub nodes: Vec<String>,
    /// The nodes that are down.
    pub down: Vec<String>,
    /// The quorum queues with one member, sorted by name, each with its node. On one node alone they are what they have to be.
    pub lonely: Vec<(String, String)>,
    /// The durable classic queues, sorted by name; each lives on one node.
    pub classic: Vec<String>,
}

impl ClusterStatus {
    /// Asks the management API of these settings about the nodes, and about the queues of the virtual host.
    ///
    /// # Errors
    /// [`ClientError::NoManagement`](crate::ClientError::NoManagement) when it does not answer.
    pub async fn ask(settings: &Settings) -> Result<Self> {
        let access = Access::from_settings(settings)?;
        let nodes: Vec<Node> = access.get(&["nodes"], NODE_COLUMNS).await?;
        let queues: Vec<Queue> = access.get(&["queues", &access.vhost], QUEUE_COLUMNS).await?;
        Ok(Self::of(nodes, queues))
    }

    /// Whether there are several nodes, so that a queue could live on more than one.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.nodes.len() > 1
    }

    fn of(nodes: Vec<Node>, queues: Vec<Queue>) -> Self {
        let mut down: Vec<_> = nodes.iter().filter(|node| !node.running).map(|node| node.name.clone()).collect();
        let mut nodes: Vec<_> = nodes.into_iter().map(|node| node.name).collect();
        let (mut lonely, mut classic) = (Vec::new(), Vec::new());
        for Queue { name, kind, durable, exclusive, members } in queues {
            match (&*kind, &members[..]) {
                ("quorum", [node]) if nodes.len() > 1 => lonely.push((name, node.clone())),
                ("classic", _) if durable && !exclusive => classic.push(name),
                _ => {}
            }
        }
        nodes.sort_unstable();
        down.sort_unstable();
        classic.sort_unstable();
        lonely.sort_unstable();
        Self { nodes, down, lonely, classic }
    }
}

#[derive(Deserialize)]
struct Node {
    name: String,
    #[serde(default)]
    running: bool,
}

#[derive(Deserialize)]
struct Queue {
    name: String,
    /// Missing where the node of a classic queue is down.
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    durable: bool,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    members: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(nodes: &str, queues: &str) -> ClusterStatus {
        ClusterStatus::of(serde_json::from_str(nodes).unwrap(), serde_json::from_str(queues).unwrap())
    }

    const QUEUES: &str = r#"[
        {"name":"b","type":"quorum","durable":true,"exclusive":false,"members":["one"]},
        {"name":"a","type":"quorum","durable":true,"exclusive":false,"members":["one","two"]},
        {"name":"d","type":"classic","durable":true,"exclusive":false},
        {"name":"c","type":"classic","durable":false,"exclusive":true}
    ]"#;

    #[test]
    fn a_member_alone_is_lonely_where_there_are_others() {
        let cluster = status(r#"[{"name":"two","running":false},{"name":"one","running":true}]"#, QUEUES);
        assert!(cluster.is_cluster());
        assert_eq!((cluster.nodes.join(" "), cluster.down.join(" ")), ("one two".into(), "two".into()));
        assert_eq!(cluster.lonely, [("b".to_owned(), "one".to_owned())]);
        assert_eq!(cluster.classic, ["d"]);
        let alone = status(r#"[{"name":"one","running":true}]"#, QUEUES);
        assert!(!alone.is_cluster());
        assert_eq!(alone.lonely, []);
    }
}
