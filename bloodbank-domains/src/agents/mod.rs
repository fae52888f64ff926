//! The executor of [`AgentThreadPrompt`]: asks an agent and replies with its answer.
//!
//! Linking this module (feature `agents`) makes a program an executor of the command. The app provides the state and
//! runs the commands:
//!
//! ```
//! # use bloodbank_core::{App, CommandManager};
//! # use bloodbank_testing::TestBus;
//! # use bloodbank_domains::agents::Agents;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> bloodbank_core::Result<()> {
//! # let bus = TestBus::new().bus();
//! let app = App::new("agents", bus).state(Agents::from_env()?).commands(CommandManager::linked());
//! # drop(app); Ok(()) }
//! ```
//!
//! The settings choose the agent ([`AgentSettings`]): a program (`exec`), a chat endpoint (`http`), or an echo of the
//! prompt (`echo`, to try things out). There is no default: without a choice every prompt ends in `agent.thread.error`,
//! which names the setting.

mod echo;
mod exec;
#[cfg(feature = "http")]
mod http;
mod provider;
mod settings;

use std::{fmt, sync::Arc, time::Instant};

use bloodbank_core::{Command, CommandContext, EventCollector, Result};
use bloodbank_macros::command;

use crate::{
    agent::{AgentThreadError, AgentThreadPrompt, AgentThreadResponse},
    failure::Failure,
};
pub use echo::Echo;
pub use exec::{Exec, Output};
#[cfg(feature = "http")]
pub use http::{Http, InvalidSetting};
pub use provider::{AgentFailure, AgentProvider, Answer, Limits, Question};
pub use settings::{AgentChoice, AgentSettings};

/// The state of the command: the provider that prompts are sent to. Cheap to clone.
#[derive(Clone, Default)]
pub struct Agents {
    provider: Option<Arc<dyn AgentProvider>>,
}

impl Agents {
    /// Makes the state with this provider.
    pub fn new(provider: impl AgentProvider) -> Self {
        Self { provider: Some(Arc::new(provider)) }
    }

    /// Makes the state with the provider that the environment, `.env` or `bloodbank.toml` chooses.
    ///
    /// # Errors
    /// [`bloodbank_core::ErrorKind::Settings`] naming every variable with a bad value, and what is allowed.
    pub fn from_env() -> Result<Self> {
        Self::from_settings(&AgentSettings::load()?)
    }

    /// Makes the state with the provider that the settings choose.
    ///
    /// # Errors
    /// [`bloodbank_core::ErrorKind::Settings`] when the provider cannot be used.
    pub fn from_settings(settings: &AgentSettings) -> Result<Self> {
        Ok(match &settings.choice {
            None => Self::default(),
            Some(AgentChoice::Echo) => Self::new(Echo),
            Some(AgentChoice::Exec(exec)) => Self::new(exec.clone()),
            #[cfg(feature = "http")]
            Some(AgentChoice::Http(http)) => Self::new(http.clone()),
        })
    }

    async fn ask(&self, prompt: &AgentThreadPrompt) -> Result<Answer, AgentFailure> {
        let Some(provider) = &self.provider else {
            return Err(AgentFailure::permanent("NOT_CONFIGURED", settings::NOT_CONFIGURED));
        };
        let model = prompt.model.as_deref();
        provider.ask(Question { prompt: &prompt.prompt, model, working_dir: prompt.working_dir.as_deref() }).await
    }
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agents").field("provider", &self.provider.as_ref().map(|provider| provider.name())).finish()
    }
}

/// An agent may take minutes; each provider has a limit of its own, below this one.
#[command(timeout = "15m", concurrency = 4, retry(max_attempts = 3, backoff = "5s..1m"))]
impl Command for AgentThreadPrompt {
    type State = Agents;
    type Failure = AgentThreadError;

    async fn execute(
        &self,
        context: &CommandContext<Agents>,
        _: &mut EventCollector,
    ) -> Result<AgentThreadResponse, AgentThreadError> {
        let start = Instant::now();
        match context.state().ask(self).await {
            Ok(answer) => Ok(AgentThreadResponse {
                provider: self.provider.clone(),
                prompt_id: Some(context.event_id().to_string()),
                response: answer.text,
                model: answer.model.or_else(|| self.model.clone()),
                tokens_used: answer.tokens_used,
                duration_ms: u64::try_from(start.elapsed().as_millis()).ok(),
            }),
            Err(failure) => {
                let error = Failure::of(&failure).code(&failure.code).retryable(failure.is_retryable);
                let error = AgentThreadError::new(&self.provider, error.while_handling(context));
                Err(AgentThreadError { model: self.model.clone(), ..error })
            }
        }
    }
}
