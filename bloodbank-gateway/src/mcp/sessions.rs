//! The sessions of agents. Each belongs to the token that began it, and a token may have only so many at a time.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::Stream;
use parking_lot::Mutex;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::{
        SessionId,
        session::{ServerSseMessage, SessionManager, local::LocalSessionManager},
    },
};

use crate::auth::Caller;

/// The name of a token; `None` in a gateway without tokens.
type Owner = Option<Arc<str>>;

/// The sessions of a gateway.
#[derive(Default)]
pub(crate) struct Sessions {
    local: LocalSessionManager,
    owners: Mutex<Owners>,
}

#[derive(Default)]
struct Owners {
    of_session: HashMap<SessionId, Owner>,
    /// The sessions of each owner, those that are about to begin included.
    count: HashMap<Owner, usize>,
}

impl Owners {
    fn give_back(&mut self, owner: &Owner) {
        if let Some(count) = self.count.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                self.count.remove(owner);
            }
        }
    }
}

impl Sessions {
    /// Whether a session is that of another token.
    pub(crate) fn is_of_another(&self, session: &str, caller: &Caller) -> bool {
        self.owners.lock().of_session.get(session).is_some_and(|owner| *owner != caller.name)
    }
}

/// The sessions of a gateway as a request of one caller sees them.
pub(crate) struct CallerSessions {
    sessions: Arc<Sessions>,
    owner: Owner,
    most: usize,
    is_full: Arc<AtomicBool>,
}

impl CallerSessions {
    /// The sessions of a caller, who may have `most` at a time.
    pub(crate) fn new(sessions: Arc<Sessions>, caller: &Caller, most: usize) -> Self {
        Self { sessions, owner: caller.name.clone(), most, is_full: Arc::default() }
    }

    /// Tells, after the request, whether it was refused because the caller has as many sessions as allowed.
    pub(crate) fn is_full(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_full)
    }

    fn reserve(&self) -> Result<(), SessionError> {
        let mut owners = self.sessions.owners.lock();
        let count = owners.count.entry(self.owner.clone()).or_default();
        if *count >= self.most {
            self.is_full.store(true, Ordering::Relaxed);
            return Err(SessionError::Full);
        }
        *count += 1;
        Ok(())
    }
}

/// The error of a session.
#[derive(Debug)]
pub(crate) enum SessionError {
    /// The caller has as many sessions as allowed.
    Full,
    Local(<LocalSessionManager as SessionManager>::Error),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("this token has as many sessions as it may have"),
            Self::Local(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionError {}

impl SessionManager for CallerSessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        self.reserve()?;
        let created = self.sessions.local.create_session().await;
        let mut owners = self.sessions.owners.lock();
        match &created {
            Ok((id, _)) => drop(owners.of_session.insert(Arc::clone(id), self.owner.clone())),
            Err(_) => owners.give_back(&self.owner),
        }
        created.map_err(SessionError::Local)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        self.sessions.local.initialize_session(id, message).await.map_err(SessionError::Local)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        self.sessions.local.has_session(id).await.map_err(SessionError::Local)
    }

    // Also called at the end of a session that ends by itself.
    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        {
            let mut owners = self.sessions.owners.lock();
            if let Some(owner) = owners.of_session.remove(id) {
                owners.give_back(&owner);
            }
        }
        self.sessions.local.close_session(id).await.map_err(SessionError::Local)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.sessions.local.create_stream(id, message).await.map_err(SessionError::Local)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), SessionError> {
        self.sessions.local.accept_message(id, message).await.map_err(SessionError::Local)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.sessions.local.create_standalone_stream(id).await.map_err(SessionError::Local)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.sessions.local.resume(id, last_event_id).await.map_err(SessionError::Local)
    }
}
