//! A program, such as the command line of an agent: the prompt goes in, the answer comes out.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::{
    AgentFailure, AgentProvider, Answer, Asked, Terms,
    provider::{excerpt, tokens},
};

/// `EX_TEMPFAIL` of sysexits.h: the program says that another attempt can help.
const TEMPORARY: i32 = 75;
/// How much of what the program complains about is kept, in bytes.
const COMPLAINT: usize = 4096;
/// What services know and agents have no need of.
const SECRETS: [&str; 9] = [
    "RABBIT_URL",
    "REDIS_URL",
    "REDIS_PASSWORD",
    "BLOODBANK_AGENT_KEY",
    "BLOODBANK_TOKEN",
    "BLOODBANK_TOKENS",
    "BLOODBANK_TOKENS_FILE",
    "FIREFLIES_WEBHOOK_SECRET",
    "GITHUB_WEBHOOK_SECRET",
];

/// Runs a program for each prompt.
///
/// The prompt is its standard input, never an argument; the wanted model stands in the variable
/// `BLOODBANK_AGENT_MODEL`. What it prints is the answer. It runs in a process group of its own, which is killed when
/// the time is over, when it prints too much, or when nobody waits for the answer any more. It gets the environment of
/// the service without its addresses and passwords.
///
/// Exit status 0 is an answer, 75 (`EX_TEMPFAIL`) a failure that is worth another attempt, any other a failure.
#[derive(Debug, Clone)]
pub struct Exec {
    program: OsString,
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
    output: Output,
    terms: Terms,
}

/// What a program prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    /// The answer.
    #[default]
    Text,
    /// An object with the answer in `result` or `response`, and perhaps `model` and `usage`.
    Json,
}

impl Exec {
    /// A program with its arguments.
    pub fn new<A: Into<OsString>>(program: impl Into<OsString>, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            directory: None,
            output: Output::Text,
            terms: Terms::default(),
        }
    }

    /// Where it works. A prompt with a `working_dir` is run there, if that lies in this directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// What it prints.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// How long it may take, how much it may print, and the model for prompts that want none.
    #[must_use]
    pub fn terms(mut self, terms: Terms) -> Self {
        self.terms = terms;
        self
    }

    async fn run(&self, asked: Asked<'_>) -> Result<Answer, AgentFailure> {
        let Terms { timeout, max_output, .. } = self.terms;
        let model = self.terms.model_for(asked);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).env_remove("BLOODBANK_AGENT_MODEL");
        #[cfg(unix)]
        command.process_group(0);
        for secret in SECRETS {
            command.env_remove(secret);
        }
        if let Some(model) = model {
            command.env("BLOODBANK_AGENT_MODEL", model);
        }
        if let Some(directory) = self.working_dir(asked.working_dir)? {
            command.current_dir(directory);
        }
        let child = command.spawn().map_err(|error| {
            let program = Path::new(&self.program).display();
            AgentFailure::permanent("CANNOT_START", format!("`{program}` cannot be started: {error}"))
        })?;
        let finished = match tokio::time::timeout(timeout, talk(child, asked.prompt, max_output)).await {
            Ok(Ok(finished)) => finished,
            Ok(Err(Broken::TooLarge)) => {
                let message = format!("the agent printed more than {max_output} bytes and was stopped");
                return Err(AgentFailure::permanent("TOO_LARGE", message));
            }
            Ok(Err(Broken::Pipe(error))) => {
                return Err(AgentFailure::retryable("BROKEN_PIPE", format!("the agent cannot be talked to: {error}")));
            }
            Err(_) => {
                let message = format!("the agent did not answer within {timeout:?} and was stopped");
                return Err(AgentFailure::permanent("TIMEOUT", message));
            }
        };
        let mut answer = self.read(finished)?;
        answer.model = answer.model.or_else(|| model.map(str::to_owned));
        Ok(answer)
    }

    /// The directory for this prompt.
    fn working_dir(&self, wanted: Option<&str>) -> Result<Option<PathBuf>, AgentFailure> {
        let refused = |message: String| AgentFailure::permanent("WORKING_DIR", message);
        let (root, wanted) = match (&self.directory, wanted) {
            (None, None) => return Ok(None),
            (None, Some(wanted)) => {
                return Err(refused(format!(
                    "the prompt wants to work in {wanted:?}; set BLOODBANK_AGENT_DIRECTORY to a directory that holds it"
                )));
            }
            (Some(root), wanted) => (root, wanted.unwrap_or_default()),
        };
        let root = root.canonicalize().map_err(|error| {
            refused(format!("BLOODBANK_AGENT_DIRECTORY ({}) cannot be used: {error}", root.display()))
        })?;
        // A path join of foreign text, so what counts is where it leads in the end, links included.
        let directory = root.join(wanted).canonicalize();
        match directory.ok().filter(|directory| directory.starts_with(&root) && directory.is_dir()) {
            Some(directory) => Ok(Some(directory)),
            None => Err(refused(format!("{wanted:?} is no directory in BLOODBANK_AGENT_DIRECTORY"))),
        }
    }

    fn read(&self, finished: Finished) -> Result<Answer, AgentFailure> {
        let Finished { status, output, complaint } = finished;
        if !status.success() {
            let complaint = excerpt(&String::from_utf8_lossy(&complaint));
            let message = format!("the agent ended with {status}: {complaint}");
            let code = status.code().map_or_else(|| "KILLED".to_owned(), |code| format!("EXIT_{code}"));
            let is_retryable = status.code() == Some(TEMPORARY);
            return Err(AgentFailure { code, message, is_retryable });
        }
        match self.output {
            Output::Text => {
                let text = String::from_utf8_lossy(&output).trim_end().to_owned();
                Ok(Answer { text, model: None, tokens_used: None })
            }
            Output::Json => read_json(&output).ok_or_else(|| {
                let printed = excerpt(&String::from_utf8_lossy(&output));
                let message = format!("the agent printed no object with a text in `result` or `response`: {printed}");
                AgentFailure::permanent("BAD_OUTPUT", message)
            }),
        }
    }
}

