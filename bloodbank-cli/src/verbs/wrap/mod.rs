//! `bb wrap`.

mod capture;
mod pipes;
mod pty;
mod redact;

use std::{
    borrow::Cow,
    ffi::OsString,
    io::{self, IsTerminal},
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank_client::{Project, PublishRequest};
use bloodbank_core::envelope::{Source, TriggerType};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;

use self::capture::Capture;
use crate::{
    args::Via,
    connect::{self, LASTING_BUS},
    error::{CliError, Result},
    linked, output,
    program_name::program_name,
    runtime,
};

/// Run the command line of a language model, and publish its prompt and its answer
///
/// The program runs as it would without `wrap`: at a terminal in a terminal of its own, otherwise on pipes. Its exit code is
/// passed on. While the program runs, `llm.prompt` is published as soon as the prompt is known: what the program is given on
/// standard input, otherwise its arguments, in which secrets are blotted out. When the program has ended, `llm.response` or,
/// after a failure, `llm.error` is published as an effect of the prompt. The program never waits for the bus, and runs
/// without one too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb wrap claude -- -p 'Explain event sourcing'
  git diff | bb wrap --provider anthropic claude -- -p 'Review this'
  bb wrap --agent claude -- -p 'Explain event sourcing'")]
pub(crate) struct Wrap {
    /// The provider of the model; default: the name of the program
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The name of the model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Publish the events of agents, `agent.thread.prompt`, `.response` and `.error`, in place of those of models. The prompt is
    /// then a command: whoever executes it answers it a second time
    #[arg(long)]
    agent: bool,
    /// The largest part of the prompt and of the answer that is published, in bytes each
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    limit: usize,
    /// Which way to the bus
    #[arg(long, value_name = "WAY", default_value = "auto")]
    via: Via,
    /// The program
    program: OsString,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// A program that has ended.
pub(super) struct Finished {
    status: ExitStatus,
    output: Capture,
}

/// Sends what a program was given on standard input as soon as that is known; `None`: nothing that would be a prompt.
type StdinSender = mpsc::Sender<Option<Capture>>;

/// The prompt, and whether it is published.
struct Prompt {
    id: Uuid,
    payload: Value,
    started: DateTime<Utc>,
    published: Result,
}

/// The keys of the prompt, of its answer and of its failure.
struct Keys {
    prompt: &'static str,
    response: &'static str,
    error: &'static str,
}

const OF_MODELS: Keys = Keys { prompt: "llm.prompt", response: "llm.response", error: "llm.error" };
const OF_AGENTS: Keys =
    Keys { prompt: "agent.thread.prompt", response: "agent.thread.response", error: "agent.thread.error" };

/// A bus that does not answer keeps this process no longer than this after the program has ended.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

impl Wrap {
    pub(crate) fn run(self) -> Result {
        runtime::block_on_quietly(async {
            let keys = self.keys();
            // The program runs all the same.
            if let Err(error) = linked::require("wrap", &[keys.prompt, keys.response, keys.error], self.via).await {
                output::note(&format!("nothing will be published: {error}"));
            }
            let wrap = Arc::new(self);
            let (started, start) = (Utc::now(), Instant::now());
            let (stdin_seen, given) = mpsc::channel(1);
            // Beside the program, which waits for nothing of it.
            let asking = tokio::spawn(Arc::clone(&wrap).ask(given, started));
            let at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
            let finished = if at_terminal {
                pty::run(&wrap.program, &wrap.args, wrap.limit, stdin_seen).await
            } else {
                pipes::run(&wrap.program, &wrap.args, wrap.limit, stdin_seen).await
            };
            let finished = finished.map_err(|error| {
                let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
                CliError::failed(format!("`{}` cannot be run: {error}", wrap.program.display())).with_code(code)
            })?;
            let code = exit_code(finished.status);
            match tokio::time::timeout(PUBLISH_TIMEOUT, wrap.finish(asking, &finished, start.elapsed())).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => output::note(&format!("not published: {error}")),
                Err(_) => output::note("not published: the bus does not answer"),
            }
            if code == 0 { Ok(()) } else { Err(CliError::exit_code(code)) }
        })
    }

    /// Publishes the prompt as soon as it is known; `None`: the program was never started.
    async fn ask(
        self: Arc<Self>,
        mut given: mpsc::Receiver<Option<Capture>>,
        started: DateTime<Utc>,
    ) -> Option<Prompt> {
        let given = given.recv().await?;
        let (id, payload) = (Uuid::new_v4(), self.prompt(given));
        let published = self.publish(&[request(self.keys().prompt, &payload, &[], started).event_id(id)]).await;
        Some(Prompt { id, payload, started, published })
    }

    /// Publishes the answer, and the prompt where that did not succeed before.
    async fn finish(&self, asking: JoinHandle<Option<Prompt>>, finished: &Finished, took: Duration) -> Result {
        let prompt = asking.await.ok().flatten().ok_or_else(|| CliError::failed("the prompt is not known"))?;
        let (key, answer) = self.answer(finished, prompt.id, took);
        let (causes, now) = ([prompt.id], Utc::now());
        let answer = request(key, &answer, &causes, now);
        match prompt.published {
            Ok(()) => self.publish(&[answer]).await,
            Err(_) => {
                let asked = request(self.keys().prompt, &prompt.payload, &[], prompt.started).event_id(prompt.id);
                self.publish(&[asked, answer]).await
            }
        }
    }

    /// Publishes on a bus that is open no longer than this takes: the file of a bus belongs to whoever has it open, which
    /// may be what the program runs.
    async fn publish(&self, requests: &[PublishRequest<'_>]) -> Result {
        let Some(connection) = connect::open_lasting(self.via).await? else {
            return Err(CliError::failed(format!("no bus is configured; {LASTING_BUS}")));
        };
        let mut done = Ok(());
        for request in requests {
            done = connection.publish(request).await.map(|_| ());
            if done.is_err() {
                break;
            }
        }
        connection.close().await;
        Ok(done?)
    }

    fn keys(&self) -> &'static Keys {
        if self.agent { &OF_AGENTS } else { &OF_MODELS }
    }

    fn name(&self) -> Cow<'_, str> {
        std::path::Path::new(&self.program).file_name().unwrap_or(&self.program).to_string_lossy()
    }

    fn provider(&self) -> Cow<'_, str> {
        self.provider.as_deref().map_or_else(|| self.name(), Cow::Borrowed)
    }

    /// The payload of the prompt: what the program was given on standard input, otherwise its arguments.
    fn prompt(&self, given: Option<Capture>) -> Value {
        let arguments = redact::command_line(&self.args);
        let given = given.as_ref().map(Capture::text).filter(|text| !text.trim().is_empty());
        let asked = match given {
            Some(text) => text,
            None if arguments.is_empty() => self.name().into_owned(),
            None => arguments.clone(),
        };
        let project = Project::current();
        let mut prompt = json!({
            "provider": self.provider(),
            "model": self.model,
            "prompt": asked,
            "project": project.name,
            "working_dir": project.working_directory,
            "tags": ["wrap"],
        });
        // The prompt of an agent has no place for it.
        if !self.agent {
            prompt["metadata"] = json!({ "program": self.name(), "arguments": arguments });
        }
        prompt
    }

    /// The event that answers the prompt: its key and its payload.
    fn answer(&self, finished: &Finished, prompt: Uuid, took: Duration) -> (&'static str, Value) {
        let (provider, said) = (self.provider(), finished.output.text());
        if finished.status.success() {
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            return (
                self.keys().response,
                json!({ "provider": provider, "model": self.model, "prompt_id": prompt.to_string(), "response": said, "duration_ms": took }),
            );
        }
        let code = exit_code(finished.status);
        (
            self.keys().error,
            json!({
                "provider": provider,
                "model": self.model,
                "error_message": format!("the program ended: {}", finished.status),
                "error_code": format!("EXIT_{code}"),
                "metadata": { "prompt_id": prompt.to_string(), "output": said },
            }),
        )
    }
}

fn request<'a>(key: &'a str, payload: &'a Value, causes: &'a [Uuid], time: DateTime<Utc>) -> PublishRequest<'a> {
    let source = Source::new(TriggerType::Agent, program_name());
    PublishRequest::new(key, payload, source).causes(causes).timestamp(time)
}

/// The exit code as a shell has it: 128 and the signal for a program that was killed.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(255);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)
}
