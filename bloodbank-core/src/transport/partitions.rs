//! The number of partitions by which the events of a queue are spread. It is noted on the broker, so that no two processes spread by
//! two numbers, and so that an operator can hold the router while the number changes.
//!
//! The note is a mark like that of a subscriber ([`Queue::subscriber`]), on the queue of the members: a broker keeps the first one,
//! refuses another one, and says which there is. Looking at it while it says what is expected is a declaration that changes nothing.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    QueueStatus, TopologyStatus, Transport,
    topology::{Queue, Topology, members_name, partition_name},
};
use crate::{
    error::{Error, ErrorKind, Result},
    settings::QueueKind,
};

/// How the events of a queue are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spreading {
    /// To so many partitions.
    To(u16),
    /// Not for now: an operator holds the router. Before, it was to so many partitions.
    Held(u16),
}

/// The time for which a look at the note holds: a router that has not looked for longer spreads no events until it has.
pub(crate) const LOOK_HOLDS: Duration = Duration::from_secs(5);
/// The time between two looks at what is drained.
const INTERVAL: Duration = Duration::from_millis(250);

/// The time for which a process that has just begun may consume what is empty, before it sees that the router is held.
const JUST_BEGUN: Duration = Duration::from_secs(8);

/// What a note begins with that nobody makes: to ask with it shows which there is. Each is another one, so that one that is made all the
/// same, in the moment between two notes, is seen by who asks next.
const QUESTION: char = '?';
const HELD: &str = "held.";
/// How often a note is made again that a router was quicker with.
const ATTEMPTS: usize = 50;

impl Spreading {
    fn parse(note: &str) -> Option<Self> {
        match note.strip_prefix(HELD) {
            Some(partitions) => partitions.parse().ok().map(Self::Held),
            None => note.parse().ok().map(Self::To),
        }
    }

    /// The number of partitions, by which events are spread or were before the router was held.
    #[must_use]
    pub fn partitions(self) -> u16 {
        match self {
            Self::To(partitions) | Self::Held(partitions) => partitions,
        }
    }
}

/// As it is noted: short, because a broker cuts its refusal off.
impl fmt::Display for Spreading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(partitions) => write!(f, "{partitions}"),
            Self::Held(partitions) => write!(f, "{HELD}{partitions}"),
        }
    }
}

/// The partitions of a queue: by which number its events are spread, and how that number is changed while publishers go on.
///
/// ```
/// # use std::time::Duration;
/// # use bloodbank_core::{Bus, transport::Partitions};
/// # async fn example(bus: Bus) -> bloodbank_core::Result<()> {
/// let partitions = Partitions::of(bus.transport(), "shop.follow", bus.settings().queue_kind);
/// partitions.drain(Duration::from_secs(300)).await?;
/// // Now every process is started with the new number; then:
/// partitions.switch(12).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Partitions<'a> {
    transport: &'a dyn Transport,
    queue: Arc<str>,
    kind: QueueKind,
}

impl fmt::Debug for Partitions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl<'a> Partitions<'a> {
    /// The partitions of the queue of a subscriber, whose queues are of this kind.
    #[must_use]
    pub fn of(transport: &'a dyn Transport, queue: impl Into<Arc<str>>, kind: QueueKind) -> Self {
        Self { transport, queue: queue.into(), kind }
    }

