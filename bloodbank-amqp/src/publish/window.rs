//! What is in flight on one channel, and which answer belongs to whom.
//!
//! A mandatory message that no queue takes comes back before it is confirmed, but lapin hands it out with whichever
//! confirm it looks at next, so a returned message is matched by what it carries. For all others the question is when
//! an answer is certain. Messages come back in the order in which they were published, and lapin hands out at least as
//! many of them as it has seen confirms of such messages; so when every older mandatory message is confirmed, a message
//! that did not come back will not. Until then its answer is held back, but not for long: what comes back is confirmed
//! together with it, so an older message that stays unconfirmed has a queue and is only slow.

use std::collections::VecDeque;

use lapin::{Confirmation, message::BasicReturnMessage};
use uuid::Uuid;

use crate::publish::job::Job;
use bloodbank_core::{Error, ErrorKind, message::Published};

/// What is in flight on one channel.
#[derive(Default)]
pub(super) struct Window {
    /// The number of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    /// The numbers of the mandatory ones that are not answered, oldest first; some may be answered meanwhile.
    mandatory: VecDeque<u64>,
    open: usize,
    held: usize,
    tick: u64,
}

struct Slot {
    /// `None` once it is answered.
    job: Option<Job>,
    unrouted: bool,
    confirm: Confirm,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Confirm {
    Awaited,
    /// Confirmed at this tick; the answer is held back.
    Held(u64),
}

impl Window {
    /// How many are not answered.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Whether an answer is held back.
    pub(super) fn holds(&self) -> bool {
        self.held > 0
    }

    pub(super) fn push(&mut self, job: Job) -> u64 {
        let number = self.first + self.slots.len() as u64;
        if job.message().mandatory {
            self.mandatory.push_back(number);
        }
        self.slots.push_back(Slot { job: Some(job), unrouted: false, confirm: Confirm::Awaited });
        self.open += 1;
        number
    }

    /// The broker has spoken about a message.
    pub(super) fn confirm(&mut self, number: u64, confirmation: Confirmation) -> Result<(), NotRequested> {
        let (refused, returned) = match confirmation {
            Confirmation::Ack(returned) => (false, returned),
            Confirmation::Nack(returned) => (true, returned),
            Confirmation::NotRequested => return Err(NotRequested),
        };
        if let Some(returned) = returned {
            self.returned(&returned);
        }
        let tick = self.tick;
        let Some(slot) = self.slot(number) else { return Ok(()) };
        let Some(job) = &slot.job else { return Ok(()) };
        if refused {
            let error = refusal(job);
            self.answer(number, Err(error));
        } else if slot.unrouted || !job.message().mandatory {
            let published = Published { unrouted: slot.unrouted };
            self.answer(number, Ok(published));
        } else {
            slot.confirm = Confirm::Held(tick);
            self.held += 1;
        }
        Ok(())
    }

    /// Answers what has become certain.
    pub(super) fn release(&mut self) {
        while let Some(&number) = self.mandatory.front() {
            let answered = self.slot(number).is_none_or(|slot| slot.job.is_none());
            if !answered {
                if self.held == 0 || self.slot(number).is_some_and(|slot| slot.confirm == Confirm::Awaited) {
                    return;
                }
                self.answer(number, Ok(Published { unrouted: false }));
            }
            self.mandatory.pop_front();
        }
    }

    /// Time passes: answers what is held back since before the last tick.
    pub(super) fn tick(&mut self) {
        let now = self.tick;
        self.tick += 1;
        let due = |slot: &Slot| matches!(slot.confirm, Confirm::Held(tick) if tick < now) && slot.job.is_some();
        let numbers: Vec<u64> =
            (self.first..).zip(&self.slots).filter_map(|(number, slot)| due(slot).then_some(number)).collect();
        for number in numbers {
            self.answer(number, Ok(Published { unrouted: false }));
        }
    }

    /// Takes out what is not answered, in order.
    pub(super) fn unanswered(&mut self) -> VecDeque<Job> {
        std::mem::take(self).slots.into_iter().filter_map(|slot| slot.job).collect()
    }

    /// Finds the message that came back: the oldest that looks like it.
    fn returned(&mut self, message: &BasicReturnMessage) {
        let id = message.properties.message_id().as_ref();
        let id = id.and_then(|id| Uuid::try_parse(id.as_str()).ok());
        let is_it = |slot: &Slot| {
            !slot.unrouted
                && slot.job.as_ref().map(Job::message).is_some_and(|sent| {
                    sent.mandatory
                        && sent.properties.message_id == id
                        && *sent.routing_key == *message.routing_key.as_str()
                        && *sent.exchange == *message.exchange.as_str()
                })
        };
        let Some((number, slot)) = (self.first..).zip(&mut self.slots).find(|(_, slot)| is_it(slot)) else {
            return;
        };
        slot.unrouted = true;
        if slot.confirm != Confirm::Awaited {
            self.answer(number, Ok(Published { unrouted: true }));
        }
    }

    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(index)
    }

    fn answer(&mut self, number: u64, answer: Result<Published, Error>) {
        let Some(slot) = self.slot(number) else { return };
        let Some(job) = slot.job.take() else { return };
        let held = slot.confirm != Confirm::Awaited;
        self.held -= usize::from(held);
        self.open -= 1;
        job.answer(answer);
        while self.slots.front().is_some_and(|slot| slot.job.is_none()) {
            self.slots.pop_front();
            self.first += 1;
        }
    }
}

/// The channel does not confirm: what is published on it may be lost without a word.
#[derive(Debug)]
pub(super) struct NotRequested;

fn refusal(job: &Job) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "the broker refused the message with key `{}` for exchange `{}`: a queue it goes to is full or not \
             available; drain that queue, or try again later",
            job.message().routing_key,
            job.message().exchange
        ),
    )
}
