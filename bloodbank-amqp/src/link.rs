//! Keeps one connection up.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use lapin::Event;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    address::Address,
    backoff,
    deadline::{CALL, within},
    declare,
    dial::dial,
    fault::Fault,
    pulse::Pulse,
    remembered::Remembered,
    session::Session,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    transport::{Connection, ConnectionState, Topology},
};

/// How long the first connection may take, attempts included: a broker that starts together with the program.
const FIRST: Duration = Duration::from_secs(4);
/// How often the connection is looked at, in case it ends without an event.
const LOOK: Duration = Duration::from_secs(1);
/// A connection that dies so soon may have died of what it consumed: that comes first, and comes again.
const BRIEF: Duration = Duration::from_secs(1);
/// Two such deaths within this time, and it is likely.
const SUSPICIOUS: Duration = Duration::from_secs(30);
/// How long consumers then take one message at a time, at most.
const CAUTION: Duration = Duration::from_secs(30);
/// How long declaring everything again may take.
const RESTORING: Duration = Duration::from_secs(30);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Publishing,
    Consuming,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Publishing => "publish",
            Self::Consuming => "consume",
        }
    }

    /// What a connection for this declares again.
    fn topology(self, remembered: &Remembered) -> Topology {
        match self {
            Self::Publishing => remembered.lasting(),
            Self::Consuming => remembered.all(),
        }
    }
}

/// Keeps one connection up: the sessions follow each other without end.
pub(super) struct Link {
    sessions: watch::Receiver<Option<Arc<Session>>>,
    state: watch::Receiver<ConnectionState>,
    /// When it was lost and made again for the last time.
    reconnected: Arc<Mutex<Option<Instant>>>,
    remembered: Arc<Remembered>,
    role: Role,
    closing: CancellationToken,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

impl Link {
    /// Makes the first connection.
    pub(super) async fn open(address: Arc<Address>, remembered: Arc<Remembered>, role: Role) -> Result<Arc<Self>> {
        let connection = first(&address, role).await?;
        let (sessions, watched_sessions) = watch::channel(None);
        let (state, watched_state) = watch::channel(ConnectionState::Connecting);
        let closing = CancellationToken::new();
        let reconnected = Arc::default();
        let supervisor = Supervisor {
            reconnected: Arc::clone(&reconnected),
            address,
            remembered: Arc::clone(&remembered),
            role,
            sessions,
            state,
            closing: closing.clone(),
            deaths: VecDeque::new(),
            pulse: Pulse::default(),
        };
        let session = Arc::new(Session::new(connection, None));
        supervisor.sessions.send_replace(Some(Arc::clone(&session)));
        supervisor.enter(ConnectionState::Up, &supervisor.address);
        Ok(Arc::new(Self {
            sessions: watched_sessions,
            state: watched_state,
            reconnected,
            remembered,
            role,
            closing,
            supervisor: Mutex::new(Some(tokio::spawn(supervisor.run(session)))),
        }))
    }

    pub(super) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    pub(super) fn connection(&self) -> Connection {
        let reconnected = *self.reconnected.lock().unwrap_or_else(PoisonError::into_inner);
        Connection {
            name: self.role.name(),
            state: self.state(),
            reconnected: reconnected.map(|reconnected| reconnected.elapsed()),
        }
    }

    /// The connection, as soon as there is one; `None` when the link is closed.
    pub(super) async fn session(&self) -> Option<Arc<Session>> {
        let mut sessions = self.sessions.clone();
        loop {
            let current = sessions.borrow_and_update().clone();
            match current {
                Some(session) if !session.is_dead() => return Some(session),
                // The supervisor sees the death soon.
                Some(_) | None => sessions.changed().await.ok()?,
            }
        }
    }

    /// Declares everything again on this connection; what does not work shows with the next call.
    pub(super) async fn restore(&self, session: &Session) {
        if let Err(fault) = restore(session, &self.role.topology(&self.remembered)).await {
            session.suspect(&fault);
        }
    }

    /// Closes the connection and makes no further one.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        let supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(supervisor) = supervisor {
            // It has deadlines of its own; a panic in it has nothing left to close.
            let _ = supervisor.await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

struct Supervisor {
    reconnected: Arc<Mutex<Option<Instant>>>,
    address: Arc<Address>,
    remembered: Arc<Remembered>,
    role: Role,
    sessions: watch::Sender<Option<Arc<Session>>>,
    state: watch::Sender<ConnectionState>,
    closing: CancellationToken,
    /// When connections died lately that had lived briefly.
    deaths: VecDeque<Instant>,
    pulse: Pulse,
}

impl Supervisor {
    async fn run(mut self, mut session: Arc<Session>) {
        loop {
            let begun = Instant::now();
            let cause = self.watch(&session).await;
            let was_brief = begun.elapsed() < BRIEF;
            self.sessions.send_replace(None);
            let Some(cause) = cause else {
                session.close().await;
                self.state.send_replace(ConnectionState::Down);
                return;
            };
            self.pulse.ended(&cause);
            // Whoever uses it learns that it is over; the broker is told in the background, if it still listens.
            session.suspect(&cause);
            tokio::spawn(async move { session.close().await });
            self.enter(ConnectionState::Connecting, cause.text());
            let closing = self.closing.clone();
            session = tokio::select! {
                session = self.reconnect(was_brief) => session,
                () = closing.cancelled() => {
                    self.state.send_replace(ConnectionState::Down);
                    return;
                }
            };
            self.sessions.send_replace(Some(Arc::clone(&session)));
            *self.reconnected.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            metrics::counter!("bloodbank_reconnects_total", "connection" => self.role.name()).increment(1);
            self.enter(ConnectionState::Up, &self.address);
        }
    }

