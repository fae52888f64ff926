//! The settings that choose an agent.

use std::{path::Path, time::Duration};

use bloodbank_core::{Result, settings::Reader};

use super::{Exec, Limits, Output};

const AGENT: &str = "BLOODBANK_AGENT";
const COMMAND: &str = "BLOODBANK_AGENT_COMMAND";
const DIRECTORY: &str = "BLOODBANK_AGENT_DIRECTORY";
const OUTPUT: &str = "BLOODBANK_AGENT_OUTPUT";
#[cfg(feature = "http")]
const URL: &str = "BLOODBANK_AGENT_URL";
#[cfg(feature = "http")]
const KEY: &str = "BLOODBANK_AGENT_KEY";
const MODEL: &str = "BLOODBANK_AGENT_MODEL";
const TIMEOUT: &str = "BLOODBANK_AGENT_TIMEOUT_SECONDS";
const MAX_OUTPUT: &str = "BLOODBANK_AGENT_MAX_OUTPUT_BYTES";

/// The longest timeout in seconds: less than a command may take.
const LONGEST: u64 = 840;

/// The error message of `agent.thread.error` where no agent is configured.
pub(super) const NOT_CONFIGURED: &str = "no agent is configured; set BLOODBANK_AGENT to `exec` (with \
    BLOODBANK_AGENT_COMMAND), to `http` (with BLOODBANK_AGENT_URL), or to `echo` to try things out";

/// The agent that prompts are sent to, read from the environment, `.env` and `bloodbank.toml` like
/// [`bloodbank_core::Settings`].
///
/// | variable | meaning |
/// |---|---|
/// | `BLOODBANK_AGENT` | `exec`, `http` or `echo`; unset: every prompt fails |
/// | `BLOODBANK_AGENT_COMMAND` | exec: the program and its arguments, such as `claude -p`; quoted as in a shell, but no shell runs it |
/// | `BLOODBANK_AGENT_DIRECTORY` | exec: the program's working directory; the `working_dir` of a prompt must be inside it |
/// | `BLOODBANK_AGENT_OUTPUT` | exec: the format of the output, `text` (default) or `json`, an object with `result` and `usage` |
/// | `BLOODBANK_AGENT_URL` | http: the address before `/chat/completions`, such as `http://localhost:11434/v1` |
/// | `BLOODBANK_AGENT_KEY` | http: the API key, sent as a bearer token |
/// | `BLOODBANK_AGENT_MODEL` | the model for prompts that name none |
/// | `BLOODBANK_AGENT_TIMEOUT_SECONDS` | the time that an answer may take; 300 |
/// | `BLOODBANK_AGENT_MAX_OUTPUT_BYTES` | the length that an answer may have; 1048576 |
///
/// An empty value means unset. The `Debug` output does not show the key.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AgentSettings {
    /// The chosen agent; `None` where none is configured.
    pub choice: Option<AgentChoice>,
}

/// The agent that the settings choose.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AgentChoice {
    /// The provider `echo`, which repeats the prompt.
    Echo,
    /// The provider `exec`, which runs a program.
    Exec(Exec),
    /// The provider `http`, which asks a chat endpoint.
    #[cfg(feature = "http")]
    Http(super::Http),
}

impl AgentSettings {
    /// Reads the settings from the environment, `.env` and `bloodbank.toml` in the working directory.
    ///
    /// # Errors
    /// [`bloodbank_core::ErrorKind::Settings`] naming every variable with a bad value, its source, the value (unless it may
    /// hold a secret) and the allowed values.
    pub fn load() -> Result<Self> {
        Self::read(Reader::load()?)
    }

    /// Reads the settings from `.env` and `bloodbank.toml` in this folder, and these variables in place of the environment's.
    ///
    /// # Errors
    /// Like [`AgentSettings::load`].
    pub fn load_from<K: Into<String>, V: Into<String>>(
        folder: impl AsRef<Path>,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        Self::read(Reader::load_from(folder, vars)?)
    }

