//! Every example runs, and prints what it is about. The main job also runs on RabbitMQ and Redis.

use std::{path::PathBuf, process::Stdio, time::Duration};

use bloodbank_harness::{shared_postgres_url, shared_rabbit_url, shared_redis_url, unique};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(180);

/// The example, in a folder where no `.env` says anything else.
fn example(name: &str) -> Command {
    let path =
        PathBuf::from(std::env::current_exe().unwrap().parent().unwrap().parent().unwrap()).join("examples").join(name);
    assert!(path.exists(), "{} is not built; run the tests with `--examples` or with scripts/test.sh", path.display());
    let mut command = Command::new(path);
    command.current_dir(tempfile::tempdir().unwrap().keep()).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

async fn output(mut command: Command) -> String {
    let output = timeout(PATIENCE, command.output()).await.expect("the example ends").unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    assert_logs_only_what_matters(&err);
    out
}

/// What is normal is no warning: neither an event that nobody subscribes to nor a clean stop.
fn assert_logs_only_what_matters(log: &str) {
    for line in log.lines().filter(|line| [" WARN ", "ERROR "].iter().any(|level| line.contains(level))) {
        // A database on a busy machine may be slow.
        let is_expected = ["failed; tried again in", "gave up", "slow statement", "exceeded slow threshold"]
            .iter()
            .any(|part| line.contains(part));
        assert!(is_expected, "{line}");
    }
}

async fn assert_prints(name: &str, parts: &[&str]) {
    let out = output(example(name)).await;
    for part in parts {
        assert!(out.contains(part), "{name} does not print {part:?}:\n{out}");
    }
}

#[tokio::test]
async fn e01_declare() {
    assert_prints(
        "e01_declare",
        &["orders.order.placed", "A customer has placed an order.", "stock.sold_out", "\"minimum\": 0"],
    )
    .await;
}

#[tokio::test]
async fn e02_publish() {
    assert_prints(
        "e02_publish",
        &["1000 of 1000 confirmed", "no queue receives", "\"/total_cents\"", "did you mean `orders.order.placed`?"],
    )
    .await;
}

#[tokio::test]
async fn e03_subscribe_and_stop_by_signal() {
    let mut child = example("e03_subscribe").spawn().unwrap();
    assert_eq!(next_line(&mut child).await, "hello, Ada");
    let pid = child.id().unwrap().to_string();
    until_sigterm_is_caught(&pid).await;
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(timeout(PATIENCE, child.wait()).await.expect("it stops").unwrap().success());
}

/// The event may be handled before the program waits for the signal.
async fn until_sigterm_is_caught(pid: &str) {
    const SIGTERM: u32 = 15;
    let caught = async {
        loop {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the program runs");
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("Linux tells it").trim();
            if u64::from_str_radix(mask, 16).unwrap() & (1 << (SIGTERM - 1)) != 0 {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, caught).await.expect("it waits for the signal");
}

async fn next_line(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    timeout(PATIENCE, lines.next_line()).await.expect("a line").unwrap().unwrap_or_default()
}

#[tokio::test]
async fn e04_wildcards() {
    assert_prints(
        "e04_wildcards",
        &["o-1 was placed", "o-1 was shipped", "orders.invoice.sent says {\"amount\":4200}"],
    )
    .await;
}

#[tokio::test]
async fn e05_state_and_context() {
    assert_prints(
        "e05_state_and_context",
        &["attempt 1 of \"hello\" from archive.file", "number 1 was filed because of ["],
    )
    .await;
}

#[tokio::test]
async fn e06_follow_ups_and_failures() {
    assert_prints("e06_follow_ups_and_failures", &["o-1 is on its way", "the invoice of o-1 was sent", "NO_NUMBER"])
        .await;
}

#[tokio::test]
async fn e07_commands() {
    assert_prints(
        "e07_commands",
        &[
            "a receipt over 4200 cents was printed",
            "4711 was charged",
            "giving 100 cents back to stolen",
            "failed: the card is stolen",
        ],
    )
    .await;
}

#[tokio::test]
async fn e08_request_reply() {
    assert_prints("e08_request_reply", &["42 / 6 = 7", "nothing divides by zero"]).await;
}

#[tokio::test]
async fn e09_retries_and_dead_letters() {
    assert_prints(
        "e09_retries_and_dead_letters",
        &["attempt 3 of https://example.com", "attempt 1 of ftp://old", "crawler.fetch.dlq"],
    )
    .await;
}

#[tokio::test]
async fn e10_testing() {
    assert_prints("e10_testing", &["two hours passed in no time"]).await;
}

#[tokio::test]
async fn e11_versions() {
    assert_prints("e11_versions", &["welcome, Ada Lovelace", "welcome, Grace Hopper"]).await;
}

const OUTBOX: [&str; 3] = ["thank you for order o-", "charged 1 time", "└─ orders.order.charged"];

#[tokio::test]
async fn e13_outbox_on_a_file_of_sqlite() {
    assert_prints("e13_outbox", &OUTBOX).await;
}

#[tokio::test]
async fn e13_outbox_on_postgresql_and_rabbitmq() {
    let mut command = example("e13_outbox");
    command
        .env("DATABASE_URL", tokio::task::spawn_blocking(shared_postgres_url).await.unwrap())
        .env("RABBIT_URL", tokio::task::spawn_blocking(shared_rabbit_url).await.unwrap())
        .env("EXCHANGE_NAME", unique("e13"))
        .env("BLOODBANK_QUEUE_TYPE", "classic");
    let out = output(command).await;
    for part in OUTBOX {
        assert!(out.contains(part), "e13_outbox does not print {part:?}:\n{out}");
    }
}

/// The chain as it is printed, from the first event to the last.
const CHAIN: [&str; 5] = [
    "fireflies.transcript.upload",
    "└─ fireflies.transcript.ready",
    "   └─ fireflies.transcript.processed",
    "      └─ agent.thread.prompt",
    "         └─ agent.thread.response",
];

#[tokio::test]
async fn e14_replay() {
    let hotter = ["as it was:\n3 events handled, 3 follow-ups as recorded, 0 different", "/minutes: 240 → 180"];
    assert_prints("e14_replay", &hotter).await;
}

#[tokio::test]
async fn e12_transcripts() {
    assert_prints("e12_transcripts", &["chunk 2: Questions?", "system: \"embedded\""]).await;
    assert_prints("e12_transcripts", &CHAIN).await;
}

#[tokio::test]
async fn e12_transcripts_on_a_file() {
    let mut command = example("e12_transcripts");
    command.env("BLOODBANK_EMBEDDED_PATH", tempfile::tempdir().unwrap().keep().join("bus.db"));
    let out = output(command).await;
    assert!(CHAIN.iter().all(|line| out.contains(line)), "{out}");
}

#[tokio::test]
async fn e12_transcripts_on_rabbitmq_and_redis() {
    let (rabbit, redis) = tokio::task::spawn_blocking(|| (shared_rabbit_url(), shared_redis_url())).await.unwrap();
    let mut command = example("e12_transcripts");
    command.env("RABBIT_URL", rabbit).env("REDIS_URL", redis).env("EXCHANGE_NAME", unique("examples"));
    let out = output(command).await;
    assert!(out.contains("system: \"rabbitmq\""), "{out}");
    assert!(CHAIN.iter().all(|line| out.contains(line)), "{out}");
}
