//! A whole pipeline: a meeting is recorded, its transcript arrives and is ingested, and an agent is asked about it.
//!
//! Run: `cargo run --example e12_transcripts`. The program uses the embedded bus; with `RABBIT_URL` and `REDIS_URL` set, it
//! uses RabbitMQ and keeps correlation in Redis.

use std::collections::BTreeSet;

use bloodbank::{CommandManager, correlation::Trace, prelude::*};
use bloodbank_domains::{
    agent::{AgentThreadPrompt, AgentThreadResponse},
    agents::{Agents, Echo},
    fireflies::{
        FailedStage, FirefliesTranscriptFailed, FirefliesTranscriptProcessed, FirefliesTranscriptReady,
        FirefliesTranscriptUpload, Webhook,
    },
};
use chrono::Utc;
use tokio::sync::mpsc::UnboundedSender;

/// The webhook that Fireflies posted when the transcript was ready.
const WEBHOOK: &[u8] = include_bytes!("data/fireflies_webhook.json");

/// Splits a transcript into chunks. The returned event is published as a child of the transcript.
#[subscriber(retry(max_attempts = 3, backoff = "1s..30s"))]
async fn ingest(ready: FirefliesTranscriptReady) -> Result<FirefliesTranscriptProcessed, FirefliesTranscriptFailed> {
    let chunks: Vec<String> = ready
        .sentences
        .chunks(2)
        .map(|sentences| sentences.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>().join(" "))
        .collect();
    if chunks.is_empty() {
        return Err(FirefliesTranscriptFailed {
            failed_stage: FailedStage::Processing,
            error_message: "the transcript has no sentences".into(),
            error_code: Some("EMPTY".into()),
            transcript_id: Some(ready.id),
            media_file: None,
            timestamp: Utc::now(),
            is_retryable: false,
            retry_count: 0,
            metadata: Default::default(),
        });
    }
    let speakers: BTreeSet<_> = ready.sentences.iter().map(|sentence| sentence.speaker_id).collect();
    for (number, chunk) in chunks.iter().enumerate() {
        println!("  chunk {number}: {chunk}");
    }
    Ok(FirefliesTranscriptProcessed {
        rag_document_id: format!("doc-{}", ready.id),
        transcript_id: ready.id,
        title: ready.title,
        ingestion_timestamp: Utc::now(),
        sentence_count: u32::try_from(ready.sentences.len()).unwrap_or(u32::MAX),
        speaker_count: u32::try_from(speakers.len()).unwrap_or(u32::MAX),
        duration_minutes: ready.duration,
        vector_store: "memory".into(),
        chunk_count: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
        embedding_model: None,
        metadata: Default::default(),
    })
}

/// Asks an agent about a processed transcript: a command as a follow-up.
#[subscriber]
async fn ask(processed: FirefliesTranscriptProcessed) -> AgentThreadPrompt {
    AgentThreadPrompt {
        provider: "echo".into(),
        model: None,
        prompt: format!("Which decisions were taken in {:?}?", processed.title),
        project: Some("bloodbank".into()),
        working_dir: None,
        domain: Some("meetings".into()),
        tags: vec!["transcript".into()],
    }
}

/// Signals to `main` that the last event has arrived.
#[subscriber]
async fn finish(
    response: EventEnvelope<AgentThreadResponse>,
    State(done): State<UnboundedSender<EventEnvelope<AgentThreadResponse>>>,
) {
    let _ = done.send(response);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    bloodbank::init_logging();
    let (done, mut responses) = tokio::sync::mpsc::unbounded_channel();
    let bus = Bus::from_env().await?;
    println!("{bus:?}");
    let app = App::new("transcripts", bus.clone())
        .state(done)
        // It repeats the question. `Agents::from_env()` asks a program or a chat endpoint.
        .state(Agents::new(Echo))
        .subscribe(ingest)
        .subscribe(ask)
        .subscribe(finish)
        .commands(CommandManager::linked())
        .start()
        .await?;

    for webhook in Webhook::read(WEBHOOK)? {
        let ready = FirefliesTranscriptReady::try_from(webhook)?;
        println!("\n{:?}, {} sentences, {:.1} minutes", ready.title, ready.sentences.len(), ready.duration);
        let uploaded = bus
            .publish(FirefliesTranscriptUpload {
                media_file: ready.title.clone(),
                media_duration_seconds: (ready.duration * 60.0).round() as u64,
                media_type: "video/mp4".into(),
                title: Some(ready.title.clone()),
                user_id: Some(ready.user.user_id.clone()),
                created_at: ready.date,
            })
            .await?;
        bus.publish(ready).caused_by(&uploaded).await?;

        let response = responses.recv().await.ok_or("the app stopped")?;
        println!("  {} says: {}", response.payload.provider, response.payload.response);
        let tracker = bus.correlation().ok_or("correlation is switched off")?;
        println!("\n{}", Trace::load(tracker, response.event_id).await?.to_text());
    }
    app.shutdown().await?;
    bus.close().await;
    Ok(())
}
