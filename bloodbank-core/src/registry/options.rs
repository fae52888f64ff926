//! The options of subscribers and commands.

use std::time::Duration;

use crate::message::Format;

/// The options of `#[subscriber(…)]` and `#[command(…)]`; `None` takes the default of the runtime.
///
/// ```
/// use bloodbank_core::registry::SubscriberOptions;
///
/// let options = SubscriberOptions::DEFAULT.concurrency(8).prefetch(256);
/// assert_eq!(options.effective_prefetch(), 256);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SubscriberOptions {
    /// The binding pattern, where it is not derived from the type.
    pub pattern: Option<&'static str>,
    /// The queue, where it is not `{service}.{subscriber}`.
    pub queue: Option<&'static str>,
    /// Whether others make the queue: it must exist, nothing of it is declared, and nothing is bound to it.
    pub foreign: bool,
    /// The format of the messages in the queue.
    pub format: Format,
    /// The number of events that are handled at the same time.
    pub concurrency: u16,
    /// The number of deliveries that the broker sends ahead.
    pub prefetch: Option<u16>,
    /// The number of events that are handled in a time, at most.
    pub rate: Option<Rate>,
    /// The batches that events are handled in; `None`: each by itself.
    pub batch: Option<BatchPolicy>,
    /// The highest priority that the queue knows; `None`: it has no priorities.
    pub max_priority: Option<u8>,
    /// The field that orders events (`ordered_by`): events with equal values are handled in order.
    pub ordered_by: Option<&'static str>,
    /// The number of partitions that the processes of an app share, each handled by one process at a time; `None`: the order of
    /// `ordered_by` holds within each process.
    pub partitions: Option<u16>,
    /// The time limit of one attempt.
    pub timeout: Duration,
    /// The retry policy: when and how often to try again.
    pub retry: RetryPolicy,
    /// The time for which a second delivery of the same event is recognised and not handled again: zero is never. `None` is
    /// never for a subscriber, and [`COMMAND_DEDUPE`](Self::COMMAND_DEDUPE) for a command.
    pub dedupe_within: Option<Duration>,
    /// Whether the handler runs in a transaction of the user's database, with the mark of the event and its follow-ups.
    pub transactional: bool,
    /// The treatment of an event that failed for good.
    pub on_failure: OnFailure,
    /// The time at which the next event begins.
    pub settle: Settle,
}

impl SubscriberOptions {
    /// The defaults: one event at a time, in order; 30 s for an attempt; five attempts; dead letters are kept.
    pub const DEFAULT: Self = Self {
        pattern: None,
        queue: None,
        foreign: false,
        format: Format::Envelope,
        concurrency: 1,
        prefetch: None,
        rate: None,
        batch: None,
        max_priority: None,
        ordered_by: None,
        partitions: None,
        timeout: Duration::from_secs(30),
        retry: RetryPolicy::DEFAULT,
        dedupe_within: None,
        transactional: false,
        on_failure: OnFailure::DeadLetter,
        settle: Settle::Behind,
    };

    /// The time for which a second delivery of the same command is recognised where its executor says nothing: 24 h.
    pub const COMMAND_DEDUPE: Duration = Duration::from_secs(24 * 60 * 60);

