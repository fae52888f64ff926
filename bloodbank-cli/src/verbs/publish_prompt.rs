//! `bb publish-prompt`.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use bloodbank_client::{Project, PublishRequest};
use serde_json::json;

use crate::{
    args::Via,
    connect,
    error::{CliError, Result},
    linked, output,
    receipt::{manual_source, print_receipt},
    runtime,
};

/// Ask an agent: publish `agent.thread.prompt` with the project and the working directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb publish-prompt anthropic 'Explain event sourcing'
  bb publish-prompt anthropic claude-sonnet-4 'Explain event sourcing' --wait
  bb publish-prompt anthropic --model claude-sonnet-4 'Explain event sourcing'
  git diff | bb publish-prompt anthropic -")]
pub(crate) struct PublishPrompt {
    /// The provider of the agent
    provider: String,
    /// Optionally the model, and the prompt; `-` reads the prompt from standard input
    #[arg(value_name = "[MODEL] PROMPT", num_args = 1..=2, required = true)]
    words: Vec<String>,
    /// The model, in place of the word for it
    #[arg(short, long, value_name = "NAME")]
    model: Option<String>,
    /// A tag by which the prompt can be found
    #[arg(long, value_name = "TAG", default_value = "cli")]
    tag: Vec<String>,
    /// Wait for the answer and print it
    #[arg(short, long)]
    wait: bool,
    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "wait")]
    timeout: u64,
    /// Which way to the bus
    #[arg(long, value_name = "WAY", default_value = "auto")]
    via: Via,
    /// The receipt, or the reply, as JSON
    #[arg(long)]
    json: bool,
}

/// The event is no part of this library: a program that links `bloodbank-domains` has it.
const KEY: &str = "agent.thread.prompt";

impl PublishPrompt {
    pub(crate) fn run(mut self) -> Result {
        let prompt = self.words.pop().unwrap_or_default();
        let model = match (self.words.first(), &self.model) {
            (Some(word), Some(_)) => {
                return Err(CliError::usage(format!("the model is given twice; leave out --model, or `{word}`")));
            }
            (word, model) => word.or(model.as_ref()),
        };
        let prompt = if prompt == "-" {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            text
        } else {
            prompt
        };
        if prompt.trim().is_empty() {
            return Err(CliError::usage("the prompt is empty; write what is asked"));
        }
        let project = Project::current();
        let payload = json!({
            "provider": self.provider,
            "model": model.filter(|model| !model.is_empty()),
            "prompt": prompt,
            "project": project.name,
            "working_dir": project.working_directory,
            "tags": self.tag,
        });
        runtime::block_on(async {
            linked::require("publish-prompt", &[KEY], self.via).await?;
            let connection = connect::open(self.via).await?;
            let request = PublishRequest::new(KEY, &payload, manual_source());
            let done = if self.wait {
                let reply = connection.execute(&request, Duration::from_secs(self.timeout)).await;
                reply.map_err(CliError::from).and_then(|reply| match reply["payload"]["response"].as_str() {
                    Some(answer) if !self.json => Ok(writeln!(output::out(), "{}", answer.trim_end())?),
                    _ => Ok(output::json(&reply)?),
                })
            } else {
                let receipt = connection.publish(&request).await;
                receipt.map_err(CliError::from).and_then(|receipt| print_receipt(&receipt, self.json))
            };
            connection.close().await;
            done
        })
    }
}
