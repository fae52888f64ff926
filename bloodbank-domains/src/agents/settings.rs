//! Which agent is asked, from the environment.

use std::{collections::HashMap, time::Duration};

use bloodbank_core::{Error, ErrorKind, Result};

use super::{Exec, Output};

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

/// Below the time that a command may take.
const LONGEST: u64 = 840;

/// What `agent.thread.error` says where nothing is chosen.
pub(super) const NOT_CONFIGURED: &str = "no agent is configured; set BLOODBANK_AGENT to `exec` (with \
    BLOODBANK_AGENT_COMMAND), to `http` (with BLOODBANK_AGENT_URL), or to `echo` to try things out";

/// Which agent is asked.
///
/// | variable | meaning |
/// |---|---|
/// | `BLOODBANK_AGENT` | `exec`, `http` or `echo`; unset: every prompt fails |
/// | `BLOODBANK_AGENT_COMMAND` | exec: the program and its arguments, such as `claude -p`; quoted as in a shell, but no shell runs it |
/// | `BLOODBANK_AGENT_DIRECTORY` | exec: where it works; the `working_dir` of a prompt must lie in it |
/// | `BLOODBANK_AGENT_OUTPUT` | exec: `text` (default) or `json`, an object with `result` and `usage` |
/// | `BLOODBANK_AGENT_URL` | http: the address before `/chat/completions`, such as `http://localhost:11434/v1` |
/// | `BLOODBANK_AGENT_KEY` | http: the key, sent as a bearer token |
/// | `BLOODBANK_AGENT_MODEL` | the model for prompts that want none |
/// | `BLOODBANK_AGENT_TIMEOUT_SECONDS` | how long an answer may take; 300 |
/// | `BLOODBANK_AGENT_MAX_OUTPUT_BYTES` | how long an answer may be; 1048576 |
///
/// An empty value means unset. `Debug` shows no key.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AgentSettings {
    /// `None`: nothing is chosen.
    pub choice: Option<Choice>,
}

/// An agent that can be asked.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Repeats the question.
    Echo,
    /// A program.
    Exec(Exec),
    /// A chat endpoint.
    #[cfg(feature = "http")]
    Http(super::Http),
}

impl AgentSettings {
    /// From the environment.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] naming every variable with a bad value, the value (unless it may hold a secret) and what
    /// is allowed.
    pub fn load() -> Result<Self> {
        // Other variables need not be Unicode.
        Self::from_vars(
            std::env::vars_os()
                .filter(|(name, _)| name.to_string_lossy().starts_with(AGENT))
                .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())),
        )
    }

    /// From these variables alone.
    ///
    /// ```
    /// # use bloodbank_domains::agents::AgentSettings;
    /// let error = AgentSettings::from_vars([("BLOODBANK_AGENT", "oracle")]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "BLOODBANK_AGENT is \"oracle\"; it must be `exec`, `http` or `echo`"
    /// );
    /// ```
    ///
    /// # Errors
    /// Like [`AgentSettings::load`].
    pub fn from_vars<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        let values = vars.into_iter().map(|(name, value)| (name.into(), value.into().trim().to_owned()));
        let values = values.filter(|(_, value)| !value.is_empty()).collect();
        let mut reader = Reader { values, problems: Vec::new() };
        let choice = reader.choice();
        if reader.problems.is_empty() {
            Ok(Self { choice })
        } else {
            Err(Error::new(ErrorKind::Settings, reader.problems.join("\n")))
        }
    }
}

struct Reader {
    values: HashMap<String, String>,
    problems: Vec<String>,
}

impl Reader {
    /// A value, read; a problem says what is allowed.
    fn get<T>(&mut self, name: &str, allowed: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.values.get(name)?;
        let result = read(value);
        if result.is_none() {
            self.problems.push(format!("{name} is {value:?}; it must be {allowed}"));
        }
        result
    }

    /// Like [`Reader::get`], for a value that must be there.
    fn need<T>(&mut self, name: &str, allowed: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        if !self.values.contains_key(name) {
            let agent = self.values.get(AGENT).map_or("", String::as_str);
            self.problems.push(format!("{AGENT} is `{agent}`, and {name} is not set; it must be {allowed}"));
        }
        self.get(name, allowed, read)
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.get(name, "text", |value| Some(value.to_owned()))
    }

    fn choice(&mut self) -> Option<Choice> {
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
        let common = Common { timeout, max_output, model: self.text(MODEL) };
        match self.get(AGENT, "`exec`, `http` or `echo`", Kind::read)? {
            Kind::Echo => Some(Choice::Echo),
            Kind::Exec => self.exec(common, output).map(Choice::Exec),
            Kind::Http => self.http(common),
        }
    }

    fn exec(&mut self, common: Common, output: Option<Output>) -> Option<Exec> {
        let words = self.need(COMMAND, "a program and its arguments, such as `claude -p`", |value| {
            shlex::split(value).filter(|words| !words.is_empty())
        })?;
        let (program, arguments) = words.split_first()?;
        let mut exec = Exec::new(program, arguments).output(output.unwrap_or_default());
        if let Some(directory) = self.text(DIRECTORY) {
            exec = exec.directory(directory);
        }
        if let Some(timeout) = common.timeout {
            exec = exec.timeout(timeout);
        }
        if let Some(bytes) = common.max_output {
            exec = exec.max_output(bytes);
        }
        Some(match common.model {
            Some(model) => exec.model(model),
            None => exec,
        })
    }

    #[cfg(feature = "http")]
    fn http(&mut self, common: Common) -> Option<Choice> {
        let allowed = super::http::ALLOWED;
        // Checked by hand: an address may hold a password, and would be shown.
        let Some(url) = self.values.get(URL) else {
            self.problems.push(format!("{AGENT} is `http`, and {URL} is not set; it must be {allowed}"));
            return None;
        };
        let Ok(mut http) = super::Http::new(url) else {
            self.problems.push(format!("{URL} (not shown) must be {allowed}"));
            return None;
        };
        if let Some(key) = self.values.get(KEY) {
            let Ok(keyed) = http.key(key) else {
                self.problems.push(format!("{KEY} (not shown) must be printable ASCII"));
                return None;
            };
            http = keyed;
        }
        if let Some(timeout) = common.timeout {
            http = http.timeout(timeout);
        }
        if let Some(bytes) = common.max_output {
            http = http.max_output(bytes);
        }
        Some(Choice::Http(match common.model {
            Some(model) => http.model(model),
            None => http,
        }))
    }

    #[cfg(not(feature = "http"))]
    fn http(&mut self, _: Common) -> Option<Choice> {
        let remedy = "`exec` or `echo`: this program is built without the feature `http` of bloodbank-domains";
        self.problems.push(format!("{AGENT} is \"http\"; it must be {remedy}"));
        None
    }
}

/// What more than one kind of agent has.
struct Common {
    timeout: Option<Duration>,
    max_output: Option<usize>,
    model: Option<String>,
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