    /// Until the connection is dead, which is said; `None` when it shall be closed.
    async fn watch(&self, session: &Session) -> Option<Fault> {
        let connection = session.connection();
        let reads = || *self.state.borrow() != ConnectionState::Blocked;
        let mut silence = std::pin::pin!(self.pulse.stops(session, reads));
        let mut events = std::pin::pin!(connection.events_listener());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.closing.cancelled() => return None,
                () = session.dead() => return Some(Fault::lost(session.doubt())),
                fault = &mut silence => return Some(fault),
                event = events.next() => match event {
                    Some(Event::Error(error)) if !connection.status().connected() => {
                        return Some(Fault::from(error));
                    }
                    Some(Event::ConnectionBlocked(reason)) => self.enter(ConnectionState::Blocked, &reason),
                    Some(Event::ConnectionUnblocked) => self.enter(ConnectionState::Up, &"the broker accepts messages again"),
                    // The error of a channel, or nothing that matters here.
                    Some(_) => {}
                    None => return Some(Fault::lost("it ended")),
                },
                _ = look.tick() => if !connection.status().connected() {
                    return Some(Fault::lost("it ended"));
                },
            }
        }
    }

    async fn reconnect(&mut self, was_brief: bool) -> Arc<Session> {
        let lost = Instant::now();
        while self.deaths.front().is_some_and(|death| lost - *death > SUSPICIOUS) {
            self.deaths.pop_front();
        }
        // One that dies again and again is not made again at once.
        let mut attempt = u32::try_from(self.deaths.len()).unwrap_or(u32::MAX);
        if was_brief {
            self.deaths.push_back(lost);
        }
        if self.deaths.len() > 16 {
            self.deaths.pop_front();
        }
        loop {
            sleep(backoff::wait(attempt, lost.elapsed())).await;
            match self.attempt().await {
                Ok(session) => return session,
                Err(fault) => self.enter(ConnectionState::Down, fault.text()),
            }
            attempt = attempt.saturating_add(1);
        }
    }

    async fn attempt(&self) -> Result<Arc<Session>, Fault> {
        let connection = connect(&self.address, self.role).await?;
        let cautious_until = (self.deaths.len() > 1).then(|| Instant::now() + CAUTION);
        let session = Arc::new(Session::new(connection, cautious_until));
        if let Err(fault) = restore(&session, &self.role.topology(&self.remembered)).await {
            session.close().await;
            return Err(fault);
        }
        Ok(session)
    }

    /// Says so once.
    fn enter(&self, state: ConnectionState, why: &(impl std::fmt::Display + ?Sized)) {
        let changed = self.state.send_if_modified(|current| std::mem::replace(current, state) != state);
        if !changed {
            return;
        }
        let connection = self.role.name();
        match state {
            ConnectionState::Up => info!(connection, "connected to RabbitMQ: {why}"),
            ConnectionState::Blocked => warn!(connection, "RabbitMQ accepts no messages for now: {why}"),
            ConnectionState::Connecting => warn!(connection, "lost the connection to RabbitMQ: {why}"),
            ConnectionState::Down => warn!(connection, "RabbitMQ cannot be reached, trying again and again: {why}"),
        }
    }
}

async fn restore(session: &Session, topology: &Topology) -> Result<(), Fault> {
    let Ok(restored) = tokio::time::timeout(RESTORING, declare::restore(session, topology)).await else {
        // What is ill must not keep the rest from working; consumers declare again what they miss.
        warn!("not everything could be declared again within {RESTORING:?}");
        return Ok(());
    };
    restored
}

/// The first connection: a broker that is just starting gets a few seconds, one that refuses us does not.
async fn first(address: &Address, role: Role) -> Result<lapin::Connection> {
    let begin = Instant::now();
    let mut attempt = 0;
    loop {
        let fault = match connect(address, role).await {
            Ok(connection) => return Ok(connection),
            Err(fault) => fault,
        };
        if let Some(refused) = refusal(address, &fault) {
            return Err(refused);
        }
        attempt += 1;
        let wait = backoff::wait(attempt, begin.elapsed());
        if begin.elapsed() + wait >= FIRST {
            return Err(Error::new(
                ErrorKind::Connection,
                format!("RabbitMQ at {address} does not answer ({}); start it, or correct RABBIT_URL", fault.text()),
            ));
        }
        sleep(wait).await;
    }
}

/// What trying again does not change.
fn refusal(address: &Address, fault: &Fault) -> Option<Error> {
    let (Fault::Channel { text, .. } | Fault::Protocol { text }) = fault else {
        return None;
    };
    let remedy = if text.contains("vhost") {
        "create the virtual host and give the user permission, or correct RABBIT_URL"
    } else {
        "correct the user and the password in RABBIT_URL"
    };
    Some(Error::new(
        ErrorKind::Settings,
        format!("RabbitMQ at {address} refuses user `{}` ({text}); {remedy}", address.user()),
    ))
}

async fn connect(address: &Address, role: Role) -> Result<lapin::Connection, Fault> {
    let name = format!("{} ({})", address.service, role.name());
    let properties = lapin::ConnectionProperties::default().with_connection_name(name.into());
    within(CALL, dial(address, properties).boxed()).await
}
