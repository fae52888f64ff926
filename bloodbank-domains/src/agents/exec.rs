//! The provider `exec`: a program that reads the prompt and prints the answer, such as the command line of an agent.

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
    AgentFailure, AgentProvider, Answer, Limits, Question,
    provider::{excerpt, tokens},
};

/// `EX_TEMPFAIL` of sysexits.h: the program says that another attempt can help.
const TEMPORARY: i32 = 75;
/// The number of bytes of the program's standard error that are kept.
const MAX_STDERR: usize = 4096;
/// The environment variables of the service that the program does not get.
const SECRETS: [&str; 11] = [
    "RABBIT_URL",
    "REDIS_URL",
    "REDIS_PASSWORD",
    "BLOODBANK_AGENT_KEY",
    "BLOODBANK_TOKEN",
    "BLOODBANK_TOKENS",
    "BLOODBANK_TOKENS_FILE",
    "BLOODBANK_WEBHOOKS_FILE",
    "FIREFLIES_API_KEY",
    "FIREFLIES_WEBHOOK_SECRET",
    "GITHUB_WEBHOOK_SECRET",
];

/// An agent provider that runs a program for each prompt.
///
/// The program reads the prompt from its standard input, never from an argument, and the requested model from the
/// variable `BLOODBANK_AGENT_MODEL`. Its standard output is the answer. The program runs in a process group of its own,
/// which is killed when the time is over, when the output is too long, or when nobody waits for the answer any more. The
/// program gets the environment of the service without the service's addresses and passwords.
///
/// Exit status 0 is an answer, 75 (`EX_TEMPFAIL`) a failure that is worth another attempt, any other a failure.
#[derive(Debug, Clone)]
pub struct Exec {
    program: OsString,
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
    output: Output,
    limits: Limits,
}

/// The format of a program's output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// The text of the answer.
    #[default]
    Text,
    /// A JSON object with the answer in `result` or `response`, and optionally `model` and `usage`.
    Json,
}

impl Exec {
    /// Makes a provider that runs this program with these arguments.
    pub fn new<A: Into<OsString>>(program: impl Into<OsString>, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            directory: None,
            output: Output::Text,
            limits: Limits::default(),
        }
    }

    /// Sets the working directory of the program. A prompt with a `working_dir` is run there, if that directory is inside
    /// this one.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets the format of the program's output.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// Sets the limits of time and output, and the model for prompts that name none.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    async fn run(&self, question: Question<'_>) -> Result<Answer, AgentFailure> {
        let Limits { timeout, max_output, .. } = self.limits;
        let model = self.limits.model_for(question);
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
        if let Some(directory) = self.working_dir(question.working_dir)? {
            command.current_dir(directory);
        }
        let child = command.spawn().map_err(|error| {
            let program = Path::new(&self.program).display();
            AgentFailure::permanent("CANNOT_START", format!("`{program}` cannot be started: {error}"))
        })?;
        let finished = match tokio::time::timeout(timeout, talk(child, question.prompt, max_output)).await {
            Ok(Ok(finished)) => finished,
            Ok(Err(TalkError::TooLarge)) => {
                let message = format!("the agent printed more than {max_output} bytes and was stopped");
                return Err(AgentFailure::permanent("TOO_LARGE", message));
            }
            Ok(Err(TalkError::Pipe(error))) => {
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

    /// The directory in which the program runs for a prompt.
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
        let Finished { status, stdout, stderr } = finished;
        if !status.success() {
            let stderr = excerpt(&String::from_utf8_lossy(&stderr));
            let message = format!("the agent ended with {status}: {stderr}");
            let code = status.code().map_or_else(|| "KILLED".to_owned(), |code| format!("EXIT_{code}"));
            let is_retryable = status.code() == Some(TEMPORARY);
            return Err(AgentFailure { code, message, is_retryable });
        }
        match self.output {
            Output::Text => {
                let text = String::from_utf8_lossy(&stdout).trim_end().to_owned();
                Ok(Answer::new(text))
            }
            Output::Json => read_json(&stdout).ok_or_else(|| {
                let printed = excerpt(&String::from_utf8_lossy(&stdout));
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

/// The exit status and output of a program that has ended.
struct Finished {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// An error in talking to a program before it ended.
enum TalkError {
    Pipe(io::Error),
    TooLarge,
}

impl From<io::Error> for TalkError {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

/// Writes the prompt and reads everything, both at once: a program may answer before it has read all.
async fn talk(mut child: Child, prompt: &str, limit: usize) -> Result<Finished, TalkError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Dropped before the child, which is not waited for until then: its id is still its own.
    let mut group = ProcessGroup::of(&child);
    let write = async {
        if let Some(mut stdin) = stdin {
            // Whoever does not read the prompt may answer all the same.
            let _ = stdin.write_all(prompt.as_bytes()).await;
        }
        Ok::<_, TalkError>(())
    };
    let read = async {
        let output = read_up_to(stdout, limit.saturating_add(1)).await?;
        if output.len() > limit { Err(TalkError::TooLarge) } else { Ok(output) }
    };
    let read_stderr = async {
        let mut stderr = stderr;
        let kept = read_up_to(stderr.as_mut(), MAX_STDERR).await?;
        // Without somebody who reads, it would wait.
        if let Some(stderr) = &mut stderr {
            tokio::io::copy(stderr, &mut tokio::io::sink()).await?;
        }
        Ok(kept)
    };
    let ((), stdout, stderr) = tokio::try_join!(write, read, read_stderr)?;
    let status = child.wait().await?;
    group.forget();
    Ok(Finished { status, stdout, stderr })
}

async fn read_up_to(from: Option<impl AsyncRead + Unpin>, limit: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    if let Some(from) = from {
        from.take(limit as u64).read_to_end(&mut read).await?;
    }
    Ok(read)
}

/// The process group of a program and whatever the program has started; killed when dropped.
struct ProcessGroup {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl ProcessGroup {
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

    /// Forgets the group of a program that has ended by itself, whose id may soon be another's.
    fn forget(&mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

impl AgentProvider for Exec {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Answer, AgentFailure>> {
        Box::pin(self.run(question))
    }
}
