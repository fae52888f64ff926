//! The executor of [`FirefliesTranscriptFetch`]: asks the GraphQL interface of Fireflies for a transcript.
//!
//! Linking this module (feature `fireflies-api`) makes a program an executor of the command; the app provides a
//! [`FirefliesApi`] as its state.

use std::{fmt, time::Duration};

use bloodbank_core::{Command, CommandContext, Error, ErrorKind, EventCollector, Result, settings::Reader};
use bloodbank_macros::command;
use reqwest::{
    Client, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
    redirect::Policy,
};
use serde::Deserialize;
use serde_json::{Value, json};

use bloodbank_domains::{
    failure::Failure,
    fireflies::{FailedStage, FirefliesTranscriptFailed, FirefliesTranscriptFetch, FirefliesTranscriptReady, Webhook},
};

const KEY: &str = "FIREFLIES_API_KEY";
const URL: &str = "FIREFLIES_API_URL";
const DEFAULT_URL: &str = "https://api.fireflies.ai/graphql";
/// How long one request may take; the command is tried again after that.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer: a transcript of a whole day has about 10 MiB.
const MAX_ANSWER: usize = 64 << 20;

const QUERY: &str = "query Transcript($id: String!) { transcript(id: $id) { \
    id title date duration transcript_url audio_url video_url privacy host_email organizer_email meeting_link \
    calendar_id calendar_type participants speakers { id name } \
    user { user_id email name num_transcripts minutes_consumed is_admin } \
    sentences { index speaker_name speaker_id raw_text text start_time end_time \
        ai_filters { text_cleanup task pricing metric question date_and_time sentiment } } \
    summary { overview } } }";

/// The GraphQL interface of Fireflies. Cheap to clone.
#[derive(Clone, Default)]
pub struct FirefliesApi {
    access: Option<Access>,
}

#[derive(Clone)]
struct Access {
    url: Url,
    key: HeaderValue,
    client: Client,
}

/// A transcript that could not be fetched.
#[derive(Debug)]
#[non_exhaustive]
pub struct FirefliesApiError {
    message: String,
    code: &'static str,
    is_retryable: bool,
}

impl FirefliesApiError {
    fn new(code: &'static str, is_retryable: bool, message: impl Into<String>) -> Self {
        Self { message: message.into(), code, is_retryable }
    }
}

impl fmt::Display for FirefliesApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FirefliesApiError {}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<GraphqlError>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    transcript: Option<Value>,
}

#[derive(Deserialize)]
struct GraphqlError {
    message: String,
}

impl FirefliesApi {
    /// Makes the state from `FIREFLIES_API_KEY` and, for another address, `FIREFLIES_API_URL`, which the environment,
    /// `.env` or `bloodbank.toml` has. Without a key every fetch fails with an error that names the setting.
    ///
    /// # Errors
    /// [`bloodbank_core::ErrorKind::Settings`] when a value cannot be used.
    pub fn from_env() -> Result<Self> {
        let mut reader = Reader::load()?;
        Self::read(&mut reader)
    }

