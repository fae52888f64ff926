//! The meaning of each metric of Bloodbank, which `/metrics` shows as its help text.

use metrics::{describe_counter, describe_gauge, describe_histogram};

const COUNTERS: [(&str, &str); 25] = [
    ("bloodbank_archive_bytes_total", "Bytes of the segments that were archived."),
    ("bloodbank_archive_events_total", "Entries of the journal that were archived."),
    ("bloodbank_archive_lost_total", "Offsets that were removed from the journal before they were archived."),
    ("bloodbank_archive_segments_total", "Segments that were archived."),
    ("bloodbank_consumed_total", "Deliveries that a handler of this process finished."),
    ("bloodbank_correlation_missed_total", "Links between events that could not be recorded."),
    ("bloodbank_dead_lettered_total", "Deliveries that were given up and moved to the dead-letter queue."),
    ("bloodbank_dedupe_busy_total", "Deliveries of events that were being handled elsewhere."),
    ("bloodbank_dedupe_unchecked_total", "Deliveries handled although the store of deduplication did not answer."),
    ("bloodbank_dedupe_unmarked_total", "Handled deliveries whose mark could not be set."),
    ("bloodbank_duplicates_total", "Deliveries acknowledged without being handled, because they were handled before."),
    ("bloodbank_expired_total", "Deliveries acknowledged without being handled, because their time to live was over."),
    ("bloodbank_handled_total", "Deliveries that were handled and acknowledged."),
    ("bloodbank_http_requests_total", "Requests that the gateway answered."),
    (
        "bloodbank_journal_lost_total",
        "Offsets that were removed from the journal before they were copied into PostgreSQL.",
    ),
    ("bloodbank_journal_written_total", "Entries of the journal that were copied into PostgreSQL."),
    ("bloodbank_kept_total", "Deliveries left with the broker, because no copy of them could be published."),
    ("bloodbank_outbox_parked_total", "Events of the outbox that cannot be published and wait for a person."),
    ("bloodbank_outbox_published_total", "Events published from the outbox."),
    ("bloodbank_parked_behind_total", "Deliveries moved to the dead-letter queue behind another one of their key."),
    (
        "bloodbank_published_total",
        "Publishes by outcome: confirmed, unrouted, unknown (confirmed, where a journal receives every event), failed, abandoned.",
    ),
    (
        "bloodbank_put_off_total",
        "Deliveries that come back unchanged in a moment, as it is not known whether they are duplicates.",
    ),
    ("bloodbank_reconnects_total", "Connections to the broker that were made again."),
    ("bloodbank_retried_total", "Deliveries that failed and wait for another attempt."),
    ("bloodbank_webhooks_total", "Webhooks by result: published, ignored, refused, unsigned."),
];

const GAUGES: [(&str, &str); 7] = [
    ("bloodbank_archive_lag_entries", "Entries of the journal that are not yet archived."),
    ("bloodbank_archive_offset", "The offset of the last archived entry."),
    ("bloodbank_correlation_available", "Whether links between events are recorded: 1 or 0."),
    ("bloodbank_in_flight", "Publishes that wait for their confirm."),
    ("bloodbank_journal_lag_entries", "Entries of the journal that are not yet copied into PostgreSQL."),
    ("bloodbank_outbox_oldest_seconds", "The age of the oldest event that waits in the outbox."),
    ("bloodbank_outbox_rows", "Events that wait in the outbox."),
];

const HISTOGRAMS: [(&str, &str); 3] = [
    ("bloodbank_confirm_seconds", "The time until a publish is confirmed."),
    ("bloodbank_handler_seconds", "The time that an attempt of a handler takes."),
    ("bloodbank_http_seconds", "The time until the gateway begins to answer a request."),
];

/// Gives the installed recorder the help texts.
pub(crate) fn describe() {
    for (name, help) in COUNTERS {
        describe_counter!(name, help);
    }
    for (name, help) in GAUGES {
        describe_gauge!(name, help);
    }
    for (name, help) in HISTOGRAMS {
        describe_histogram!(name, help);
    }
}
