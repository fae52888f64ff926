//! Examples of meetings: one stand-up, from its recording to its transcript in a vector store.

use serde_json::Map;

use super::{noon_and, some, texts};
use crate::fireflies::{
    AiFilters, FailedStage, FirefliesTranscriptAvailable, FirefliesTranscriptFailed, FirefliesTranscriptFetch,
    FirefliesTranscriptProcessed, FirefliesTranscriptReady, FirefliesTranscriptUpload, Participant, Sentence, User,
};

const MEETING: &str = "ff_meeting_456";
const TITLE: &str = "Team stand-up";
const RECORDING: &str = "s3://recordings/standup.mp3";

impl FirefliesTranscriptUpload {
    pub(crate) fn sample() -> Self {
        Self {
            media_file: RECORDING.to_owned(),
            media_duration_seconds: 930,
            media_type: "audio/mpeg".to_owned(),
            title: some(TITLE),
            user_id: some("user_123"),
            created_at: noon_and(16),
        }
    }
}

impl FirefliesTranscriptAvailable {
    pub(crate) fn sample() -> Self {
        Self { meeting_id: MEETING.to_owned(), client_reference_id: some("standup-2025-10-18") }
    }
}

impl FirefliesTranscriptFetch {
    pub(crate) fn sample() -> Self {
        Self { meeting_id: MEETING.to_owned() }
    }
}

impl FirefliesTranscriptReady {
    pub(crate) fn sample() -> Self {
        Self {
            id: MEETING.to_owned(),
            title: TITLE.to_owned(),
            date: noon_and(0),
            duration: 15.5,
            transcript_url: "https://app.fireflies.ai/view/ff_meeting_456".to_owned(),
            audio_url: some("https://cdn.fireflies.ai/ff_meeting_456.mp3"),
            video_url: None,
            sentences: vec![
                sentence(0, ["Ana", "ship it", "Ship it?"], [0.24, 1.52], "neutral"),
                sentence(1, ["Bo", "yes today", "Yes, today."], [2.0, 3.84], "positive"),
            ],
            summary: some("The release goes out today."),
            participants: vec![
                Participant { name: some("Ana"), email: some("ana@example.com") },
                Participant { name: some("Bo"), email: some("bo@example.com") },
            ],
            speakers: texts(&["Ana", "Bo"]),
            user: User {
                user_id: "user_123".to_owned(),
                email: "ana@example.com".to_owned(),
                name: "Ana".to_owned(),
                num_transcripts: Some(274),
                minutes_consumed: Some(14301.5),
                is_admin: Some(true),
            },
            host_email: "ana@example.com".to_owned(),
            organizer_email: "ana@example.com".to_owned(),
            privacy: "link".to_owned(),
            meeting_link: some("https://meet.example.com/standup"),
            calendar_id: some("standup-2025-10-18"),
            calendar_type: some("google"),
            raw_meeting_info: Some(Map::from_iter([("silent_meeting".to_owned(), false.into())])),
        }
    }
}

fn sentence(
    index: u32,
    [speaker, raw_text, text]: [&str; 3],
    [start_time, end_time]: [f64; 2],
    mood: &str,
) -> Sentence {
    Sentence {
        index,
        speaker_name: some(speaker),
        speaker_id: Some(index.into()),
        raw_text: raw_text.to_owned(),
        text: text.to_owned(),
        start_time,
        end_time,
        ai_filters: Some(AiFilters { text_cleanup: some(text), sentiment: some(mood), ..AiFilters::default() }),
    }
}

impl FirefliesTranscriptProcessed {
    pub(crate) fn sample() -> Self {
        Self {
            transcript_id: MEETING.to_owned(),
            rag_document_id: "document_789".to_owned(),
            title: TITLE.to_owned(),
            ingestion_timestamp: noon_and(20),
            sentence_count: 2,
            speaker_count: 2,
            duration_minutes: 15.5,
            vector_store: "chroma".to_owned(),
            chunk_count: 1,
            embedding_model: some("text-embedding-3-small"),
            metadata: Map::new(),
        }
    }
}

impl FirefliesTranscriptFailed {
    pub(crate) fn sample() -> Self {
        Self {
            failed_stage: FailedStage::Transcription,
            error_message: "nobody can be understood in the recording".to_owned(),
            error_code: some("AUDIO_QUALITY_LOW"),
            transcript_id: some(MEETING),
            media_file: some(RECORDING),
            timestamp: noon_and(18),
            is_retryable: false,
            retry_count: 0,
            metadata: Map::new(),
        }
    }
}