    /// Sets the binding pattern.
    #[must_use]
    pub const fn pattern(mut self, pattern: &'static str) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// Sets the queue.
    #[must_use]
    pub const fn queue(mut self, queue: &'static str) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Consumes a queue that others make.
    #[must_use]
    pub const fn foreign(mut self) -> Self {
        self.foreign = true;
        self
    }

    /// Sets the format of the messages in the queue.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets the number of events that are handled at the same time.
    #[must_use]
    pub const fn concurrency(mut self, events: u16) -> Self {
        self.concurrency = events;
        self
    }

    /// Sets the number of deliveries that the broker sends ahead.
    #[must_use]
    pub const fn prefetch(mut self, deliveries: u16) -> Self {
        self.prefetch = Some(deliveries);
        self
    }

    /// Sets how many events are handled in a time, at most.
    #[must_use]
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Handles events in batches.
    #[must_use]
    pub const fn batch(mut self, policy: BatchPolicy) -> Self {
        self.batch = Some(policy);
        self
    }

    /// Sets the highest priority that the queue knows.
    #[must_use]
    pub const fn max_priority(mut self, priority: u8) -> Self {
        self.max_priority = Some(priority);
        self
    }

    /// Sets the field that orders events.
    #[must_use]
    pub const fn ordered_by(mut self, field: &'static str) -> Self {
        self.ordered_by = Some(field);
        self
    }

    /// Sets the number of partitions that the processes of an app share.
    #[must_use]
    pub const fn partitions(mut self, partitions: u16) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Sets the time limit of one attempt.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets the retry policy.
    #[must_use]
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the time for which a second delivery of the same event is not handled again; zero is never.
    #[must_use]
    pub const fn dedupe_within(mut self, time: Duration) -> Self {
        self.dedupe_within = Some(time);
        self
    }

    /// Runs the handler in a transaction of the user's database.
    #[must_use]
    pub const fn transactional(mut self) -> Self {
        self.transactional = true;
        self
    }

    /// Sets the treatment of an event that failed for good.
    #[must_use]
    pub const fn on_failure(mut self, treatment: OnFailure) -> Self {
        self.on_failure = treatment;
        self
    }

    /// Sets the time at which the next event begins.
    #[must_use]
    pub const fn settle(mut self, settle: Settle) -> Self {
        self.settle = settle;
        self
    }

    /// Whether the next event begins only when the one before is settled: where that is asked for, in transactions,
    /// and where failures keep the order.
    #[must_use]
    pub const fn settles_before_next(&self) -> bool {
        self.transactional || self.retry.keep_order || matches!(self.settle, Settle::BeforeNext)
    }

    /// The time for which handled events are remembered in the lease store; `None` where they are not, because there is no
    /// `dedupe`, or because the mark is in the transaction of the handler.
    #[must_use]
    pub fn lease_within(&self) -> Option<Duration> {
        self.dedupe_within.filter(|_| !self.transactional)
    }

    /// The number of deliveries that the broker sends ahead at first: the configured one, or enough to keep every handler busy; with
    /// a rate, no more than two seconds of it.
    #[must_use]
    pub fn effective_prefetch(&self) -> u16 {
        if let Some(prefetch) = self.prefetch {
            return prefetch;
        }
        let at_once = self.concurrency.max(1).saturating_mul(self.batch.map_or(1, |batch| batch.max));
        // A partition has one consumer: nobody else goes without what it has.
        let least = if self.partitions.is_some() { 128 } else { 16 };
        let usual = at_once.saturating_mul(4).clamp(least, 2048);
        let in_time = self.rate.map_or(usual, Rate::in_two_seconds);
        usual.min(in_time).max(at_once)
    }

    /// The number of deliveries that the broker may send ahead to a subscriber that is quick: 1024 or more, but no more than at first
    /// where that is configured, where there is a rate, and where the queue has priorities, which count only in the queue.
    #[must_use]
    pub fn most_prefetch(&self) -> u16 {
        let first = self.effective_prefetch();
        let is_fixed = self.prefetch.is_some() || self.rate.is_some() || self.max_priority.is_some();
        if is_fixed { first } else { first.max(1024) }
    }
}

impl Default for SubscriberOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A rate: a number of events in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number of events; at least 1.
    pub events: u32,
    /// The time.
    pub per: Duration,
}

impl Rate {
    /// The time between two events.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.per / self.events.max(1)
    }

    fn in_two_seconds(self) -> u16 {
        let events = Duration::from_secs(2).as_nanos() / self.interval().as_nanos().max(1);
        u16::try_from(events).unwrap_or(u16::MAX)
    }
}

/// The batches that events are handled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPolicy {
    /// The number of events in a batch, at most.
    pub max: u16,
    /// The time for which a batch waits for more events, from its first one.
    pub within: Duration,
}

/// The treatment of an event that failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The event is kept in the subscriber's dead-letter queue.
    #[default]
    DeadLetter,
    /// The event is dropped, and counted.
    Discard,
}

/// The time at which the next event of a subscriber, or of a lane, begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Settle {
    /// When the handler of the one before has returned, and its follow-ups are handed to the publisher, in order. Their confirms
    /// are awaited behind it.
    #[default]
    Behind,
    /// When the one before is settled.
    BeforeNext,
}

