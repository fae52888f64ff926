//! The arguments of `BLOODBANK_QUEUE_ARGUMENTS`, added to the queues of a topology.

use super::topology::{Queue, RETRY_QUEUES, Topology};
use crate::{
    error::{Error, ErrorKind, Result},
    settings::{QueueArgument, QueueArguments, QueueKind},
};

impl Topology {
    /// Adds further arguments to the queues that they are for: not to queues for answers, which go with their connection, and not to
    /// those of the delays, which all services share.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`] where an argument contradicts what the queue is for.
    pub fn with_arguments(mut self, further: &QueueArguments) -> Result<Self> {
        let is_own = |queue: &&mut Queue| queue.kind != QueueKind::Transient && !queue.name.starts_with(RETRY_QUEUES);
        for queue in self.queues.iter_mut().filter(is_own) {
            let arguments = further.of(&queue.name);
            let drops = arguments
                .get("x-overflow")
                .filter(|overflow| **overflow != QueueArgument::Text("reject-publish".into()));
            if let Some(overflow) = drops
                && (queue.kind == QueueKind::Quorum && queue.dead_letter.is_some() || queue.max_length.is_some())
            {
                return Err(Error::new(
                    ErrorKind::Topology,
                    format!(
                        "BLOODBANK_QUEUE_ARGUMENTS gives queue `{}` the `x-overflow` `{overflow}`, which would drop events that were \
                         confirmed, and lose dead letters on their way; leave it out, and publishing to a full queue is refused",
                        queue.name
                    ),
                ));
            }
            queue.arguments.extend(arguments);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn further(json: &str) -> QueueArguments {
        Settings::from_vars([("BLOODBANK_QUEUE_ARGUMENTS", json)]).unwrap().queue_arguments
    }

    fn topology(kind: QueueKind) -> Topology {
        let mut topology = Topology::subscriber(&"events".into(), &"shop.ship".into(), kind, &["orders.#".into()]);
        topology.extend([Topology::replies(&"bloodbank.reply.1".into())]);
        topology
    }

    #[test]
    fn delays_and_answers_have_no_further_arguments() {
        let topology = topology(QueueKind::Quorum).with_arguments(&further(r##"{"#": {"x-max-length": 7}}"##)).unwrap();
        let with: Vec<_> = topology.queues.iter().filter(|queue| !queue.arguments.is_empty()).collect();
        let names: Vec<_> = with.iter().map(|queue| &*queue.name).collect();
        assert_eq!(names, ["shop.ship.dlq", "shop.ship"]);
    }

    #[test]
    fn an_overflow_that_drops_is_refused_where_events_would_be_lost() {
        let dropping = further(r##"{"#": {"x-overflow": "drop-head", "x-max-length": 7}}"##);
        let said = topology(QueueKind::Quorum).with_arguments(&dropping).unwrap_err().to_string();
        assert!(said.contains("queue `shop.ship`") && said.contains("`drop-head`"), "{said}");
        let parked = further(r##"{"*.*.dlq": {"x-overflow": "drop-head", "x-max-length": 7}}"##);
        topology(QueueKind::Quorum).with_arguments(&parked).unwrap();
    }
}
