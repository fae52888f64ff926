//! The examples around the ready-made events run, and print what they are about.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

const PATIENCE: Duration = Duration::from_secs(180);

/// The example, in this folder.
fn example(name: &str, folder: &Path) -> Command {
    let path =
        PathBuf::from(std::env::current_exe().unwrap().parent().unwrap().parent().unwrap()).join("examples").join(name);
    assert!(path.exists(), "{} is not built; run the tests with `--examples` or with scripts/test.sh", path.display());
    let mut command = Command::new(path);
    command.current_dir(folder).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What it prints, and what it complains about.
async fn run(mut command: Command) -> (bool, String, String) {
    let output = timeout(PATIENCE, command.output()).await.expect("the example ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

async fn assert_prints(command: Command, parts: &[&str]) {
    let (success, out, err) = run(command).await;
    assert!(success, "{out}\n{err}");
    for part in parts {
        assert!(out.contains(part), "{part:?} is not printed:\n{out}");
    }
}

#[tokio::test]
async fn artifact_consumer() {
    let folder = tempfile::tempdir().unwrap();
    let parts =
        ["created  transcript file:///", "(Team Standup, 10 characters)", "deleted", "failed", "no attempt can help"];
    assert_prints(example("artifact_consumer", folder.path()), &parts).await;
}

#[tokio::test]
async fn failure_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [
        "wait  artifact.ingestion.failed attempt 1 LOCKED: the index is locked (its cause is known)",
        "ALERT artifact.ingestion.failed attempt 2 LOCKED",
        "ALERT agent.thread.error attempt 1 401: the key is not accepted (without a cause)",
    ];
    assert_prints(example("failure_alerts", folder.path()), &parts).await;
}

#[tokio::test]
async fn transcript_search() {
    let folder = tempfile::tempdir().unwrap();
    let webhook = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/fireflies_webhook.json");
    let with = |arguments: &[&str]| {
        let mut command = example("transcript_search", folder.path());
        command.args(arguments);
        command
    };
    // Twice: an event may come again, and is there once.
    for _ in 0..2 {
        assert_prints(with(&["ingest", webhook]), &["from 5 sentences"]).await;
    }
    let (_, out, _) = run(with(&["search", "releases"])).await;
    assert!(out.lines().count() == 1 && out.contains("[release]") && out.contains("at 0 s"), "{out}");
    assert_prints(with(&["search", "lost", "event"]), &["[lost] [event]"]).await;
    for nothing in ["unicorns", "NOT", "*", "\"", "text:x"] {
        let (success, out, err) = run(with(&["search", nothing])).await;
        assert!(success && out.is_empty(), "{nothing}: {out}\n{err}");
    }
    let (success, _, err) = run(with(&[])).await;
    assert!(!success && err.contains("usage: transcript_search"), "{err}");
}

#[tokio::test]
async fn a_transcript_without_sentences_fails_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let exported = include_str!("../../examples/data/fireflies_webhook.json");
    let mut webhooks: serde_json::Value = serde_json::from_str(exported).unwrap();
    webhooks[0]["content"]["data"]["sentences"] = serde_json::Value::Null;
    std::fs::write(folder.path().join("empty.json"), webhooks.to_string()).unwrap();
    let mut command = example("transcript_search", folder.path());
    command.args(["ingest", "empty.json"]);
    let (success, out, err) = run(command).await;
    assert!(!success && err.contains("the transcript has no sentences"), "{out}\n{err}");
}
