//! The window of messages in flight on one channel, and the matching of confirms and returns to them.
//!
//! A mandatory message that no queue takes is returned before it is confirmed, but lapin hands it out with whichever confirm it
//! looks at next; therefore a returned message is matched by its message id, key and exchange. For the others, the question is
//! when it is certain that they were routed. Messages are returned in the order in which they were published, and lapin hands
//! out at least as many of them as it has seen confirms of returned messages: once every older mandatory message is confirmed, a
//! message that has not been returned will not be. Until then its answer is held back, but not for long: a returned message is
//! confirmed at once, so an older message that stays unconfirmed has a queue and is only slow.

use std::{collections::VecDeque, sync::Arc};

use lapin::{Confirmation, message::BasicReturnMessage};
use uuid::Uuid;

use crate::{
    journal_sign::JournalSign,
    publish::{request::Request, route_memory::RouteMemory},
};
use bloodbank_core::{
    Error,
    message::{Outgoing, Published},
};

/// The messages in flight on one channel.
pub(super) struct Window {
    /// Whether a journal takes every event, so that no message is returned.
    sign: Arc<JournalSign>,
    /// Which keys had a route.
    routes: Arc<RouteMemory>,
    /// The messages that no queue received although one was there for them, and why that is known.
    missed: Vec<(Request, Miss)>,
    /// The number of the message in the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    /// The numbers of the mandatory messages, oldest first, from the oldest that is not answered.
    mandatory: VecDeque<u64>,
    /// The number of messages that are not answered.
    open: usize,
    /// The number of answers that are held back.
    held: usize,
    /// The number of the current tick.
    tick: u64,
}

/// A message in flight.
struct Slot {
    /// `None` once the request is answered.
    request: Option<Request>,
    unrouted: bool,
    confirm: Confirm,
}

/// The queue that was there for a message which no queue received.
#[derive(Debug, Clone, Copy)]
pub(super) enum Miss {
    /// That of the journal.
    Journal,
    /// One of a subscriber.
    Route,
}

/// The state of a confirm.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Confirm {
    Awaited,
    /// Confirmed during this tick; the answer is held back.
    Held(u64),
}

impl Window {
    pub(super) fn new(sign: Arc<JournalSign>, routes: Arc<RouteMemory>) -> Self {
        Self {
            sign,
            routes,
            missed: Vec::new(),
            first: 0,
            slots: VecDeque::new(),
            mandatory: VecDeque::new(),
            open: 0,
            held: 0,
            tick: 0,
        }
    }

    /// The number of messages that are not answered.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Whether an answer is held back.
    pub(super) fn holds(&self) -> bool {
        self.held > 0
    }

    /// The number of the oldest message that is not answered.
    pub(super) fn oldest(&self) -> u64 {
        self.first
    }

    /// Adds a message that is being sent, and returns its number.
    pub(super) fn push(&mut self, request: Request) -> u64 {
        let number = self.first + self.slots.len() as u64;
        if request.message().mandatory {
            self.mandatory.push_back(number);
        }
        self.slots.push_back(Slot { request: Some(request), unrouted: false, confirm: Confirm::Awaited });
        self.open += 1;
        number
    }

    /// Records the broker's confirm of a message. Returns the request that it refused.
    pub(super) fn confirm(&mut self, number: u64, confirmation: Confirmation) -> Result<Option<Request>, NotRequested> {
        let (refused, returned) = match confirmation {
            Confirmation::Ack(returned) => (false, returned),
            Confirmation::Nack(returned) => (true, returned),
            Confirmation::NotRequested => return Err(NotRequested),
        };
        if let Some(returned) = returned {
            self.returned(&returned);
        }
        let tick = self.tick;
        let Some(slot) = self.slot(number) else { return Ok(None) };
        let Some(request) = &slot.request else { return Ok(None) };
        if refused {
            return Ok(self.remove(number));
        }
        if slot.unrouted || !request.message().mandatory {
            self.answer_confirmed(number);
        } else {
            slot.confirm = Confirm::Held(tick);
            self.held += 1;
        }
        Ok(None)
    }

