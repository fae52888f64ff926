//! The agent on whose behalf an event was published.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Declares an enum of words on the wire that keeps unknown words.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$word_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)*
            /// A word that this version does not know; written back unchanged.
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

/// The agent on whose behalf an event was published, and the material it was working on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentContext {
    /// The kind of agent.
    #[serde(rename = "type")]
    pub agent: AgentType,
    /// The name of the agent.
    #[serde(default)]
    pub name: Option<String>,
    /// The system prompt of the agent.
    #[serde(default)]
    pub system_prompt: Option<String>,
    /// The session of the agent.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// The MCP servers that the agent can call.
    #[serde(default)]
    pub mcp_servers: Option<Vec<String>>,
    /// The files that the agent was given.
    #[serde(default)]
    pub file_references: Option<Vec<String>>,
    /// The URLs that the agent was given.
    #[serde(default)]
    pub url_references: Option<Vec<String>>,
    /// The code that the agent was working on.
    #[serde(default)]
    pub code_state: Option<CodeState>,
    /// The last checkpoint of the agent.
    #[serde(default)]
    pub checkpoint_id: Option<String>,
    /// Any other metadata.
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
    /// The kind of an agent.
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
        /// A custom agent.
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
    /// The uncommitted changes.
    pub working_diff: Option<String>,
    /// The changes of the branch.
    pub branch_diff: Option<String>,
    /// The last commit.
    pub last_commit_hash: Option<String>,
}
