//! Any payload → envelope → JSON → envelope is the identity, for every event.

use std::fmt::Debug;

use bloodbank_core::{
    Event, EventEnvelope, Registry,
    envelope::{AgentContext, ENVELOPE_VERSION, Source},
    event::Payload,
};
use bloodbank_domains::{
    agent::{AgentThreadError, AgentThreadPrompt, AgentThreadResponse},
    artifact::{Artifact, ArtifactAction, ArtifactIngestionFailed},
    fireflies::{
        AiFilters, FailedStage, FirefliesTranscriptAvailable, FirefliesTranscriptFailed, FirefliesTranscriptFetch,
        FirefliesTranscriptProcessed, FirefliesTranscriptReady, FirefliesTranscriptUpload, Participant, Sentence, User,
    },
    github::{
        ClaimStoreKind, GithubBranchPushed, GithubIssueClosed, GithubIssueOpened, GithubPrClosed, GithubPrCreated,
        GithubPrMerged, GithubReleasePublished,
    },
    llm::{LlmError, LlmPrompt, LlmResponse},
    logjangler::{LogjanglerThreadPrompt, LogjanglerThreadResponse},
};
use chrono::{DateTime, Utc};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Any text, with control characters and words of any script.
fn text() -> impl Strategy<Value = String> {
    "(?s).{0,12}"
}

/// Text that is not empty.
fn name() -> impl Strategy<Value = String> {
    "(?s).{1,12}"
}

fn perhaps() -> impl Strategy<Value = Option<String>> {
    option::of(text())
}

fn email() -> impl Strategy<Value = String> {
    "[a-z0-9.+_-]{1,12}@[a-z]{1,8}\\.[a-z]{2,4}"
}

fn url() -> impl Strategy<Value = String> {
    "https://[a-z]{1,8}\\.example\\.com/[a-z0-9/_?=&-]{0,12}"
}