    /// Takes the requests that no queue received although one was there for them.
    pub(super) fn take_missed(&mut self) -> Vec<(Request, Miss)> {
        std::mem::take(&mut self.missed)
    }

    /// Answers the requests whose routing has become certain.
    pub(super) fn release(&mut self) {
        while let Some(&number) = self.mandatory.front() {
            let answered = self.slot(number).is_none_or(|slot| slot.request.is_none());
            if !answered {
                if self.held == 0 || self.slot(number).is_some_and(|slot| slot.confirm == Confirm::Awaited) {
                    return;
                }
                self.answer_confirmed(number);
            }
            self.mandatory.pop_front();
        }
    }

    /// Starts the next tick, and answers the requests that have been held back since before the last one.
    pub(super) fn tick(&mut self) {
        let now = self.tick;
        self.tick += 1;
        let due = |slot: &Slot| matches!(slot.confirm, Confirm::Held(tick) if tick < now) && slot.request.is_some();
        let numbers: Vec<u64> =
            (self.first..).zip(&self.slots).filter_map(|(number, slot)| due(slot).then_some(number)).collect();
        for number in numbers {
            self.answer_confirmed(number);
        }
    }

    /// Removes and returns the requests that are not answered, in order.
    pub(super) fn unanswered(&mut self) -> VecDeque<Request> {
        let empty = Self::new(Arc::clone(&self.sign), Arc::clone(&self.routes));
        std::mem::replace(self, empty).slots.into_iter().filter_map(|slot| slot.request).collect()
    }

    /// Records a returned message: the oldest message in flight that matches it.
    fn returned(&mut self, message: &BasicReturnMessage) {
        let id = message.properties.message_id().as_ref();
        let id = id.and_then(|id| Uuid::try_parse(id.as_str()).ok());
        let matches = |slot: &Slot| {
            !slot.unrouted
                && slot.request.as_ref().map(Request::message).is_some_and(|sent| {
                    sent.mandatory
                        && sent.properties.message_id == id
                        && *sent.routing_key == *message.routing_key.as_str()
                        && *sent.exchange == *message.exchange.as_str()
                })
        };
        let Some((number, slot)) = (self.first..).zip(&mut self.slots).find(|(_, slot)| matches(slot)) else {
            return;
        };
        slot.unrouted = true;
        if slot.confirm != Confirm::Awaited {
            self.answer_confirmed(number);
        }
    }

    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(index)
    }

    /// Answers a request whose message the broker has, and returned or did not.
    fn answer_confirmed(&mut self, number: u64) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(slot) = index.and_then(|index| self.slots.get(index)) else { return };
        let Some(request) = &slot.request else { return };
        if slot.unrouted
            && let Some(why) = self.miss(request.message())
        {
            let missed = self.remove(number);
            self.missed.extend(missed.map(|request| (request, why)));
            return;
        }
        let unrouted = if slot.unrouted { Some(true) } else { self.sign.routed(request.message()) };
        if unrouted == Some(false) {
            self.routes.routed(request.message());
        }
        self.answer(number, Ok(Published { unrouted }));
    }

    /// Why a message that no queue received was to be received.
    fn miss(&self, message: &Outgoing) -> Option<Miss> {
        if self.sign.takes(message) {
            // RabbitMQ has its streams about a second after it takes messages.
            Some(Miss::Journal)
        } else {
            self.routes.misses(message).then_some(Miss::Route)
        }
    }

    fn answer(&mut self, number: u64, answer: Result<Published, Error>) {
        if let Some(request) = self.remove(number) {
            request.answer(answer);
        }
    }

    fn remove(&mut self, number: u64) -> Option<Request> {
        let slot = self.slot(number)?;
        let request = slot.request.take()?;
        let held = slot.confirm != Confirm::Awaited;
        self.held -= usize::from(held);
        self.open -= 1;
        while self.slots.front().is_some_and(|slot| slot.request.is_none()) {
            self.slots.pop_front();
            self.first += 1;
        }
        Some(request)
    }
}

/// The error of a channel that does not confirm: a message published on it may be lost unnoticed.
#[derive(Debug)]
pub(super) struct NotRequested;
