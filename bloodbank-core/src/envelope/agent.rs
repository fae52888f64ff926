//! The agent on whose behalf an event was published.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Declares an enumeration of words on the wire that keeps the words it does not know.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$word_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)*
            /// A word this version does not know; written back unchanged.
            Other(String),
        }

        impl $name {
            /// The word on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <::std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Ok(Self::from(&*word))
            }
        }
    };
}
pub(super) use words;

/// The agent on whose behalf an event was published, and what it was looking at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentContext {
    /// Which kind of agent.
    #[serde(rename = "type")]
    pub agent: AgentType,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its system prompt.
    #[serde(default)]
    pub system_prompt: Option<String>,
    /// Its session.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// The MCP servers it can call.
    #[serde(default)]
    pub mcp_servers: Option<Vec<String>>,
    /// The files it was given.
    #[serde(default)]
    pub file_references: Option<Vec<String>>,
    /// The pages it was given.
    #[serde(default)]
    pub url_references: Option<Vec<String>>,
    /// The code it was working on.
    #[serde(default)]
    pub code_state: Option<CodeState>,
    /// Its last checkpoint.
    #[serde(default)]
    pub checkpoint_id: Option<String>,
    /// Anything else.
    #[serde(default)]
    pub meta: Option<Map<String, Value>>,
}

impl AgentContext {
    /// An agent of this kind, with nothing else known.
    #[must_use]
    pub fn new(agent: AgentType) -> Self {
        Self {
            agent,
            name: None,
            system_prompt: None,
            instance_id: None,
            mcp_servers: None,
            file_references: None,
            url_references: None,
            code_state: None,
            checkpoint_id: None,
            meta: None,
        }
    }
}

words! {
    /// Which kind of agent.
    pub enum AgentType {
        /// Claude Code.
        ClaudeCode = "claude-code",
        /// Claude in a chat.
        ClaudeChat = "claude-chat",
        /// The Gemini command line.
        GeminiCli = "gemini-cli",
        /// Gemini Code.
        GeminiCode = "gemini-code",
        /// Letta.
        Letta = "letta",
        /// Agno.
        Agno = "agno",
        /// A smolagent.
        Smolagent = "smolagent",
        /// An atomic agent.
        AtomicAgent = "atomic-agent",
        /// An agent of one's own.
        Custom = "custom",
    }
}

/// The state of a code base.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CodeState {
    /// The repository.
    pub repo_url: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// What is not committed.
    pub working_diff: Option<String>,
    /// What the branch changes.
    pub branch_diff: Option<String>,
    /// The last commit.
    pub last_commit_hash: Option<String>,
}