/// A non-negative number, down to subnormal ones.
fn amount() -> impl Strategy<Value = f64> {
    use prop::num::f64::{NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NORMAL | SUBNORMAL | ZERO
}

/// A time from 1900 to 2200, to the microsecond: the Python side cannot hold more.
fn time() -> impl Strategy<Value = DateTime<Utc>> {
    (-2_208_988_800_000_000..7_258_118_400_000_000_i64)
        .prop_map(|micros| DateTime::from_timestamp_micros(micros).expect("a time that a calendar has"))
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        amount().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    vec((text(), json()), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

/// A strategy for a struct: one for each field. In a function of its own, so that tuples do not run out.
macro_rules! any_of {
    ($($function:ident: $ty:ident { $($field:ident: $strategy:expr),* $(,)? })*) => {$(
        prop_compose! {
            fn $function()($($field in $strategy),*) -> $ty { $ty { $($field),* } }
        }
    )*};
}

any_of! {
    upload: FirefliesTranscriptUpload {
        media_file: name(), media_duration_seconds: any::<u64>(), media_type: name(), title: perhaps(),
        user_id: perhaps(), created_at: time(),
    }
    ai_filters: AiFilters {
        text_cleanup: perhaps(), task: perhaps(), pricing: perhaps(), metric: perhaps(), question: perhaps(),
        date_and_time: perhaps(), sentiment: perhaps(),
    }
    sentence: Sentence {
        index: any::<u32>(), speaker_name: perhaps(), speaker_id: option::of(any::<i64>()), raw_text: text(),
        text: text(), start_time: amount(), end_time: amount(), ai_filters: option::of(ai_filters()),
    }
    participant: Participant { name: perhaps(), email: perhaps() }
    user: User {
        user_id: name(), email: email(), name: text(), num_transcripts: option::of(any::<u64>()),
        minutes_consumed: option::of(amount()), is_admin: option::of(any::<bool>()),
    }
    processed: FirefliesTranscriptProcessed {
        transcript_id: name(), rag_document_id: name(), title: text(), ingestion_timestamp: time(),
        sentence_count: any::<u32>(), speaker_count: any::<u32>(), duration_minutes: amount(), vector_store: name(),
        chunk_count: any::<u32>(), embedding_model: perhaps(), metadata: object(),
    }
    failed: FirefliesTranscriptFailed {
        failed_stage: select(vec![FailedStage::Upload, FailedStage::Transcription, FailedStage::Processing]),
        error_message: text(), error_code: perhaps(), transcript_id: perhaps(), media_file: perhaps(),
        timestamp: time(), is_retryable: any::<bool>(), retry_count: any::<u32>(), metadata: object(),
    }
    agent_prompt: AgentThreadPrompt {
        provider: name(), model: perhaps(), prompt: name(), project: perhaps(), working_dir: perhaps(),
        domain: perhaps(), tags: vec(text(), 0..4),
    }
    agent_response: AgentThreadResponse {
        provider: name(), prompt_id: perhaps(), response: text(), model: perhaps(),
        tokens_used: option::of(any::<u64>()), duration_ms: option::of(any::<u64>()),
    }
    agent_error: AgentThreadError {
        provider: name(), model: perhaps(), error_message: text(), error_code: perhaps(), is_retryable: any::<bool>(),
        retry_count: any::<u32>(), metadata: object(),
    }
    artifact: Artifact {
        action: select(vec![ArtifactAction::Created, ArtifactAction::Updated, ArtifactAction::Deleted]),
        kind: name(), uri: name(), title: perhaps(), content: perhaps(), metadata: object(),
    }
    ingestion_failed: ArtifactIngestionFailed {
        artifact_uri: name(), artifact_kind: name(), error_message: text(), error_code: perhaps(),
        retry_count: any::<u32>(), is_retryable: any::<bool>(), metadata: object(),
    }
    pr_created: GithubPrCreated {
        cache_key: name(), cache_type: select(vec![ClaimStoreKind::Redis, ClaimStoreKind::Memory, ClaimStoreKind::File]),
    }
    available: FirefliesTranscriptAvailable { meeting_id: name(), client_reference_id: perhaps() }
    fetch: FirefliesTranscriptFetch { meeting_id: name() }
    pr_closed: GithubPrClosed {
        repository: name(), number: any::<u64>(), title: text(), author: perhaps(), url: perhaps(), closed_at: time(),
    }
    pr_merged: GithubPrMerged {
        repository: name(), number: any::<u64>(), title: text(), author: perhaps(), merged_by: perhaps(), base: perhaps(),
        merge_commit: perhaps(), url: perhaps(), merged_at: time(),
    }
    issue_opened: GithubIssueOpened {
        repository: name(), number: any::<u64>(), title: text(), author: perhaps(), labels: vec(text(), 0..4),
        url: perhaps(), opened_at: time(),
    }
    issue_closed: GithubIssueClosed {
        repository: name(), number: any::<u64>(), title: text(), author: perhaps(), reason: perhaps(),
        labels: vec(text(), 0..4), url: perhaps(), closed_at: time(),
    }
    pushed: GithubBranchPushed {
        repository: name(), git_ref: name(), before: text(), after: text(), commit_count: any::<u32>(), subject: perhaps(),
        pusher: perhaps(), forced: any::<bool>(), url: perhaps(), pushed_at: option::of(time()),
    }
    released: GithubReleasePublished {
        repository: name(), tag: name(), name: perhaps(), author: perhaps(), prerelease: any::<bool>(), url: perhaps(),
        published_at: time(),
    }
    llm_prompt: LlmPrompt {
        provider: name(), model: perhaps(), prompt: name(), project: perhaps(), working_dir: perhaps(),
        domain: perhaps(), tags: vec(text(), 0..4), temperature: option::of(amount()), tools: vec(text(), 0..4),
        metadata: object(),
    }
    llm_response: LlmResponse {
        provider: name(), prompt_id: perhaps(), response: text(), model: perhaps(),
        tokens_used: option::of(any::<u64>()), duration_ms: option::of(any::<u64>()), usage: option::of(object()),
    }
    llm_error: LlmError {
        provider: name(), model: perhaps(), error_message: text(), error_code: perhaps(), is_retryable: any::<bool>(),
        retry_count: any::<u32>(), metadata: object(),
    }
    logjangler_prompt: LogjanglerThreadPrompt {
        provider: name(), model: perhaps(), prompt: name(), project: perhaps(), working_dir: perhaps(),
        domain: perhaps(), tags: vec(text(), 0..4),
    }
    logjangler_response: LogjanglerThreadResponse {
        provider: name(), prompt_id: perhaps(), response: text(), model: perhaps(),
        tokens_used: option::of(any::<u64>()), duration_ms: option::of(any::<u64>()),
    }
}

prop_compose! {
    /// More fields than a tuple has strategies.
    fn ready()(
        (id, title, date, duration, transcript_url) in (name(), text(), time(), amount(), url()),
        (audio_url, video_url, meeting_link, calendar_id, calendar_type, summary)
            in (perhaps(), perhaps(), perhaps(), perhaps(), perhaps(), perhaps()),
        (sentences, participants, speakers, user)
            in (vec(sentence(), 0..4), vec(participant(), 0..4), vec(text(), 0..4), user()),
        (host_email, organizer_email, privacy, raw_meeting_info) in (email(), email(), text(), option::of(object())),
    ) -> FirefliesTranscriptReady {
        FirefliesTranscriptReady {
            id, title, date, duration, transcript_url, audio_url, video_url, sentences, summary, participants, speakers,
            user, host_email, organizer_email, privacy, meeting_link, calendar_id, calendar_type, raw_meeting_info,
        }
    }
}

prop_compose! {
    fn agent()(
        kind in text(), name in perhaps(), system_prompt in perhaps(), servers in option::of(vec(text(), 0..3)),
        meta in option::of(object()),
    ) -> AgentContext {
        let written = serde_json::json!({
            "type": kind, "name": name, "system_prompt": system_prompt, "mcp_servers": servers, "meta": meta,
        });
        serde_json::from_value(written).expect("an agent")
    }
}

prop_compose! {
    fn source()(
        host in text(), kind in select(vec!["manual", "agent", "scheduled", "file_watch", "hook", "cron"]),
        app in perhaps(), meta in option::of(object()),
    ) -> Source {
        let written = serde_json::json!({"host": host, "type": kind, "app": app, "meta": meta});
        serde_json::from_value(written).expect("a source")
    }
}

/// Everything of an envelope but its payload and its key.
fn around() -> impl Strategy<Value = EventEnvelope<()>> {
    let ids = vec(any::<u128>(), 0..4);
    (any::<u128>(), time(), source(), ids, option::of(agent())).prop_map(|(id, timestamp, source, ids, agent)| {
        EventEnvelope {
            event_id: Uuid::from_u128(id),
            event_type: String::new(),
            timestamp,
            version: ENVELOPE_VERSION.into(),
            source,
            correlation_ids: ids.into_iter().map(Uuid::from_u128).collect(),
            agent_context: agent.map(Box::new),
            payload: (),
        }
    })
}

fn assert_survives<E: Event + Debug + Clone + PartialEq>(around: EventEnvelope<()>, payload: E) {
    payload.validate().expect("keeps its own rules");
    let key = payload.routing_key().expect("a legal key").to_string();
    let envelope = EventEnvelope { event_type: key.clone(), ..around }.map(|()| payload);
    let written = serde_json::to_vec(&envelope).expect("JSON");
    let read = E::decode(&written).expect("an envelope");
    assert_eq!(read, envelope);
    assert_eq!(serde_json::to_vec(&read).expect("JSON"), written);
    // The same by the key alone, against the schema: it asks for no more than the type and its rules do.
    let value = serde_json::to_value(&envelope.payload).expect("JSON");
    let descriptor = Registry::global().event(&key).expect("a registered event");
    assert_eq!(descriptor.read(&key, &value).expect("fits").to_value().expect("JSON"), value);
}

macro_rules! survives {
    ($($test:ident: $strategy:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
            $(#[test] fn $test(around in around(), payload in $strategy) { assert_survives(around, payload); })*
        }

        #[test]
        fn no_event_was_forgotten() {
            let tests = [$(stringify!($test)),*].len();
            assert_eq!(Registry::global().events().len(), tests);
        }
    };
}

survives! {
    fireflies_transcript_upload: upload();
    fireflies_transcript_ready: ready();
    fireflies_transcript_processed: processed();
    fireflies_transcript_failed: failed();
    agent_thread_prompt: agent_prompt();
    agent_thread_response: agent_response();
    agent_thread_error: agent_error();
    artifact_event: artifact();
    artifact_ingestion_failed: ingestion_failed();
    github_pr_created: pr_created();
    fireflies_transcript_available: available();
    fireflies_transcript_fetch: fetch();
    github_pr_closed: pr_closed();
    github_pr_merged: pr_merged();
    github_issue_opened: issue_opened();
    github_issue_closed: issue_closed();
    github_branch_pushed: pushed();
    github_release_published: released();
    llm_prompted: llm_prompt();
    llm_answered: llm_response();
    llm_failed: llm_error();
    logjangler_thread_prompt: logjangler_prompt();
    logjangler_thread_response: logjangler_response();
}
