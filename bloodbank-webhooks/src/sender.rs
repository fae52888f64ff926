//! The senders of webhooks, each with its secret and its events.

use axum::http::HeaderMap;
use bloodbank_gateway::{Gateway, Problem};
use bytes::Bytes;

use crate::{Webhooks, custom::CustomWebhook, fireflies, github, outcome::Outcome, signature::Scheme};

/// A sender that is switched on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sender<'a> {
    Fireflies,
    Github,
    Custom(&'a CustomWebhook),
}

impl Webhooks {
    /// The sender with this name and the proof that it gives; `None` where it is switched off.
    pub(crate) fn sender(&self, name: &str) -> Option<(Sender<'_>, Scheme)> {
        match name {
            "fireflies" => Some((Sender::Fireflies, Scheme::hub(self.fireflies.clone()?, "x-hub-signature"))),
            "github" => Some((Sender::Github, Scheme::hub(self.github.clone()?, "x-hub-signature-256"))),
            name => {
                let webhook = self.custom.iter().find(|webhook| webhook.name == name)?;
                Some((Sender::Custom(webhook), webhook.scheme.clone()))
            }
        }
    }

    /// Publishes what a signed body says.
    pub(crate) async fn handle(
        &self,
        gateway: &Gateway,
        sender: Sender<'_>,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Outcome, Problem> {
        let body = &form_payload(headers, body);
        match sender {
            Sender::Fireflies => fireflies::handle(gateway, self.fetches_transcripts, body).await,
            Sender::Github => github::handle(gateway, self.cache_of(gateway.bus())?, headers, body).await,
            Sender::Custom(webhook) => webhook.handle(gateway, headers, body).await,
        }
    }
}

/// The JSON of a body that is a form with the field `payload`, which is what GitHub sends by default.
fn form_payload(headers: &HeaderMap, body: &Bytes) -> Bytes {
    let content_type = headers.get("content-type").and_then(|text| text.to_str().ok()).unwrap_or_default();
    let is_form = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let payload = is_form.then(|| form_urlencoded::parse(body).find(|(name, _)| name == "payload")).flatten();
    payload.map_or_else(|| body.clone(), |(_, json)| Bytes::from(json.into_owned()))
}
