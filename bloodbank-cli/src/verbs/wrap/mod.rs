//! `bb wrap`.

mod pipes;
mod pty;
mod record;
mod redact;

use std::{
    borrow::Cow,
    ffi::OsString,
    io::{self, IsTerminal},
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank_core::envelope::{Source, TriggerType};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;

use self::record::Record;
use crate::{
    bus,
    door::{Door, Draft, Via},
    fault::{Done, Fault},
    output, program,
    project::Project,
};

/// Run the command line of a language model; publish what was asked and what it answered
///
/// The program runs as it would without this: at a terminal in a terminal of its own, otherwise on pipes. Its exit code is
/// passed on. `llm.prompt` is published while it runs, as soon as the prompt is known: what it is given on standard input,
/// otherwise its arguments, in which secrets are blotted out. At its end follows `llm.response` or, when it fails,
/// `llm.error`, as an effect of the prompt. The program never waits for the bus, and runs without one, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb wrap claude -- -p 'Explain event sourcing'
  git diff | bb wrap --provider anthropic claude -- -p 'Review this'")]
pub(crate) struct Wrap {
    /// Whose model; default: the name of the program
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Which model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// How much of what was asked and answered is published, in bytes each
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

/// What happened.
pub(super) struct Ran {
    status: ExitStatus,
    output: Record,
}

/// Tells what a program was given on standard input as soon as that is known; `None`: nothing that would be a prompt.
type Known = mpsc::Sender<Option<Record>>;

/// What was asked, and whether it is on the bus.
struct Prompt {
    id: Uuid,
    payload: Value,
    started: DateTime<Utc>,
    published: Done,
}

/// A bus that does not answer keeps nobody longer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Wrap {
    pub(crate) fn run(self) -> Done {
        bus::block_on_quietly(async {
            let wrap = Arc::new(self);
            let (started, start) = (Utc::now(), Instant::now());
            let (known, given) = mpsc::channel(1);
            // Beside the program, which waits for nothing of it.
            let asking = tokio::spawn(Arc::clone(&wrap).ask(given, started));
            let at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
            let ran = if at_terminal {
                pty::run(&wrap.program, &wrap.args, wrap.limit, known).await
            } else {
                pipes::run(&wrap.program, &wrap.args, wrap.limit, known).await
            };
            let ran = ran.map_err(|error| {
                let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
                Fault::failed(format!("`{}` cannot be run: {error}", wrap.program.display())).with_code(code)
            })?;
            let code = exit_code(ran.status);
            match tokio::time::timeout(PATIENCE, wrap.finish(asking, &ran, start.elapsed())).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => output::note(&format!("not published: {fault}")),
                Err(_) => output::note("not published: the bus does not answer"),
            }
            if code == 0 { Ok(()) } else { Err(Fault::code(code)) }
        })
    }

    /// Publishes the prompt once it is known; `None`: the program was never started.
    async fn ask(self: Arc<Self>, mut given: mpsc::Receiver<Option<Record>>, started: DateTime<Utc>) -> Option<Prompt> {
        let given = given.recv().await?;
        let (id, payload) = (Uuid::new_v4(), self.prompt(given));
        let published = self.publish(&[draft("llm.prompt", &payload, &[], Some(id), started)]).await;
        Some(Prompt { id, payload, started, published })
    }

    /// Publishes what became of it, and the prompt where that did not succeed before.
    async fn finish(&self, asking: JoinHandle<Option<Prompt>>, ran: &Ran, took: Duration) -> Done {
        let prompt = asking.await.ok().flatten().ok_or_else(|| Fault::failed("the prompt is not known"))?;
        let (key, answer) = self.answer(ran, prompt.id, took);
        let (parents, now) = ([prompt.id], Utc::now());
        let answer = draft(key, &answer, &parents, None, now);
        match prompt.published {
            Ok(()) => self.publish(&[answer]).await,
            Err(_) => {
                let asked = draft("llm.prompt", &prompt.payload, &[], Some(prompt.id), prompt.started);
                self.publish(&[asked, answer]).await
            }
        }
    }

    /// On a bus that is open no longer than this takes: the file of one belongs to whoever has it open, such as what the
    /// program runs.
    async fn publish(&self, drafts: &[Draft<'_>]) -> Done {
        let Some(door) = Door::open_lasting(self.via).await? else {
            return Err(Fault::failed(
                "no bus is configured; start `serve`, or set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to a file",
            ));
        };
        let mut done = Ok(());
        for draft in drafts {
            done = door.publish(draft).await.map(|_| ());
            if done.is_err() {
                break;
            }
        }
        door.close().await;
        done
    }

    fn name(&self) -> Cow<'_, str> {
        std::path::Path::new(&self.program).file_name().unwrap_or(&self.program).to_string_lossy()
    }

    fn provider(&self) -> Cow<'_, str> {
        self.provider.as_deref().map_or_else(|| self.name(), Cow::Borrowed)
    }

    /// What it was given on standard input, otherwise its arguments.
    fn prompt(&self, given: Option<Record>) -> Value {
        let arguments = redact::command_line(&self.args);
        let given = given.as_ref().map(Record::text).filter(|text| !text.trim().is_empty());
        let asked = match given {
            Some(text) => text,
            None if arguments.is_empty() => self.name().into_owned(),
            None => arguments.clone(),
        };
        let project = Project::here();
        json!({
            "provider": self.provider(),
            "model": self.model,
            "prompt": asked,
            "project": project.name,
            "working_dir": project.folder,
            "tags": ["wrap"],
            "metadata": { "program": self.name(), "arguments": arguments },
        })
    }

    /// What became of it.
    fn answer(&self, ran: &Ran, prompt: Uuid, took: Duration) -> (&'static str, Value) {
        let (provider, said) = (self.provider(), ran.output.text());
        if ran.status.success() {
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            return (
                "llm.response",
                json!({ "provider": provider, "model": self.model, "prompt_id": prompt.to_string(), "response": said, "duration_ms": took }),
            );
        }
        let code = exit_code(ran.status);
        (
            "llm.error",
            json!({
                "provider": provider,
                "model": self.model,
                "error_message": format!("the program ended: {}", ran.status),
                "error_code": format!("EXIT_{code}"),
                "metadata": { "prompt_id": prompt.to_string(), "output": said },
            }),
        )
    }
}

fn draft<'a>(
    key: &'a str,
    payload: &'a Value,
    parents: &'a [Uuid],
    event_id: Option<Uuid>,
    time: DateTime<Utc>,
) -> Draft<'a> {
    let source = Source::new(TriggerType::Agent, program::name());
    Draft { key, payload, parents, event_id, timestamp: Some(time), source }
}

/// As a shell has it: 128 and the signal for a program that was killed.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(255);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)
}
