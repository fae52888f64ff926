//! The clients and models that generators make of the documents: they compile, and publish every event.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
};

use bloodbank_client::mock_payload;
use bloodbank_core::{Registry, Settings};
use bloodbank_gateway::{JsonFirst, asyncapi_document};
use serde_json::{Map, Value};
use tokio::process::Command;

use crate::{
    documents::{node, python},
    streams::Events,
    support::{Served, serve},
};

/// The file with this name among the tests of the gateway.
fn file_of_tests(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// A program of a package that `scripts/node.sh` installs.
async fn node_program(script: &str) -> Command {
    let mut node = node().await;
    let program = PathBuf::from(node.as_std().get_program());
    node.arg(program.with_file_name("node_modules").join(script));
    node
}

/// Runs a command to its good end, and returns what it said.
async fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().await.expect("it starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{:?} failed:\n{}", command.as_std(), said.concat());
    said.concat()
}

/// Writes the document of a gateway as the gateway writes it.
async fn write_document(gateway: &Served, folder: &Path) -> PathBuf {
    let text = gateway.get("/openapi.json").send().await.expect("an answer").text().await.expect("a document");
    let file = folder.join("openapi.json");
    tokio::fs::write(&file, text).await.expect("written");
    file
}

/// Writes a payload of each event, by the path under which it is published.
async fn write_payloads(folder: &Path) -> PathBuf {
    let payload = |key: &str| {
        let event = Registry::global().event(key).expect("it is registered");
        (format!("/events/{}", key.replace('.', "/")), mock_payload(event).expect("a payload"))
    };
    let payloads: Map<_, _> = Registry::global().events().iter().map(|event| payload(event.routing_key())).collect();
    let file = folder.join("payloads.json");
    tokio::fs::write(&file, Value::from(payloads).to_string()).await.expect("written");
    file
}

/// Checks that a generated client had each event accepted, and that each came out of the bus as it was published.
async fn check_published(reports: &str, events: &mut Events) {
    let mut accepted = BTreeSet::new();
    for line in reports.lines() {
        let report: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no report: {reports}"));
        assert_eq!(report["status"], 202, "{report}");
        let id = report["event_id"].as_str().unwrap_or_else(|| panic!("no id: {report}")).to_owned();
        assert!(accepted.insert(id), "{reports}");
    }
    let mut missing: BTreeSet<_> = Registry::global().events().iter().map(|event| event.routing_key()).collect();
    assert_eq!(accepted.len(), missing.len(), "{reports}");
    for _ in 0..accepted.len() {
        let (id, key, envelope) = events.next().await.expect("an event");
        assert!(accepted.contains(&id), "{key} was published by somebody else");
        let event = Registry::global().event(&key).expect("it is registered");
        // Languages write the same time in different ways.
        let payload = event.read(&key, &envelope["payload"]).expect("it fits").to_value().expect("JSON");
        assert_eq!(payload, mock_payload(event).expect("a payload"), "{key}");
        assert!(missing.remove(event.routing_key()), "{key} came twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_openapi_python_client_publishes_every_event() {
    let gateway = serve().await;
    let folder = tempfile::tempdir().expect("a folder");
    let document = write_document(&gateway, folder.path()).await;
    let config = folder.path().join("config.json");
    // What formats the code is left out: it takes longer than all else.
    tokio::fs::write(&config, r#"{ "post_hooks": [] }"#).await.expect("written");
    let mut generate = Command::new(python("openapi-python-client").await);
    generate.args(["generate", "--meta", "none", "--path"]).arg(&document).arg("--config").arg(&config);
    let said = run(generate.arg("--output-path").arg(folder.path().join("bloodbank_api"))).await;
    // A batch is no JSON, of which alone the generator knows.
    let lost: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("WARNING") || line.contains("will not be generated"))
        .filter(|line| !line.contains("/events/batch"))
        .collect();
    assert!(lost.is_empty(), "{said}");

    let mut events = Events::of(gateway.get("/events/stream")).await;
    let mut publish = Command::new(python("python").await);
    let payloads = write_payloads(folder.path()).await;
    publish.arg(file_of_tests("generated_client.py")).arg(&document).arg(payloads).arg(folder.path()).arg(&gateway.url);
    check_published(&run(&mut publish).await, &mut events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_clients_compile_and_publish_every_event() {
    let gateway = serve().await;
    let folder = tempfile::tempdir().expect("a folder");
    let document = write_document(&gateway, folder.path()).await;
    // A field with a default may be left out of what is published.
    let mut types = node_program("openapi-typescript/bin/cli.js").await;
    types.arg(&document).arg("--default-non-nullable=false").arg("--output").arg(folder.path().join("schema.ts"));
    run(types.current_dir(folder.path())).await;
    let mut sdk = node_program("@hey-api/openapi-ts/bin/run.js").await;
    sdk.arg("--input").arg(&document).arg("--output").arg(folder.path().join("hey"));
    run(sdk.args(["--client", "@hey-api/client-fetch"]).current_dir(folder.path())).await;

    let payloads = write_payloads(folder.path()).await;
    let mut program = node().await;
    run(program.arg(file_of_tests("node/clients.cjs")).arg(&document).arg(payloads).arg(folder.path())).await;
    run(node_program("typescript/bin/tsc").await.arg("--project").arg(folder.path())).await;
    let mut events = Events::of(gateway.get("/events/stream")).await;
    let program = folder.path().join("out/publish.js");
    check_published(&run(node().await.arg(program).arg(&gateway.url)).await, &mut events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_of_modelina_compile_and_have_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("asyncapi.json");
    let document = asyncapi_document(Registry::global(), &Settings::default());
    tokio::fs::write(&file, JsonFirst(&document).to_string()).await.expect("written");
    let models = run(node().await.arg(file_of_tests("node/modelina.cjs")).arg(&file).arg(folder.path())).await;
    let names: BTreeSet<_> = models.lines().collect();
    assert!(names.contains("LlmPrompt") && names.contains("LlmPromptEnvelope"), "{models}");
    let anonymous: Vec<_> = names.iter().filter(|name| name.to_lowercase().contains("anonymous")).collect();
    assert!(anonymous.is_empty(), "{anonymous:?}");

    let mut compile = node_program("typescript/bin/tsc").await;
    let target = ["--strict", "--noEmit", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler"];
    compile.args(target);
    let mut typescript = tokio::fs::read_dir(folder.path().join("typescript")).await.expect("models");
    while let Some(model) = typescript.next_entry().await.expect("an entry") {
        compile.arg(model.path());
    }
    run(&mut compile).await;
    let imports = "import importlib, pathlib, sys\n\
        for file in pathlib.Path(sys.argv[1], 'bloodbank_models').glob('[!_]*.py'): importlib.import_module('bloodbank_models.' + file.stem)";
    let place = folder.path().join("python");
    let mut import = Command::new(python("python").await);
    run(import.args(["-c", imports]).arg(&place).env("PYTHONPATH", &place)).await;
}
