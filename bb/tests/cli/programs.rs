//! What a program consists of, and what it says about what it has not.

use crate::support::{Running, bb, command, example, fails, out};
use bloodbank_core::{Bus, Event, Settings};
use bloodbank_domains::llm::LlmPrompt;
use serde_json::Value;

#[test]
fn a_program_keeps_all_of_its_apps() {
    let folder = tempfile::tempdir().unwrap();
    let program = |args: &[&str]| command(example("pair"), folder.path(), args);
    let topology: Value = serde_json::from_str(&out(program(&["topology", "--json"]))).unwrap();
    let queues: Vec<_> =
        topology["queues"].as_array().unwrap().iter().filter_map(|queue| queue["name"].as_str()).collect();
    for queue in ["host.answer", "dog.bark"] {
        assert!(queues.contains(&queue), "{queues:?}");
    }
    let mut work = program(&["work"]);
    work.env("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db"));
    let mut work = Running::start(work);
    work.line("working");
    let mut queues = program(&["queues", "--json"]);
    queues.env("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db"));
    let queues: Vec<Value> = serde_json::from_str(&out(queues)).unwrap();
    for queue in ["host.answer", "dog.bark"] {
        let found = queues.iter().find(|row| row["name"] == queue).unwrap_or_else(|| panic!("{queue}: {queues:?}"));
        assert_eq!(found["consumers"], 1, "{found}");
    }
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
}

#[test]
fn what_the_python_side_spells_otherwise_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| out(bb(folder.path(), args));
    for (name, key) in [
        ("FirefliesTranscriptReadyPayload", "fireflies.transcript.ready"),
        ("LLMPrompt", "llm.prompt"),
        ("LLMErrorPayload", "llm.error"),
        ("GitHubPRCreatedPayload", "github.pr.created"),
        ("AgentThreadPromptEvent", "agent.thread.prompt"),
        ("ArtifactIngestionFailedPayload", "artifact.ingestion.failed"),
    ] {
        assert!(said(&["show", name]).starts_with(&format!("{key}\n")), "{name}");
        let envelope: Value = serde_json::from_str(&said(&["publish", name, "--mock", "--dry-run"])).unwrap();
        assert_eq!(envelope["event_type"], key, "{name}");
    }
    assert!(fails(bb(folder.path(), &["show", "LLMPromt"]), 2).contains("LlmPrompt"));
    assert_eq!(said(&["list-events", "--type", "COMMAND"]), said(&["list-events", "--type", "command"]));

    let ask = |args: &[&str]| {
        let mut ask = bb(folder.path(), &[&["publish-prompt", "claude"], args].concat());
        ask.env("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db"));
        ask
    };
    for args in [&["--model", "m", "why?"][..], &["m", "why?"]] {
        out(ask(args));
        let mut tail = bb(folder.path(), &["tail", "--json", "-n", "1"]);
        tail.env("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db"));
        let prompt: Value = serde_json::from_str(&out(tail)).unwrap();
        let payload = &prompt["payload"];
        let asked = ["provider", "model", "prompt"].map(|name| payload[name].as_str().unwrap_or_default());
        assert_eq!(asked, ["claude", "m", "why?"], "{args:?}");
    }
    assert!(fails(ask(&["--model", "m", "n", "why?"]), 2).contains("the model is given twice"));
}

#[test]
fn a_domain_without_commands_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let said = out(bb(folder.path(), &["list-commands", "-d", "github"]));
    assert!(said.contains("domain `github` has no commands"), "{said}");
    assert!(said.contains("list-events --domain github"), "{said}");
    assert_eq!(out(bb(folder.path(), &["list-commands", "-d", "github", "--json"])).trim(), "[]");
    assert!(fails(bb(folder.path(), &["list-commands", "-d", "firefly"]), 2).contains("did you mean `fireflies`?"));
}

#[test]
fn the_commands_that_are_executed_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let executes = |execute: Option<&str>| {
        let mut topology = bb(folder.path(), &["topology"]);
        if let Some(execute) = execute {
            topology.env("BLOODBANK_EXECUTE", execute);
        }
        let shown = out(topology);
        ["agent.thread.prompt", "fireflies.transcript.fetch"].map(|key| shown.contains(&format!("command.{key}")))
    };
    assert_eq!(executes(None), [true, true]);
    assert_eq!(executes(Some("fireflies.#, agent.thread.prompt")), [true, true]);
    assert_eq!(executes(Some("fireflies.#")), [false, true]);
    std::fs::write(folder.path().join("bloodbank.toml"), "bloodbank_execute = [\"agent.thread.prompt\"]\n").unwrap();
    assert_eq!(executes(None), [true, false]);
    let mut misspelt = bb(folder.path(), &["topology"]);
    misspelt.env("BLOODBANK_EXECUTE", "agent.thread.promt");
    let error = fails(misspelt, 2);
    assert!(error.contains("BLOODBANK_EXECUTE in the environment") && error.contains("agent.thread.prompt"), "{error}");

    let serve = Running::start(bb(folder.path(), &["serve", "--memory", "--port", "0", "--no-commands"]));
    serve.line("gateway  http://");
    let refused = fails(bb(folder.path(), &["publish", "agent.thread.prompt", "--mock", "--wait"]), 1);
    assert!(refused.contains("no queue receives `agent.thread.prompt`"), "{refused}");
}

#[tokio::test]
async fn the_history_is_shown_whole_or_it_is_said_what_is_left_out() {
    const EVENTS: usize = 10_050;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db").to_str().unwrap().to_owned();
    let bus = Bus::connect(Settings::from_vars([("BLOODBANK_EMBEDDED_PATH", path.clone())]).unwrap()).await.unwrap();
    let published = bus.publish_all((0..EVENTS).map(|_| LlmPrompt::example().unwrap())).await;
    assert!(published.iter().all(Result::is_ok));
    bus.close().await;
    let tail = |args: &[&str]| {
        let mut tail = bb(folder.path(), &[&["tail", "--json"], args].concat());
        tail.env("BLOODBANK_EMBEDDED_PATH", &path);
        let output = tail.output().unwrap();
        let [shown, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (shown.lines().count(), said)
    };
    let (shown, said) = tail(&["--since", "1d"]);
    assert_eq!((shown, &*said), (EVENTS, ""));
    assert_eq!(tail(&["--since", "1d", "-n", "3"]).0, 3);
    let (shown, said) = tail(&[]);
    assert!(shown == 100 && said.contains("the last 100 events; --since shows all"), "{shown}: {said}");
}