    /// Reads the settings from these variables alone.
    ///
    /// ```
    /// # use bloodbank_domains::agents::AgentSettings;
    /// let error = AgentSettings::from_vars([("BLOODBANK_AGENT", "oracle")]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "BLOODBANK_AGENT in the environment is \"oracle\"; it must be `exec`, `http` or `echo`"
    /// );
    /// ```
    ///
    /// # Errors
    /// Like [`AgentSettings::load`].
    pub fn from_vars<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        Self::read(Reader::from_vars(vars))
    }

    fn read(reader: Reader) -> Result<Self> {
        let mut reader = AgentReader(reader);
        let choice = reader.choice();
        reader.0.finish().map(|()| Self { choice })
    }
}

struct AgentReader(Reader);

impl AgentReader {
    /// Reads a value; the problem with a bad one names the allowed values.
    fn get<T>(&mut self, name: &str, allowed: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.0.get(name, |value| read(value).ok_or_else(|| allowed.to_owned()))
    }

    /// Whether a setting that the agent needs is present; reports a problem if not.
    fn has(&mut self, name: &str, agent: &str, allowed: &str) -> bool {
        let has = self.0.has(name);
        if !has {
            self.0.problem(format!("{AGENT} is `{agent}`, and {name} is not set; it must be {allowed}"));
        }
        has
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.get(name, "text", |value| Some(value.to_owned()))
    }

    fn choice(&mut self) -> Option<AgentChoice> {
        // All are read, whatever is chosen: a bad value is a mistake either way.
        let timeout = self.get(TIMEOUT, &format!("a number of seconds from 1 to {LONGEST}"), |value| {
            value.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds)).map(Duration::from_secs)
        });
        let max_output = self.get(MAX_OUTPUT, &format!("a number of bytes from 1 to {}", u32::MAX), |value| {
            value.parse::<u32>().ok().filter(|bytes| *bytes > 0).map(|bytes| bytes as usize)
        });
        let output = self.get(OUTPUT, "`text` or `json`", |value| match value {
            "text" => Some(Output::Text),
            "json" => Some(Output::Json),
            _ => None,
        });
        let default = Limits::default();
        let limits = Limits {
            timeout: timeout.unwrap_or(default.timeout),
            max_output: max_output.unwrap_or(default.max_output),
            model: self.text(MODEL),
        };
        match self.get(AGENT, "`exec`, `http` or `echo`", Kind::read)? {
            Kind::Echo => Some(AgentChoice::Echo),
            Kind::Exec => self.exec(limits, output).map(AgentChoice::Exec),
            Kind::Http => self.http(limits),
        }
    }

    fn exec(&mut self, limits: Limits, output: Option<Output>) -> Option<Exec> {
        const ALLOWED: &str = "a program and its arguments, such as `claude -p`";
        if !self.has(COMMAND, "exec", ALLOWED) {
            return None;
        }
        let split = |value: &str| shlex::split(value).filter(|words| !words.is_empty());
        let words = self.get(COMMAND, ALLOWED, split)?;
        let (program, arguments) = words.split_first()?;
        let exec = Exec::new(program, arguments).output(output.unwrap_or_default()).limits(limits);
        Some(match self.text(DIRECTORY) {
            Some(directory) => exec.directory(directory),
            None => exec,
        })
    }

    #[cfg(feature = "http")]
    fn http(&mut self, limits: Limits) -> Option<AgentChoice> {
        let allowed = super::http::ALLOWED;
        if !self.has(URL, "http", allowed) {
            return None;
        }
        let mut http = self.0.get(URL, |url| super::Http::new(url).map_err(|error| error.must_be()))?;
        if self.0.has(KEY) {
            http = self.0.get(KEY, |key| http.key(key).map_err(|error| error.must_be()))?;
        }
        Some(AgentChoice::Http(http.limits(limits)))
    }

    #[cfg(not(feature = "http"))]
    fn http(&mut self, _: Limits) -> Option<AgentChoice> {
        let remedy = "`exec` or `echo`: this program is built without the feature `http` of bloodbank-domains";
        self.0.problem(format!("{AGENT} is \"http\"; it must be {remedy}"));
        None
    }
}

enum Kind {
    Echo,
    Exec,
    Http,
}

impl Kind {
    fn read(value: &str) -> Option<Self> {
        match value {
            "echo" => Some(Self::Echo),
            "exec" => Some(Self::Exec),
            "http" => Some(Self::Http),
            _ => None,
        }
    }
}