    /// Makes the state from these variables alone, for tests.
    ///
    /// # Errors
    /// Like [`FirefliesApi::from_env`].
    pub fn from_vars<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        Self::read(&mut Reader::from_vars(vars))
    }

    fn read(reader: &mut Reader) -> Result<Self> {
        let key = reader.get(KEY, |key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| "must be printable ASCII")?;
            value.set_sensitive(true);
            Ok(value)
        });
        let url = reader.get(URL, |url| {
            let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            url.ok_or_else(|| format!("an address such as `{DEFAULT_URL}`"))
        });
        reader.finish()?;
        let Some(key) = key else { return Ok(Self::default()) };
        let url = match url {
            Some(url) => url,
            None => Url::parse(DEFAULT_URL).map_err(|error| Error::new(ErrorKind::Settings, error.to_string()))?,
        };
        // Another part of the program may have chosen one already; that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(Policy::none()).timeout(TIMEOUT).build().map_err(|error| {
            Error::new(ErrorKind::Settings, format!("no HTTP client for Fireflies can be made: {error}"))
        })?;
        Ok(Self { access: Some(Access { url, key, client }) })
    }

    /// Whether there is a key, so that transcripts can be fetched.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.access.is_some()
    }

    /// Fetches the transcript of a meeting.
    ///
    /// # Errors
    /// [`FirefliesApiError`]: no key, not reachable, refused, no such meeting, or not a transcript.
    pub async fn transcript(&self, meeting_id: &str) -> Result<FirefliesTranscriptReady, FirefliesApiError> {
        let access = self.access.as_ref().ok_or_else(|| {
            FirefliesApiError::new(
                "NOT_CONFIGURED",
                false,
                format!("transcripts cannot be fetched without {KEY}; set it"),
            )
        })?;
        let unreachable = |error: reqwest::Error| {
            FirefliesApiError::new("UNREACHABLE", true, format!("Fireflies does not answer: {}", error.without_url()))
        };
        let body = json!({ "query": QUERY, "variables": { "id": meeting_id } });
        let request = access.client.post(access.url.clone()).header(AUTHORIZATION, &access.key);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let message = format!("the transcript `{meeting_id}` has more than {MAX_ANSWER} bytes");
                return Err(FirefliesApiError::new("TOO_LARGE", false, message));
            }
            body.extend_from_slice(&chunk);
        }
        let answer = serde_json::from_slice::<Answer>(&body);
        if !status.is_success() {
            let why = answer.ok().and_then(|answer| answer.errors.into_iter().next());
            let why = why.map_or_else(String::new, |error| format!(": {}", error.message));
            let is_retryable = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            return Err(FirefliesApiError::new("REFUSED", is_retryable, format!("Fireflies answered {status}{why}")));
        }
        let answer = answer.map_err(|error| {
            FirefliesApiError::new("BAD_ANSWER", true, format!("Fireflies answered with no JSON of GraphQL: {error}"))
        })?;
        let transcript = answer.data.and_then(|data| data.transcript).filter(|transcript| !transcript.is_null());
        let transcript = transcript.ok_or_else(|| {
            let why = answer
                .errors
                .into_iter()
                .next()
                .map_or_else(|| "it has no such transcript".to_owned(), |error| error.message);
            // A transcript that was announced may take a moment to appear.
            FirefliesApiError::new(
                "NO_TRANSCRIPT",
                true,
                format!("Fireflies gives no transcript `{meeting_id}`: {why}"),
            )
        })?;
        Webhook::from_value(transcript)
            .and_then(FirefliesTranscriptReady::try_from)
            .map_err(|error| FirefliesApiError::new("BAD_ANSWER", false, error.to_string()))
    }
}

impl fmt::Debug for FirefliesApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirefliesApi").field("url", &self.access.as_ref().map(|access| access.url.as_str())).finish()
    }
}

/// Fireflies answers within seconds; a transcript that is not there yet is asked for again.
#[command(timeout = "1m", concurrency = 4, retry(max_attempts = 6, backoff = "5s..15m"))]
impl Command for FirefliesTranscriptFetch {
    type State = FirefliesApi;
    type Failure = FirefliesTranscriptFailed;

    async fn execute(
        &self,
        context: &CommandContext<FirefliesApi>,
        _: &mut EventCollector,
    ) -> Result<FirefliesTranscriptReady, FirefliesTranscriptFailed> {
        context.state().transcript(&self.meeting_id).await.map_err(|error| {
            let failure = Failure::of(&error).code(error.code).retryable(error.is_retryable).while_handling(context);
            let failed = FirefliesTranscriptFailed::new(FailedStage::Transcription, failure);
            FirefliesTranscriptFailed { transcript_id: Some(self.meeting_id.clone()), ..failed }
        })
    }
}