fn read_json(output: &[u8]) -> Option<Answer> {
    let value: Value = serde_json::from_slice(output).ok()?;
    let text = value.get("result").or_else(|| value.get("response"))?.as_str()?.to_owned();
    let model = value.get("model").and_then(Value::as_str).map(str::to_owned);
    Some(Answer { text, model, tokens_used: value.get("usage").and_then(tokens) })
}

/// A program that has ended.
struct Finished {
    status: ExitStatus,
    output: Vec<u8>,
    complaint: Vec<u8>,
}

/// Why a program was not talked to until it ended.
enum Broken {
    Pipe(io::Error),
    TooLarge,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

/// Writes the prompt and reads everything, both at once: a program may answer before it has read all.
async fn talk(mut child: Child, prompt: &str, limit: usize) -> Result<Finished, Broken> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Dropped before the child, which is not waited for until then: its id is still its own.
    let mut group = Group::of(&child);
    let write = async {
        if let Some(mut stdin) = stdin {
            // Whoever does not read the prompt may answer all the same.
            let _ = stdin.write_all(prompt.as_bytes()).await;
        }
        Ok::<_, Broken>(())
    };
    let read = async {
        let output = read_up_to(stdout, limit.saturating_add(1)).await?;
        if output.len() > limit { Err(Broken::TooLarge) } else { Ok(output) }
    };
    let complain = async {
        let mut stderr = stderr;
        let complaint = read_up_to(stderr.as_mut(), COMPLAINT).await?;
        // Without somebody who reads, it would wait.
        if let Some(stderr) = &mut stderr {
            tokio::io::copy(stderr, &mut tokio::io::sink()).await?;
        }
        Ok(complaint)
    };
    let ((), output, complaint) = tokio::try_join!(write, read, complain)?;
    let status = child.wait().await?;
    group.forget();
    Ok(Finished { status, output, complaint })
}

async fn read_up_to(from: Option<impl AsyncRead + Unpin>, limit: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    if let Some(from) = from {
        from.take(limit as u64).read_to_end(&mut read).await?;
    }
    Ok(read)
}

/// The processes that a program has started; killed when dropped.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self { leader: id.and_then(rustix::process::Pid::from_raw) }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }

    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader.take() {
            // It may have ended already.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }

    /// It has ended by itself; its id may soon be another's.
    fn forget(&mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

impl AgentProvider for Exec {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Answer, AgentFailure>> {
        Box::pin(self.run(asked))
    }
}