    /// How the events are spread; `None`: no process has begun to.
    ///
    /// # Errors
    /// [`ErrorKind::Connection`], [`ErrorKind::Closed`]; [`ErrorKind::Topology`] when the broker does not say it.
    pub async fn spreading(&self) -> Result<Option<Spreading>> {
        let members = members_name(&self.queue);
        let unknown = |why: String| {
            let text = format!("it cannot be seen how the events of queue `{}` are spread: {why}", self.queue);
            Error::new(ErrorKind::Topology, text)
        };
        let question = format!("{QUESTION}{:x}", fastrand::u64(..));
        for compared in self.transport.compare(self.noted(&question)).await? {
            match compared.status {
                TopologyStatus::Equal | TopologyStatus::Missing => {}
                TopologyStatus::Unknown(why) => return Err(unknown(why)),
                TopologyStatus::Different(differences) => {
                    match differences.iter().find(|difference| difference.property == "subscriber") {
                        Some(difference) => return self.read(difference.existing.trim_matches(['`', '"'])).await,
                        None => {
                            let why = format!("queue `{members}` is of another kind; set BLOODBANK_QUEUE_TYPE to it");
                            return Err(unknown(why));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    async fn read(&self, note: &str) -> Result<Option<Spreading>> {
        if note.starts_with(QUESTION) {
            self.transport.release(members_name(&self.queue).into()).await?;
        }
        Ok(Spreading::parse(note))
    }

    /// Notes that the events are spread to so many partitions, unless something else is noted; whether it is so.
    ///
    /// # Errors
    /// [`ErrorKind::Connection`] or [`ErrorKind::Closed`].
    pub(crate) async fn claim(&self, partitions: u16) -> Result<bool> {
        self.is_noted(Spreading::To(partitions)).await
    }

    /// Lets the router wait; the number by which it has spread events. What it has taken goes to the partitions, what comes
    /// afterwards stays in the queue, and the processes let each partition go once it is empty. Can be repeated.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`] when no router has begun yet; [`ErrorKind::Connection`] or [`ErrorKind::Closed`].
    pub async fn hold(&self) -> Result<u16> {
        match self.spreading().await? {
            Some(Spreading::Held(partitions)) => Ok(partitions),
            Some(Spreading::To(partitions)) => {
                self.note(Spreading::Held(partitions), true).await?;
                Ok(partitions)
            }
            None => Err(self.not_begun()),
        }
    }

    /// Holds the router, and waits until all partitions are empty and in no hand; the number by which it has spread events. Can be
    /// repeated.
    ///
    /// # Errors
    /// [`ErrorKind::Deadline`] when they are not within this time; the router stays held. Otherwise like [`hold`](Self::hold).
    pub async fn drain(&self, timeout: Duration) -> Result<u16> {
        let begun = Instant::now();
        let partitions = self.hold().await?;
        let mut empty_since = None;
        loop {
            let left = self.undrained(partitions).await?;
            let since = match left.is_empty() {
                true => *empty_since.get_or_insert_with(Instant::now),
                false => {
                    empty_since = None;
                    Instant::now()
                }
            };
            // A router that has lost its connection is not seen, and comes back without having looked.
            if since.elapsed() > LOOK_HOLDS {
                return Ok(partitions);
            }
            if begun.elapsed() > timeout && !left.is_empty() {
                return Err(self.not_drained(&left, partitions));
            }
            sleep(INTERVAL).await;
        }
    }

    /// Lets the router go on, by the same number of partitions. Can be repeated.
    ///
    /// # Errors
    /// Those of [`hold`](Self::hold).
    pub async fn resume(&self) -> Result<u16> {
        match self.spreading().await? {
            Some(Spreading::To(partitions)) => Ok(partitions),
            Some(Spreading::Held(partitions)) => {
                self.note(Spreading::To(partitions), true).await?;
                Ok(partitions)
            }
            None => Err(self.not_begun()),
        }
    }

    /// Lets the router go on, by another number of partitions; the processes that have it. Can be repeated.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`] while the router is not held, and [`ErrorKind::Deadline`] while a partition is not drained, which is
    /// named. Otherwise like [`hold`](Self::hold).
    pub async fn switch(&self, partitions: u16) -> Result<()> {
        let held = match self.spreading().await? {
            Some(Spreading::To(other)) if other == partitions => return Ok(()),
            Some(Spreading::To(other)) => return Err(self.not_held(other)),
            Some(Spreading::Held(held)) => held,
            None => partitions,
        };
        let begun = Instant::now();
        loop {
            let left = self.undrained(held).await?;
            if left.is_empty() {
                break;
            }
            if begun.elapsed() > JUST_BEGUN {
                return Err(self.not_drained(&left, held));
            }
            sleep(INTERVAL).await;
        }
        // Whoever was quicker spreads events already.
        self.note(Spreading::To(partitions), false).await
    }

    /// The queues that are in the way of a switch from so many partitions: partitions with something in them or in somebody's hands,
    /// and the queue itself while its router has not stopped. None while the router is not held says nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Connection`] or [`ErrorKind::Closed`].
    pub async fn undrained(&self, partitions: u16) -> Result<Vec<QueueStatus>> {
        let mut left = Vec::new();
        left.extend(self.transport.queue(Arc::clone(&self.queue)).await?.filter(|status| status.consumers > 0));
        for number in 0..u16::MAX {
            match self.transport.queue(partition_name(&self.queue, number).into()).await? {
                // An event in somebody's hands keeps its consumer.
                Some(status) if status.waiting > 0 || status.consumers > 0 => left.push(status),
                Some(status) => {
                    left.extend(Some(status).filter(|status| status.unsettled.is_some_and(|some| some > 0)))
                }
                None if number >= partitions => break,
                None => {}
            }
        }
        Ok(left)
    }

    /// Replaces the note. Between the old one and the new one there is none for a moment, in which a router may note its own: then it
    /// is done again if it `insists`.
    async fn note(&self, spreading: Spreading, insists: bool) -> Result<()> {
        for _ in 0..ATTEMPTS {
            self.transport.release(members_name(&self.queue).into()).await?;
            if self.is_noted(spreading).await? {
                return Ok(());
            }
            match self.spreading().await? {
                Some(other) if other == spreading => return Ok(()),
                Some(other) if !insists => return Err(self.not_held(other.partitions())),
                _ => {}
            }
        }
        Err(Error::new(
            ErrorKind::Topology,
            format!(
                "it cannot be noted how the events of queue `{}` are spread, because others note it all the time; end other \
                 `bb topology partitions` and try again",
                self.queue
            ),
        ))
    }

    async fn is_noted(&self, spreading: Spreading) -> Result<bool> {
        match self.transport.declare(self.noted(&spreading.to_string())).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Topology => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn noted(&self, note: &str) -> Topology {
        let members = Queue::new(members_name(&self.queue), self.kind).subscriber(Some(note.into()));
        Topology::default().queues([members])
    }

    fn not_drained(&self, left: &[QueueStatus], partitions: u16) -> Error {
        let (queue, left) = (&self.queue, left.iter().map(|status| &*status.name).collect::<Vec<_>>().join(", "));
        Error::new(
            ErrorKind::Deadline,
            format!(
                "not drained: {left}; check that processes with {partitions} partitions run and that none of them is paused, and run \
                 `bb topology partitions drain {queue}` until it succeeds, or let the router go on with \
                 `bb topology partitions resume {queue}`"
            ),
        )
    }

    fn not_begun(&self) -> Error {
        Error::new(
            ErrorKind::Topology,
            format!(
                "no process has spread the events of queue `{}` yet; start the app first, with any number of partitions",
                self.queue
            ),
        )
    }

    fn not_held(&self, partitions: u16) -> Error {
        Error::new(
            ErrorKind::Topology,
            format!(
                "the events of queue `{queue}` are spread to {partitions} partitions; run `bb topology partitions drain {queue}` \
                 first, and wait for its end",
                queue = self.queue
            ),
        )
    }
}

/// What is said where a program declares another note again, after it has lost its connection.
pub(super) fn other_note(members: &str, noted: &str) -> Option<String> {
    let queue = members.strip_suffix(&members_name(""))?;
    let spread = match Spreading::parse(noted)? {
        Spreading::To(partitions) => format!("are spread to {partitions} partitions by now"),
        Spreading::Held(_) => "are held back".to_owned(),
    };
    Some(format!("the events of queue `{queue}` {spread}; `bb topology partitions` shows it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        for spreading in [Spreading::To(8), Spreading::Held(65_535)] {
            assert_eq!(Spreading::parse(&spreading.to_string()), Some(spreading));
        }
        for other in ["?1", "shop.follow", "held.", "-1", "70000"] {
            assert_eq!(Spreading::parse(other), None, "{other}");
        }
    }
}