/// A retry policy: when and how often to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The number of attempts, the first included; at least 1.
    pub max_attempts: u32,
    /// The delays between attempts.
    pub backoff: Backoff,
    /// The time after the first failure beyond which no attempt begins.
    pub max_age: Option<Duration>,
    /// Whether an event that failed keeps its place until it is handled or given up: what comes behind it, in its lane, waits.
    pub keep_order: bool,
    /// Whether the events behind one that was given up, those with the same value of `ordered_by`, follow it into the dead
    /// letters, until it has come back and is handled.
    pub park_key: bool,
}

impl RetryPolicy {
    /// The default policy: five attempts, 1 s, 2 s, 4 s and 8 s apart on average.
    pub const DEFAULT: Self = Self {
        max_attempts: 5,
        backoff: Backoff::Exponential { first: Duration::from_secs(1), max: Duration::from_secs(60) },
        max_age: None,
        keep_order: false,
        park_key: false,
    };

    /// The delay after attempt number `attempt` (from 1) failed; `None`: no further attempt. The delay is that of the
    /// policy; the runtime takes a rung of the retry ladder beside it.
    #[must_use]
    pub fn delay_after(&self, attempt: u32) -> Option<Duration> {
        (attempt < self.max_attempts).then(|| self.backoff.delay(attempt))
    }
}

/// The delays between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// The same delay each time: `"5s"`.
    Fixed(Duration),
    /// A delay that doubles each time, up to a maximum: `"1s..1m"`.
    Exponential {
        /// The first delay.
        first: Duration,
        /// The longest delay.
        max: Duration,
    },
    /// A list of delays, the last one repeated: `["1s", "10s", "5m"]`.
    Steps(&'static [Duration]),
}

impl Backoff {
    fn delay(&self, attempt: u32) -> Duration {
        let index = attempt.saturating_sub(1);
        match self {
            Self::Fixed(delay) => *delay,
            Self::Exponential { first, max } => first.saturating_mul(1 << index.min(30)).min(*max),
            Self::Steps(steps) => {
                let last = steps.len().saturating_sub(1);
                steps.get((index as usize).min(last)).copied().unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_sent_ahead_as_keeps_the_handlers_busy() {
        const O: SubscriberOptions = SubscriberOptions::DEFAULT;
        let rate = |events| Rate { events, per: Duration::from_secs(1) };
        let batch = |max| BatchPolicy { max, within: Duration::from_secs(1) };
        let options = [
            O,
            O.concurrency(100),
            O.rate(rate(3)),
            O.rate(rate(1000)),
            O.rate(Rate { events: 1, per: Duration::from_secs(60) }),
            O.batch(batch(1000)),
            O.batch(batch(50)).rate(rate(1)),
            O.batch(batch(1000)).concurrency(100),
            O.prefetch(7).rate(rate(1)),
            O.partitions(8),
        ];
        assert_eq!(options.map(|options| options.effective_prefetch()), [16, 400, 6, 16, 1, 2048, 50, 65535, 7, 128]);
        assert_eq!(options.map(|options| options.most_prefetch()), [1024, 1024, 6, 16, 1, 2048, 50, 65535, 7, 1024]);
    }

    const S: fn(u64) -> Duration = Duration::from_secs;
    const STEPS: &[Duration] = &[Duration::from_secs(1), Duration::from_secs(9)];

    #[test]
    fn delays_follow_the_policy_and_end() {
        let policy = |max_attempts, backoff| RetryPolicy { max_attempts, backoff, ..RetryPolicy::DEFAULT };
        let delays = |policy: RetryPolicy| (1..).map_while(|attempt| policy.delay_after(attempt)).collect::<Vec<_>>();
        assert_eq!(delays(policy(5, Backoff::Exponential { first: S(1), max: S(5) })), [S(1), S(2), S(4), S(5)]);
        assert_eq!(delays(policy(3, Backoff::Fixed(S(7)))), [S(7), S(7)]);
        assert_eq!(delays(policy(4, Backoff::Steps(STEPS))), [S(1), S(9), S(9)]);
        assert_eq!(delays(policy(1, Backoff::Fixed(S(7)))), [] as [Duration; 0]);
        assert_eq!(policy(u32::MAX, Backoff::Exponential { first: S(1), max: S(60) }).delay_after(4000), Some(S(60)));
    }
}
