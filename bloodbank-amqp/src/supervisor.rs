//! Supervision of one connection: a connection that is lost is replaced, without end.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};
use lapin::{Event, uri::AMQPUri};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    address::{Address, Shown},
    backoff,
    broker_fault::BrokerFault,
    declare,
    declared_topology::DeclaredTopology,
    dial::dial,
    journal_sign::JournalSign,
    limit,
    liveness_probe::LivenessProbe,
    session::Session,
    timeout::{CALL_TIMEOUT, with_timeout},
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    transport::{Connection, ConnectionState, Topology},
};

/// The time for the first connection, attempts included: the broker may start together with the program.
const FIRST_CONNECTION_TIMEOUT: Duration = Duration::from_secs(4);
/// The time for connecting to one node of several.
const NODE_TIMEOUT: Duration = Duration::from_secs(3);
/// The interval between two checks of the connection's status, in case a connection ends without an event.
const STATUS_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The time after which the first connection is said to take long: a broker that is up answers within milliseconds.
const SILENCE: Duration = Duration::from_secs(2);
/// The lifetime below which a connection may have been killed by what it consumed: that message is redelivered first.
const SHORT_LIVED: Duration = Duration::from_secs(1);
/// The time for which a short-lived connection is remembered: after two within this time, consumers start slowly.
const SHORT_LIVED_MEMORY: Duration = Duration::from_secs(30);
/// The longest time for which consumers then take few messages at a time.
const SLOW_START_TIMEOUT: Duration = Duration::from_secs(30);
/// The time for declaring everything again.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(30);

/// The purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Publishing,
    Consuming,
    /// Consumes one queue, which ended the connection of all consumers.
    Apart,
    /// Looks into queues.
    Browsing,
    /// Reads a journal, beside the supervised connections.
    Journal,
    /// Changes what there is, beside the supervised connections.
    Switch,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Publishing => "publish",
            Self::Consuming => "consume",
            Self::Apart => "consume_apart",
            Self::Browsing => "browse",
            Self::Journal => "journal",
            Self::Switch => "switch",
        }
    }

    /// The topology that a connection of this role declares again.
    fn topology(self, declared: &DeclaredTopology) -> Topology {
        match self {
            Self::Publishing => declared.without_transient(),
            Self::Consuming => declared.all(),
            Self::Apart | Self::Browsing | Self::Journal | Self::Switch => Topology::default(),
        }
    }
}

/// A connection that a task keeps up: each session that is lost is followed by another, without end.
pub(super) struct SupervisedConnection {
    sessions: watch::Receiver<Option<Arc<Session>>>,
    state: watch::Receiver<ConnectionState>,
    /// The moment of the last reconnect.
    reconnected: Arc<Mutex<Option<Instant>>>,
    declared: Arc<DeclaredTopology>,
    role: Role,
    closing: CancellationToken,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

impl SupervisedConnection {
    /// Makes the first connection, and starts the task that supervises it.
    pub(super) async fn open(
        address: Arc<Address>,
        declared: Arc<DeclaredTopology>,
        sign: Arc<JournalSign>,
        role: Role,
    ) -> Result<Arc<Self>> {
        let Dialled { connection, turn } = connect_first(&address, role).await?;
        let (sessions, watched_sessions) = watch::channel(None);
        let (state, watched_state) = watch::channel(ConnectionState::Connecting);
        let closing = CancellationToken::new();
        let reconnected = Arc::default();
        let supervisor = Supervisor {
            reconnected: Arc::clone(&reconnected),
            address,
            turn,
            declared: Arc::clone(&declared),
            sign,
            role,
            sessions,
            state,
            closing: closing.clone(),
            short_lived: VecDeque::new(),
            probe: LivenessProbe::default(),
        };
        let session = Arc::new(Session::new(connection, None));
        supervisor.look(&session).await.map_err(|fault| fault.into_error("connecting"))?;
        supervisor.sessions.send_replace(Some(Arc::clone(&session)));
        supervisor.set_state(ConnectionState::Up, &Shown(supervisor.address.of(turn)));
        Ok(Arc::new(Self {
            sessions: watched_sessions,
            state: watched_state,
            reconnected,
            declared,
            role,
            closing,
            supervisor: Mutex::new(Some(tokio::spawn(supervisor.run(session)))),
        }))
    }

