//! The outgoing webhooks of a program.

use bloodbank_core::{App, Bus, Error, ErrorKind, Result};

use crate::{declared, file::WebhooksFile, webhook::Webhook};

/// The outgoing webhooks of a program.
#[derive(Debug, Clone, Default)]
pub struct OutgoingWebhooks(Vec<Webhook>);

impl OutgoingWebhooks {
    /// Reads the webhooks of the file that `BLOODBANK_WEBHOOKS_FILE` names; none where it names none.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] naming the webhook and the remedy.
    pub fn from_env() -> Result<Self> {
        match WebhooksFile::from_env()? {
            Some(file) => Self::from_toml(&file.text()?)
                .map_err(|error| Error::new(ErrorKind::Settings, format!("{}: {error}", file.path().display()))),
            None => Ok(Self::default()),
        }
    }

    /// Reads the webhooks that this text declares.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] naming the webhook and the remedy.
    pub fn from_toml(text: &str) -> Result<Self> {
        let webhooks = declared::read(text)?.into_iter().map(Webhook::new).collect::<Result<_, _>>();
        webhooks.map(Self).map_err(|error| Error::new(ErrorKind::Settings, error))
    }

    /// The number of webhooks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The webhooks, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Webhook> {
        self.0.iter()
    }

    /// The webhook with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Webhook> {
        self.iter().find(|webhook| webhook.entry().name == name)
    }

    /// An app that sends them.
    pub fn app(&self, bus: Bus) -> App {
        self.iter()
            .fold(App::new("webhooks", bus), |app, webhook| app.subscribe::<Webhook, Webhook, ()>(webhook.clone()))
    }
}
