//! `bb docs`.

mod markdown;

use std::{fs, io::Write, path::PathBuf};

use bloodbank_client::Flow;
use bloodbank_core::{Registry, Settings};
use bloodbank_gateway::{JsonFirst, asyncapi_document};
use clap::ValueEnum;
use serde_json::Value;

use crate::{
    app::{self, Composition},
    error::{CliError, Result},
    output, runtime,
};

/// Generate the documentation of the events
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb docs markdown --out EVENTS.md
  bb docs asyncapi --out asyncapi.json
  bb docs openapi")]
pub(crate) struct Docs {
    /// The format
    #[arg(default_value = "markdown")]
    format: Format,
    /// Write it into a file
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A page for people
    Markdown,
    /// The events as an AsyncAPI document
    Asyncapi,
    /// The gateway as an OpenAPI document
    Openapi,
}

impl Docs {
    pub(crate) fn run(self, program: Composition) -> Result {
        let text = match self.format {
            Format::Markdown => {
                let handlers = runtime::block_on(async { Ok(program.apps.handlers().await?) })?;
                markdown::page(&Flow::of(Registry::global(), &handlers).subscribed())
            }
            Format::Asyncapi => document(&asyncapi_document(Registry::global(), &Settings::load()?)),
            Format::Openapi => document(&runtime::block_on(app::openapi(program.gateway))?),
        };
        match &self.out {
            None => Ok(output::out().write_all(text.as_bytes())?),
            Some(path) => fs::write(path, text)
                .map_err(|error| CliError::failed(format!("{} cannot be written: {error}", path.display()))),
        }
    }
}

fn document(document: &Value) -> String {
    format!("{:#}\n", JsonFirst(document))
}
