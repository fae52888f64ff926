//! What `bb topology partitions` shows.

use std::{collections::BTreeMap, io::Write};

use anstyle::Style;
use bloodbank_client::Connection;
use bloodbank_core::{
    Bus,
    transport::{Partitions, QueueStatus, Spreading, topology::partition_name},
};
use serde::Serialize;

use crate::{
    error::Result,
    output::{
        self, Table,
        style::{BAD, DIM, HEADING, KEY, WARN},
    },
};

/// A queue that is split, or one of its partitions.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    queue: String,
    #[serde(rename = "partition")]
    number: Option<u16>,
    waiting: u64,
    /// `None`: only the management API tells.
    in_hand: Option<u64>,
    consumers: u64,
    /// Whether the program has fewer partitions by now, so that nobody consumes it.
    left_over: bool,
    /// Of a queue that is split: the number of partitions that is in use; `None`: no process has begun yet.
    spread_to: Option<u16>,
    /// Whether an operator holds its router.
    held: bool,
}

impl Row {
    fn new(queue: &str, number: Option<u16>, status: &QueueStatus, left_over: bool) -> Self {
        let QueueStatus { waiting, unsettled: in_hand, consumers, .. } = status;
        Self {
            queue: queue.to_owned(),
            number,
            waiting: *waiting,
            in_hand: *in_hand,
            consumers: *consumers,
            left_over,
            spread_to: None,
            held: false,
        }
    }

    fn name(&self) -> String {
        self.number.map_or_else(|| self.queue.clone(), |number| partition_name(&self.queue, number))
    }
}

/// The state of the queues that are split and of their partitions, those included that an earlier, larger number has left.
pub(super) async fn rows(bus: &Bus, split: &BTreeMap<String, u16>) -> Result<Vec<Row>> {
    let (connection, settings) = (Connection::Bus(bus.clone()), bus.settings());
    // Without the management API, only what is in hand is not known.
    let listed = connection.queues(settings).await.ok();
    let look = async |name: String| match &listed {
        Some(queues) => Ok(queues.iter().find(|queue| queue.name == name).cloned()),
        None => connection.queue(&name).await,
    };
    let mut rows = Vec::new();
    for (queue, count) in split {
        if let Some(status) = look(queue.clone()).await? {
            let spreading = Partitions::of(bus.transport(), &**queue, settings.queue_kind).spreading().await?;
            let held = matches!(spreading, Some(Spreading::Held(_)));
            let spread_to = spreading.map(Spreading::partitions);
            rows.push(Row { spread_to, held, ..Row::new(queue, None, &status, false) });
        }
        for number in 0.. {
            match look(partition_name(queue, number)).await? {
                Some(status) => rows.push(Row::new(queue, Some(number), &status, number >= *count)),
                None if number >= *count => break,
                // It is not declared yet.
                None => {}
            }
        }
    }
    Ok(rows)
}

pub(super) fn show(rows: &[Row], split: &BTreeMap<String, u16>, as_json: bool) -> Result {
    if as_json {
        return Ok(output::json(rows)?);
    }
    if rows.is_empty() {
        return Ok(writeln!(
            output::out(),
            "no queue is split: `partitions = n` of a subscriber splits one, and `work` or `topology declare` makes its queues"
        )?);
    }
    let mut table = Table::default();
    table.styled(["queue", "waiting", "in hand", "consumers", ""].map(|name| (name.to_owned(), HEADING)));
    for row in rows {
        let (remark, style) = remark(row, split);
        table.styled([
            (row.name(), KEY),
            (row.waiting.to_string(), Style::new()),
            (row.in_hand.map_or_else(|| "?".to_owned(), |in_hand| in_hand.to_string()), Style::new()),
            (row.consumers.to_string(), Style::new()),
            (remark, style),
        ]);
    }
    Ok(write!(output::out(), "{}", table.render(0))?)
}

fn remark(row: &Row, split: &BTreeMap<String, u16>) -> (String, Style) {
    let queue = &row.queue;
    let wanted = split.get(queue).copied();
    match (row.number, row.spread_to) {
        (None, Some(number)) if row.held => {
            let text = format!(
                "held, until now {number} partitions: `topology partitions switch {queue}` or `resume` lets it go on"
            );
            return (text, WARN);
        }
        (None, Some(number)) if wanted.is_some_and(|wanted| wanted != number) => {
            let text = format!(
                "{number} partitions are in use, and this program has {}: `topology partitions drain {queue}` begins a change",
                wanted.unwrap_or_default()
            );
            return (text, WARN);
        }
        _ => {}
    }
    let (text, style) = match (row.left_over, row.waiting, row.consumers) {
        (true, 1.., 0) => ("left over from a larger number: nobody consumes it", BAD),
        (true, 1.., _) => ("left over from a larger number: processes that have it still consume it", WARN),
        (true, 0, _) => ("left over from a larger number, and empty: delete it", DIM),
        (false, 1.., 0) => ("nobody consumes it: start the app", WARN),
        (false, ..) => ("", Style::new()),
    };
    (text.to_owned(), style)
}
