//! `bb wrap`.

mod pipes;
mod pty;
mod record;
mod redact;

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    process::ExitStatus,
    time::{Duration, Instant},
};

use bloodbank_core::envelope::{Source, TriggerType};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
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
/// passed on. `llm.prompt` holds what it was given on standard input, otherwise its arguments, in which secrets are blotted
/// out; `llm.response` or, when it fails, `llm.error` follows as its effect. Without a bus it runs all the same.
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
    /// What it was given on standard input; `None` at a terminal.
    input: Option<Record>,
    output: Record,
}

/// A bus that does not answer keeps nobody longer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Wrap {
    pub(crate) fn run(self) -> Done {
        bus::block_on(async {
            let (started, start) = (Utc::now(), Instant::now());
            let at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
            let ran = if at_terminal {
                pty::run(&self.program, &self.args, self.limit).await
            } else {
                pipes::run(&self.program, &self.args, self.limit).await
            };
            let ran = ran.map_err(|error| {
                let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
                Fault::failed(format!("`{}` cannot be run: {error}", self.program.display())).with_code(code)
            })?;
            let code = exit_code(ran.status);
            match tokio::time::timeout(PATIENCE, self.publish(&ran, started, start.elapsed())).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => output::note(&format!("not published: {fault}")),
                Err(_) => output::note("not published: the bus does not answer"),
            }
            if code == 0 { Ok(()) } else { Err(Fault::code(code)) }
        })
    }

    async fn publish(&self, ran: &Ran, started: DateTime<Utc>, took: Duration) -> Done {
        let Some(door) = Door::open_lasting(self.via).await? else {
            return Err(Fault::failed(
                "no bus is configured; start `serve`, or set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to a file",
            ));
        };
        let name = std::path::Path::new(&self.program).file_name().unwrap_or(&self.program).to_string_lossy();
        let provider = self.provider.as_deref().unwrap_or(&name);
        let arguments = redact::command_line(&self.args);
        let given = ran.input.as_ref().map(Record::text).filter(|text| !text.trim().is_empty());
        let asked = match given {
            Some(text) => text,
            None if arguments.is_empty() => name.to_string(),
            None => arguments.clone(),
        };
        let project = Project::here();
        let prompt = json!({
            "provider": provider,
            "model": self.model,
            "prompt": asked,
            "project": project.name,
            "working_dir": project.folder,
            "tags": ["wrap"],
            "metadata": { "program": name, "arguments": arguments },
        });
        let prompt = self.send(&door, "llm.prompt", &prompt, &[], started).await?;
        let (key, answer) = self.answer(ran, provider, prompt, took);
        self.send(&door, key, &answer, &[prompt], Utc::now()).await?;
        door.close().await;
        Ok(())
    }

    /// What became of it.
    fn answer(&self, ran: &Ran, provider: &str, prompt: Uuid, took: Duration) -> (&'static str, Value) {
        let said = ran.output.text();
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

    async fn send(
        &self,
        door: &Door,
        key: &str,
        payload: &Value,
        parents: &[Uuid],
        time: DateTime<Utc>,
    ) -> Result<Uuid, Fault> {
        let source = Source::new(TriggerType::Agent, program::name());
        let draft = Draft { key, payload, parents, event_id: None, timestamp: Some(time), source };
        Ok(door.publish(&draft).await?.event_id)
    }
}

/// As a shell has it: 128 and the signal for a program that was killed.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(255);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)
}
