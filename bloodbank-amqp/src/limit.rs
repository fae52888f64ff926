//! The limits that an operator sets on a broker, told from other refusals by the broker's words.

/// Limits with the words by which the broker names them, and what to do about each.
const LIMITS: [(&str, &str); 5] = [
    (
        "queue limit",
        "raise `max-queues` of the virtual host (`rabbitmqctl set_vhost_limits`): an app needs 10 queues for delays, which all apps \
         share, and 2 for each subscriber or command",
    ),
    (
        "user connection limit",
        "raise `max-connections` of the user (`rabbitmqctl set_user_limits`): a process needs two connections",
    ),
    (
        "connection limit",
        "raise `max-connections` of the virtual host (`rabbitmqctl set_vhost_limits`) or of the node: a process needs two connections",
    ),
    (
        "number of channels for this connection",
        "raise `channel_max` of the broker: a connection needs a channel for each subscriber, and a few more",
    ),
    (
        "number of channels",
        "raise `max-channels` of the user (`rabbitmqctl set_user_limits`): a connection needs a channel for each subscriber, and a few \
         more",
    ),
];

/// What to do about a limit that is reached; `None`: the broker says something else.
pub(super) fn remedy(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let is_reached = text.contains("reached");
    LIMITS.iter().find(|(words, _)| is_reached && text.contains(words)).map(|(_, remedy)| *remedy)
}
