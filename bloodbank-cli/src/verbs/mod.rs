//! The verbs, one per file.

#[cfg(feature = "archive")]
mod archive;
#[cfg(any(test, not(feature = "archive")))]
mod archive_not_built_in;
mod check;
mod completions;
mod dlq;
mod docs;
mod doctor;
mod flow;
mod history;
mod journal;
mod list_commands;
mod list_events;
mod mcp;
mod new;
mod outbox;
mod publish;
mod publish_prompt;
mod queues;
mod record;
mod replay;
mod schema;
mod serve;
mod show;
mod sql;
mod tail;
mod topology;
mod trace;
#[cfg(feature = "ui")]
mod ui;
mod watch;
mod webhooks;
mod work;
#[cfg(unix)]
mod wrap;

pub(crate) use archive::Archive;
#[cfg(not(feature = "archive"))]
use archive_not_built_in as archive;
pub(crate) use check::Check;
pub(crate) use completions::Completions;
pub(crate) use dlq::Dlq;
pub(crate) use docs::Docs;
pub(crate) use doctor::Doctor;
pub(crate) use flow::Flow;
pub(crate) use history::History;
pub(crate) use journal::Journal;
pub(crate) use list_commands::ListCommands;
pub(crate) use list_events::ListEvents;
pub(crate) use mcp::Mcp;
pub(crate) use new::New;
pub(crate) use outbox::Outbox;
pub(crate) use publish::Publish;
pub(crate) use publish_prompt::PublishPrompt;
pub(crate) use queues::Queues;
pub(crate) use record::Record;
pub(crate) use replay::Replay;
pub(crate) use schema::Schema;
pub(crate) use serve::Serve;
pub(crate) use show::Show;
pub(crate) use sql::Sql;
pub(crate) use tail::Tail;
pub(crate) use topology::Topology;
pub(crate) use trace::Trace;
#[cfg(feature = "ui")]
pub(crate) use ui::Ui;
pub(crate) use watch::Watch;
pub(crate) use webhooks::Webhooks;
pub(crate) use work::Work;
#[cfg(unix)]
pub(crate) use wrap::Wrap;