    pub(super) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    pub(super) fn current_state(&self) -> ConnectionState {
        *self.state.borrow()
    }

    pub(super) fn connection(&self) -> Connection {
        let reconnected = *self.reconnected.lock();
        Connection {
            name: self.role.name(),
            state: self.state(),
            reconnected: reconnected.map(|reconnected| reconnected.elapsed()),
        }
    }

    /// The current session, as soon as there is one; `None` once the supervised connection is closed.
    pub(super) async fn session(&self) -> Option<Arc<Session>> {
        let mut sessions = self.sessions.clone();
        loop {
            let current = sessions.borrow_and_update().clone();
            match current {
                Some(session) if !session.is_failed() => return Some(session),
                // The supervisor notices the failure soon.
                Some(_) | None => sessions.changed().await.ok()?,
            }
        }
    }

    /// Declares everything again in this session; a failure shows with the next call.
    pub(super) async fn restore(&self, session: &Session) {
        if let Err(fault) = restore(session, &self.role.topology(&self.declared)).await {
            session.fail(&fault);
        }
    }

    /// Closes the connection and ends its supervision.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        let supervisor = self.supervisor.lock().take();
        if let Some(supervisor) = supervisor {
            // The task has deadlines of its own; after a panic nothing is left to close.
            let _ = supervisor.await;
        }
    }
}

impl Drop for SupervisedConnection {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// The task that supervises a connection.
struct Supervisor {
    reconnected: Arc<Mutex<Option<Instant>>>,
    address: Arc<Address>,
    /// The turn of the node that is connected.
    turn: usize,
    declared: Arc<DeclaredTopology>,
    sign: Arc<JournalSign>,
    role: Role,
    sessions: watch::Sender<Option<Arc<Session>>>,
    state: watch::Sender<ConnectionState>,
    closing: CancellationToken,
    /// The moments at which short-lived connections were lost lately.
    short_lived: VecDeque<Instant>,
    probe: LivenessProbe,
}

impl Supervisor {
    async fn run(mut self, mut session: Arc<Session>) {
        loop {
            let begun = Instant::now();
            let cause = self.watch(&session).await;
            let was_short_lived = begun.elapsed() < SHORT_LIVED;
            self.sessions.send_replace(None);
            let Some(cause) = cause else {
                session.close().await;
                self.state.send_replace(ConnectionState::Down);
                return;
            };
            self.probe.connection_ended(&cause);
            // Whatever became of that node, another one is tried first.
            self.address.end(self.turn);
            // Every user of the session learns of its end; the broker is told in the background, if it still listens.
            session.fail(&cause);
            tokio::spawn(async move { session.close().await });
            self.set_state(ConnectionState::Connecting, cause.text());
            let closing = self.closing.clone();
            session = tokio::select! {
                session = self.reconnect(was_short_lived) => session,
                () = closing.cancelled() => {
                    self.state.send_replace(ConnectionState::Down);
                    return;
                }
            };
            self.sessions.send_replace(Some(Arc::clone(&session)));
            *self.reconnected.lock() = Some(Instant::now());
            metrics::counter!("bloodbank_reconnects_total", "connection" => self.role.name()).increment(1);
            self.set_state(ConnectionState::Up, &Shown(self.address.of(self.turn)));
        }
    }

