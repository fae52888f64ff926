//! How a trace is drawn.

use bloodbank_core::{
    Settings,
    correlation::{CorrelationTracker, Trace},
    store::CausationLink,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

struct Story {
    tracker: CorrelationTracker,
    begin: DateTime<Utc>,
}

impl Story {
    fn new() -> Self {
        // The events are of a fixed day; memory must not have forgotten them.
        let settings = Settings::from_vars([("CORRELATION_TTL_DAYS", "36500")]).unwrap();
        Self { tracker: CorrelationTracker::in_memory(&settings), begin: "2026-01-05T12:00:00.123Z".parse().unwrap() }
    }

    fn event(&self, id: Uuid, key: &str, app: &str, parents: &[Uuid], after_millis: i64) {
        let recorded = self.tracker.record(CausationLink {
            child: id,
            parents: parents.to_vec(),
            event_type: Some(key.into()),
            created_at: self.begin + TimeDelta::milliseconds(after_millis),
            app: Some(app.into()),
            metadata: None,
        });
        assert!(recorded.is_none(), "memory is written at once");
    }
}

fn id(start: u32) -> Uuid {
    Uuid::from_u128(u128::from(start) << 96 | 7)
}

async fn transcripts() -> (Story, [Uuid; 6]) {
    let story = Story::new();
    let ids = [0x6f1c_2a9e, 0xa81f_03c2, 0x0b7e_55d1, 0xc03d_91aa, 0x5e2a_7b40, 0x77aa_0010].map(id);
    let [upload, ready, processed, prompt, response, digest] = ids;
    story.event(upload, "fireflies.transcript.upload", "webhook", &[], 0);
    story.event(ready, "fireflies.transcript.ready", "webhook", &[upload], 40_884);
    story.event(processed, "fireflies.transcript.processed", "rag", &[ready], 41_827);
    story.event(prompt, "agent.thread.prompt", "agents", &[ready], 41_880);
    story.event(response, "agent.thread.response", "agents", &[prompt], 44_558);
    story.event(digest, "reports.digest.sent", "reports", &[processed, response], 50_000);
    (story, ids)
}

#[tokio::test]
async fn as_text() {
    let (story, ids) = transcripts().await;
    let text = Trace::load(&story.tracker, ids[4]).await.unwrap().to_text();
    assert_eq!(
        text,
        "\
2026-01-05 (UTC)
fireflies.transcript.upload           6f1c2a9e-0000-0000-0000-000000000007  12:00:00.123  webhook
└─ fireflies.transcript.ready         a81f03c2-0000-0000-0000-000000000007  12:00:41.007  webhook
   ├─ fireflies.transcript.processed  0b7e55d1-0000-0000-0000-000000000007  12:00:41.950  rag
   │  └─ reports.digest.sent          77aa0010-0000-0000-0000-000000000007  12:00:50.123  reports  caused by 0b7e55d1-0000-0000-0000-000000000007, 5e2a7b40-0000-0000-0000-000000000007
   └─ agent.thread.prompt             c03d91aa-0000-0000-0000-000000000007  12:00:42.003  agents
      └─ agent.thread.response        5e2a7b40-0000-0000-0000-000000000007  12:00:44.681  agents   ◀
         └─ reports.digest.sent       77aa0010-0000-0000-0000-000000000007  ↑ above
"
    );
}

#[tokio::test]
async fn as_mermaid_and_dot() {
    let (story, ids) = transcripts().await;
    let trace = Trace::load(&story.tracker, ids[5]).await.unwrap();
    let mermaid = trace.to_mermaid();
    assert!(mermaid.starts_with("flowchart TD\n"), "{mermaid}");
    assert!(
        mermaid.contains("    e0[\"fireflies.transcript.upload<br/>6f1c2a9e · 12:00:00.123 · webhook\"]\n"),
        "{mermaid}"
    );
    assert_eq!(mermaid.matches(" --> ").count(), 6);
    assert!(mermaid.ends_with("    style e5 stroke-width:3px\n"), "{mermaid}");
    let dot = trace.to_dot();
    assert!(dot.starts_with("digraph trace {\n") && dot.ends_with("}\n"), "{dot}");
    assert!(
        dot.contains("    e5 [label=\"reports.digest.sent\\n77aa0010 · 12:00:50.123 · reports\", penwidth=3];\n"),
        "{dot}"
    );
    assert_eq!(dot.matches(" -> ").count(), 6);
}

#[tokio::test]
async fn as_data() {
    let (story, [upload, ready, processed, prompt, ..]) = transcripts().await;
    let trace = Trace::load(&story.tracker, upload).await.unwrap();
    let data = serde_json::to_value(&trace).unwrap();
    assert_eq!(data["around"], json!(upload));
    assert_eq!(
        data["events"][1],
        json!({
            "event_id": ready,
            "event_type": "fireflies.transcript.ready",
            "app": "webhook",
            "time": "2026-01-05T12:00:41.007Z",
            "parents": [upload],
            "children": [processed, prompt],
            "metadata": {},
        })
    );
    assert_eq!(data["truncated"], false);
}

#[tokio::test]
async fn two_roots_unknown_causes_and_more_than_one_day() {
    let story = Story::new();
    let [known, joined, unknown] = [1, 2, 3].map(id);
    story.event(known, "orders.order.placed", "shop", &[], 0);
    story.event(joined, "orders.order.shipped", "shop", &[known, unknown], 24 * 60 * 60 * 1000);
    let text = Trace::load(&story.tracker, joined).await.unwrap().to_text();
    assert_eq!(
        text,
        "\
orders.order.placed      00000001-0000-0000-0000-000000000007  2026-01-05 12:00:00.123  shop
└─ orders.order.shipped  00000002-0000-0000-0000-000000000007  2026-01-06 12:00:00.123  shop  ◀ caused by 00000001-0000-0000-0000-000000000007, 00000003-0000-0000-0000-000000000007
(unknown)                00000003-0000-0000-0000-000000000007
└─ orders.order.shipped  00000002-0000-0000-0000-000000000007  ↑ above
"
    );
}

#[tokio::test]
async fn ids_in_drawings_are_as_long_as_needed_to_tell_them_apart() {
    let story = Story::new();
    let [one, two] = [1, 2].map(Uuid::from_u128);
    story.event(one, "a.b", "x", &[], 0);
    story.event(two, "a.c", "x", &[one], 1);
    let drawn = Trace::load(&story.tracker, one).await.unwrap().to_mermaid();
    assert!(drawn.contains(&one.to_string()) && drawn.contains(&two.to_string()), "{drawn}");
}

#[tokio::test]
async fn what_others_wrote_does_no_harm() {
    let story = Story::new();
    let [cause, effect] = [1, 2].map(id);
    story.event(cause, "a.b\u{1b}[2J\n", "\"]; x --> y", &[], 0);
    story.event(effect, "a.c", "back\\slash", &[cause], 1);
    let trace = Trace::load(&story.tracker, cause).await.unwrap();
    let text = trace.to_text();
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(text.lines().count(), 3, "{text}");
    let mermaid = trace.to_mermaid();
    assert_eq!(mermaid.lines().count(), 5, "{mermaid}");
    assert!(!mermaid.contains("\"];"), "{mermaid}");
    let dot = trace.to_dot();
    assert!(dot.contains("\\\"]; x"), "{dot}");
    assert!(dot.contains("back\\\\slash"), "{dot}");
}

#[tokio::test]
async fn a_chain_of_thousands_stays_small() {
    let story = Story::new();
    let ids: Vec<Uuid> = (0..5_000).map(id).map(|id| Uuid::from_u128(id.as_u128() + 1)).collect();
    story.event(ids[0], "a.b", "x", &[], 0);
    for (number, pair) in ids.windows(2).enumerate() {
        story.event(pair[1], "a.b", "x", &[pair[0]], number as i64);
    }
    let trace = Trace::load(&story.tracker, ids[2_500]).await.unwrap();
    assert_eq!(trace.events.len(), 5_000);
    let text = trace.to_text();
    assert_eq!(text.lines().count(), 5_001);
    assert!(text.len() < 5_001 * 400, "{}", text.len());
    assert!(text.lines().last().unwrap().contains("4999"), "{:?}", text.lines().last());
}
