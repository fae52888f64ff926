//! What a program says about itself when it opens the terminal.

use std::path::PathBuf;

use bloodbank_client::Via;

use crate::theme::Theme;

/// What a program says about itself when it opens the terminal.
#[derive(Debug, Clone)]
#[must_use = "nothing is shown until `run`"]
pub struct Options {
    pub(crate) program: String,
    pub(crate) queues: Vec<String>,
    pub(crate) theme: Theme,
    pub(crate) via: Via,
    pub(crate) mocks: PathBuf,
}

impl Options {
    /// Options for a program of this name, which published events carry in their source.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            queues: Vec::new(),
            theme: Theme::detected(),
            via: Via::Auto,
            mocks: "mocks".into(),
        }
    }

    /// Sets the queues of the subscribers whose dead letters are shown.
    pub fn queues(mut self, queues: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the colours.
    pub fn theme(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }

    /// Sets the way to the bus.
    pub fn via(mut self, via: Via) -> Self {
        self.via = via;
        self
    }

    /// Sets the folder into which payloads are saved, one file per routing key; `mocks` by default.
    pub fn mocks(mut self, folder: impl Into<PathBuf>) -> Self {
        self.mocks = folder.into();
        self
    }
}