    /// Waits until the connection is lost and returns the cause; `None` when the connection is to be closed.
    async fn watch(&self, session: &Session) -> Option<BrokerFault> {
        let connection = session.connection();
        let broker_reads = || *self.state.borrow() != ConnectionState::Blocked;
        let mut unresponsive = std::pin::pin!(self.probe.fails(session, broker_reads));
        let mut events = std::pin::pin!(connection.events_listener());
        let mut status_check = interval(STATUS_CHECK_INTERVAL);
        status_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.closing.cancelled() => return None,
                () = session.failed() => return Some(BrokerFault::connection_lost(session.failure())),
                fault = &mut unresponsive => return Some(fault),
                event = events.next() => match event {
                    Some(Event::Error(error)) if !connection.status().connected() => {
                        return Some(BrokerFault::from(error));
                    }
                    Some(Event::ConnectionBlocked(reason)) => self.set_state(ConnectionState::Blocked, &reason),
                    Some(Event::ConnectionUnblocked) => self.set_state(ConnectionState::Up, &"the broker accepts messages again"),
                    // The error of a channel, or nothing that matters here.
                    Some(_) => {}
                    None => return Some(BrokerFault::connection_lost("it ended")),
                },
                _ = status_check.tick() => if !connection.status().connected() {
                    return Some(BrokerFault::connection_lost("it ended"));
                },
            }
        }
    }

    async fn reconnect(&mut self, was_short_lived: bool) -> Arc<Session> {
        let lost = Instant::now();
        while self.short_lived.front().is_some_and(|earlier| lost - *earlier > SHORT_LIVED_MEMORY) {
            self.short_lived.pop_front();
        }
        // After several short-lived connections the next one is not made at once.
        let mut attempt = u32::try_from(self.short_lived.len()).unwrap_or(u32::MAX);
        if was_short_lived {
            self.short_lived.push_back(lost);
        }
        if self.short_lived.len() > 16 {
            self.short_lived.pop_front();
        }
        loop {
            sleep(backoff::delay(attempt, lost.elapsed())).await;
            match self.attempt().await {
                Ok(session) => return session,
                Err(fault) => self.set_state(ConnectionState::Down, fault.text()),
            }
            attempt = attempt.saturating_add(1);
        }
    }

    async fn attempt(&mut self) -> Result<Arc<Session>, BrokerFault> {
        let Dialled { connection, turn } = connect(&self.address, self.role).await?;
        self.turn = turn;
        let slow_start_until = (self.short_lived.len() > 1).then(|| Instant::now() + SLOW_START_TIMEOUT);
        let session = Arc::new(Session::new(connection, slow_start_until));
        let restored = match restore(&session, &self.role.topology(&self.declared)).await {
            Ok(()) => self.look(&session).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = restored {
            session.close().await;
            self.address.end(turn);
            return Err(fault);
        }
        Ok(session)
    }

    /// Before anything is published over a connection, it is known whether a journal takes every event.
    async fn look(&self, session: &Session) -> Result<(), BrokerFault> {
        match self.role {
            Role::Publishing => self.sign.look(session).await,
            Role::Consuming | Role::Apart | Role::Browsing | Role::Journal | Role::Switch => Ok(()),
        }
    }

    /// Publishes a new state, and logs each change once.
    fn set_state(&self, state: ConnectionState, why: &(impl std::fmt::Display + ?Sized)) {
        let changed = self.state.send_if_modified(|current| std::mem::replace(current, state) != state);
        // These are lost whenever a queue that is not available is tried; it is that queue that is named then.
        if !changed || matches!(self.role, Role::Apart | Role::Browsing) {
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

async fn restore(session: &Session, topology: &Topology) -> Result<(), BrokerFault> {
    let Ok(restored) = tokio::time::timeout(RESTORE_TIMEOUT, declare::restore(session, topology)).await else {
        // One unavailable queue must not stop the others; consumers declare again what they miss.
        warn!("not everything could be declared again within {RESTORE_TIMEOUT:?}");
        return Ok(());
    };
    restored
}

/// Makes the first connection: a broker that is just starting gets a few seconds, a broker that refuses the user does not.
async fn connect_first(address: &Address, role: Role) -> Result<Dialled> {
    let begin = Instant::now();
    let mut attempt = 0;
    loop {
        let node = address.uri();
        let fault = match told_when_slow(node, role, connect(address, role)).await {
            Ok(connection) => return Ok(connection),
            Err(fault) => fault,
        };
        if let Some(refused) = refusal(node, &fault) {
            return Err(refused);
        }
        attempt += 1;
        let is_last_node = attempt as usize >= address.nodes();
        let wait = if is_last_node { backoff::delay(attempt, begin.elapsed()) } else { Duration::ZERO };
        if is_last_node && begin.elapsed() + wait >= FIRST_CONNECTION_TIMEOUT {
            let others = if address.nodes() > 1 { ", nor does another node" } else { "" };
            return Err(Error::new(
                ErrorKind::Connection,
                format!(
                    "RabbitMQ at {} does not answer ({}){others}; start it, or correct RABBIT_URL: {PORTS}",
                    Shown(node),
                    fault.text()
                ),
            ));
        }
        sleep(wait).await;
    }
}

/// What is most often wrong with an address where something else answers.
const PORTS: &str =
    "its port is that of AMQP, as a rule 5672, or 5671 with `amqps://`, and not 15672, the management's";

/// Awaits a connection, and says so once when it takes long. Both connections wait for the same broker: one of them says it.
async fn told_when_slow<T>(node: &AMQPUri, role: Role, connecting: impl Future<Output = T>) -> T {
    let mut connecting = std::pin::pin!(connecting);
    tokio::select! {
        connected = connecting.as_mut() => return connected,
        () = sleep(SILENCE) => {}
    }
    if role == Role::Publishing {
        let address = Shown(node);
        warn!("what listens at {address} is not AMQP, or does not answer; waiting up to {CALL_TIMEOUT:?}: {PORTS}");
    }
    connecting.await
}

/// The error for a failure that another attempt does not change: the broker refuses the user or the virtual host.
fn refusal(node: &AMQPUri, fault: &BrokerFault) -> Option<Error> {
    let (BrokerFault::Channel { text, .. } | BrokerFault::Protocol { text }) = fault else {
        return None;
    };
    if let Some(remedy) = limit::remedy(text) {
        let address = Shown(node);
        let text = format!("RabbitMQ at {address} allows no more connections ({text}); {remedy}");
        return Some(Error::new(ErrorKind::Connection, text));
    }
    let remedy = if text.contains("vhost") {
        "create the virtual host and give the user permission, or correct RABBIT_URL"
    } else {
        "correct the user and the password in RABBIT_URL"
    };
    Some(Error::new(
        ErrorKind::Settings,
        format!("RabbitMQ at {} refuses user `{}` ({text}); {remedy}", Shown(node), node.authority.userinfo.username),
    ))
}

/// Connects to the node whose turn it is; where that fails, it is another one's turn.
pub(super) async fn connect(address: &Address, role: Role) -> Result<Dialled, BrokerFault> {
    let name = format!("{} ({})", address.service, role.name());
    let properties = lapin::ConnectionProperties::default().with_connection_name(name.into());
    let turn = address.turn();
    // Where there are others, nobody waits long for one of them.
    let timeout = if address.nodes() > 1 { NODE_TIMEOUT } else { CALL_TIMEOUT };
    let dialled = with_timeout(timeout, dial(address, address.of(turn), properties).boxed()).await;
    match dialled {
        Ok(connection) => Ok(Dialled { connection, turn }),
        Err(fault) => {
            address.end(turn);
            Err(fault)
        }
    }
}

/// A connection to the node of a turn.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) connection: lapin::Connection,
    turn: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock stands still while there is something to do, and then moves to the next timeout.
    #[tokio::test(start_paused = true)]
    async fn a_port_where_nothing_speaks_amqp_is_named_with_what_is_probably_wrong() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("amqp://guest:hunter2@{}", silent.local_addr().unwrap());
        let address = Address::from_settings(&bloodbank_core::Settings::from_vars([("RABBIT_URL", &*url)]).unwrap());
        let begin = Instant::now();
        let error = connect_first(&address.unwrap(), Role::Publishing).await.unwrap_err();
        assert!(begin.elapsed() <= CALL_TIMEOUT + FIRST_CONNECTION_TIMEOUT, "{:?}", begin.elapsed());
        assert_eq!(error.kind(), ErrorKind::Connection);
        let said = error.to_string();
        assert!(said.contains("5672, or 5671 with `amqps://`, and not 15672"), "{said}");
        assert!(said.contains(&silent.local_addr().unwrap().to_string()) && !said.contains("hunter2"), "{said}");
    }
}
