//! Full-text search in transcripts: transcripts are split into chunks, which are stored in an index in a file.
//!
//! Run: `cargo run --example transcript_search -- ingest examples/data/fireflies_webhook.json`
//! then `cargo run --example transcript_search -- search release`
//!
//! `serve` indexes the transcripts that other programs publish (set `RABBIT_URL`) until it is stopped with Ctrl-C. The index is
//! `transcripts.db` in the working directory, or the file named by `TRANSCRIPTS_DB`.

use std::{
    collections::BTreeSet,
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
};

use bloodbank::{message::names, prelude::*};
use bloodbank_domains::{
    failure::Failure,
    fireflies::{
        FailedStage, FirefliesTranscriptFailed, FirefliesTranscriptProcessed, FirefliesTranscriptReady, Sentence,
        Webhook,
    },
};
use chrono::Utc;
use parking_lot::Mutex;
use rusqlite::{Connection, params};
use tokio::sync::mpsc::UnboundedSender;

/// The length in bytes at which a chunk ends with its last sentence.
const CHUNK: usize = 120;
const USAGE: &str = "usage: transcript_search ingest FILE | search WORDS… | serve";

/// The full-text index. Cheap to clone.
#[derive(Debug, Clone)]
struct Index(Arc<Mutex<Connection>>);

/// A place in a transcript.
struct Hit {
    title: String,
    seconds: f64,
    text: String,
}

impl Index {
    fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "CREATE VIRTUAL TABLE IF NOT EXISTS chunks
             USING fts5(text, transcript UNINDEXED, title UNINDEXED, seconds UNINDEXED, tokenize = 'porter unicode61')",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Replaces the chunks of a transcript in one transaction, because an event may be delivered twice.
    fn put(&self, ready: &FirefliesTranscriptReady, chunks: &[Chunk]) -> rusqlite::Result<()> {
        let mut connection = self.0.lock();
        let transaction = connection.transaction()?;
        transaction.execute("DELETE FROM chunks WHERE transcript = ?", [&ready.id])?;
        for chunk in chunks {
            transaction.execute(
                "INSERT INTO chunks (text, transcript, title, seconds) VALUES (?, ?, ?, ?)",
                params![chunk.text, ready.id, ready.title, chunk.seconds],
            )?;
        }
        transaction.commit()
    }

    /// The best places that contain all of these words.
    fn search(&self, words: &[String]) -> rusqlite::Result<Vec<Hit>> {
        // Each is quoted: `AND`, `*` and the like mean nothing special.
        let words: Vec<_> = words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
        let connection = self.0.lock();
        let mut statement = connection.prepare(
            "SELECT title, seconds, snippet(chunks, 0, '[', ']', '…', 16) FROM chunks
             WHERE chunks MATCH ? ORDER BY rank LIMIT 10",
        )?;
        let hits = statement.query_map([words.join(" ")], |row| {
            Ok(Hit { title: row.get(0)?, seconds: row.get(1)?, text: row.get(2)? })
        })?;
        hits.collect()
    }
}

/// Consecutive sentences of a transcript.
struct Chunk {
    text: String,
    seconds: f64,
}

fn chunks(sentences: &[Sentence]) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for sentence in sentences {
        match chunks.last_mut().filter(|chunk| chunk.text.len() < CHUNK) {
            Some(chunk) => chunk.text.extend([" ", &sentence.text]),
            None => chunks.push(Chunk { text: sentence.text.clone(), seconds: sentence.start_time }),
        }
    }
    chunks
}

/// Stores a transcript in the index, and publishes `processed`, or `failed` for every failed attempt.
#[subscriber(retry(max_attempts = 5, backoff = "1s..1m"))]
async fn ingest(
    ready: FirefliesTranscriptReady,
    context: Context,
    State(index): State<Index>,
) -> Result<FirefliesTranscriptProcessed, FirefliesTranscriptFailed> {
    let id = ready.id.clone();
    let put = tokio::task::spawn_blocking(move || put(&index, ready)).await;
    put.unwrap_or_else(|error| Err(Failure::of(&error).code("PANIC"))).map_err(|failure| FirefliesTranscriptFailed {
        transcript_id: Some(id),
        ..FirefliesTranscriptFailed::new(FailedStage::Processing, failure.while_handling(&context))
    })
}

fn put(index: &Index, ready: FirefliesTranscriptReady) -> Result<FirefliesTranscriptProcessed, Failure> {
    let chunks = chunks(&ready.sentences);
    if chunks.is_empty() {
        let error = std::io::Error::other("the transcript has no sentences");
        return Err(Failure::of(&error).code("EMPTY").retryable(false));
    }
    index.put(&ready, &chunks).map_err(|error| Failure::of(&error).code("INDEX"))?;
    let speakers: BTreeSet<_> = ready.sentences.iter().map(|sentence| sentence.speaker_id).collect();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(FirefliesTranscriptProcessed {
        rag_document_id: ready.id.clone(),
        transcript_id: ready.id,
        title: ready.title,
        ingestion_timestamp: Utc::now(),
        sentence_count: count(ready.sentences.len()),
        speaker_count: count(speakers.len()),
        duration_minutes: ready.duration,
        vector_store: "sqlite-fts5".into(),
        chunk_count: count(chunks.len()),
        embedding_model: None,
        metadata: Default::default(),
    })
}

#[derive(Debug, EventSet)]
enum Outcome {
    Processed(FirefliesTranscriptProcessed),
    Failed(FirefliesTranscriptFailed),
}

/// Sends the outcome of a transcript to `main`, and whether it is the last one.
#[subscriber]
async fn finish(outcome: Outcome, context: Context, State(outcomes): State<UnboundedSender<(Outcome, bool)>>) {
    let is_last = context.headers().get(names::FINAL).is_some();
    let _ = outcomes.send((outcome, is_last));
}

async fn ingest_file(bus: &Bus, index: Index, file: &str) -> Result<(), Box<dyn Error>> {
    let webhooks = Webhook::read(&std::fs::read(file)?)?;
    let (outcomes, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let app = App::new("transcript-search", bus.clone()).state(index).state(outcomes);
    let app = app.subscribe(ingest).subscribe(finish).start().await?;
    for webhook in webhooks {
        let ready = FirefliesTranscriptReady::try_from(webhook)?;
        bus.publish(ready).await?;
        loop {
            match arrived.recv().await.ok_or("the app stopped")? {
                (Outcome::Processed(done), _) => {
                    println!("{}: {} chunks from {} sentences", done.title, done.chunk_count, done.sentence_count);
                    break;
                }
                (Outcome::Failed(failed), false) => eprintln!("again: {}", failed.error_message),
                (Outcome::Failed(failed), true) => return Err(failed.error_message.into()),
            }
        }
    }
    Ok(app.shutdown().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    bloodbank::init_logging();
    let path = std::env::var_os("TRANSCRIPTS_DB").map_or_else(|| PathBuf::from("transcripts.db"), PathBuf::from);
    let index = Index::open(&path)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first().map(|(verb, rest)| (verb.as_str(), rest)) {
        Some(("ingest", [file])) => ingest_file(&Bus::from_env().await?, index, file).await,
        Some(("serve", [])) => {
            let app = App::new("transcript-search", Bus::from_env().await?).state(index).subscribe(ingest);
            Ok(app.run().await?)
        }
        Some(("search", words @ [_, ..])) => {
            for hit in index.search(words)? {
                println!("{} at {:.0} s: {}", hit.title, hit.seconds, hit.text);
            }
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}
