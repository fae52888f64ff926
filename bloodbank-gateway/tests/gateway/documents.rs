//! The OpenAPI and AsyncAPI documents, which the official validators accept.

use std::{path::PathBuf, process::Stdio};

use bloodbank_core::Registry;
use bloodbank_gateway::{asyncapi_document, openapi_document};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{json_of, serve};

/// A program of the Python environment that `scripts/venv.sh` makes.
pub(crate) async fn python(program: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = Command::new(root.join("scripts/venv.sh")).stderr(Stdio::inherit()).output().await.expect("bash");
    assert!(made.status.success(), "scripts/venv.sh failed");
    let folder = String::from_utf8(made.stdout).expect("a path");
    PathBuf::from(folder.trim()).join("bin").join(program)
}

/// Node.js with the packages that `scripts/node.sh` installs.
pub(crate) async fn node() -> Command {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let installed = Command::new(root.join("scripts/node.sh")).stderr(Stdio::inherit()).output().await.expect("bash");
    assert!(installed.status.success(), "scripts/node.sh failed");
    let folder = PathBuf::from(String::from_utf8(installed.stdout).expect("a path").trim());
    let mut node = Command::new(folder.join("node"));
    node.env("NODE_PATH", folder.join("node_modules"));
    node
}

/// Collects the references of a document that lead nowhere.
fn dangling(document: &Value, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let pointer = reference.strip_prefix('#').expect("within the document");
                // In a reference `{` stands for itself.
                if document.pointer(pointer).is_none() {
                    found.push(reference.clone());
                }
            }
            fields.values().for_each(|field| dangling(document, field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| dangling(document, item, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_is_valid_and_complete() {
    let gateway = serve().await;
    let (_, document) = json_of(gateway.get("/openapi.json")).await;
    assert_eq!(document, openapi_document(&gateway.gateway));
    for event in Registry::global().events() {
        let path = format!("/events/{}", event.routing_key().replace('.', "/"));
        assert!(document["paths"][&path]["post"].is_object(), "{path}");
    }
    let mut found = Vec::new();
    dangling(&document, &document, &mut found);
    assert_eq!(found, Vec::<String>::new());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    tokio::fs::write(&file, document.to_string()).await.unwrap();
    let validated = Command::new(python("openapi-spec-validator").await).arg(&file).output().await.unwrap();
    let said = String::from_utf8_lossy(&validated.stdout);
    assert!(validated.status.success() && said.contains("OK"), "{said}");
    // The validator can refuse.
    tokio::fs::write(&file, document.to_string().replace("\"responses\"", "\"respones\"")).await.unwrap();
    assert!(!Command::new(python("openapi-spec-validator").await).arg(&file).output().await.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_asyncapi_document_is_valid_and_has_every_event() {
    let gateway = serve().await;
    let (_, document) = json_of(gateway.get("/asyncapi.json")).await;
    assert_eq!(document, asyncapi_document(Registry::global()));
    let mut found = Vec::new();
    dangling(&document, &document, &mut found);
    assert_eq!(found, Vec::<String>::new());
    for event in Registry::global().events() {
        let addresses = document["channels"].as_object().unwrap().values();
        assert_eq!(addresses.filter(|channel| channel["address"] == event.routing_key()).count(), 1);
    }
    let prompt = &document["operations"]["publish.agent.thread.prompt"];
    assert_eq!(prompt["reply"]["channel"]["$ref"], "#/channels/agent.thread.response");
    assert_eq!(document["operations"]["execute.agent.thread.prompt"]["action"], "receive");
    assert!(document["channels"]["artifact.action"]["parameters"]["action"].is_object());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("asyncapi.json");
    let parser = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/node/asyncapi.cjs");
    let parse = async |document: &Value| {
        tokio::fs::write(&file, document.to_string()).await.unwrap();
        let parsed = node().await.arg(&parser).arg(&file).stderr(Stdio::inherit()).output().await.unwrap();
        (parsed.status.success(), String::from_utf8_lossy(&parsed.stdout).into_owned())
    };
    let (is_valid, said) = parse(&document).await;
    assert!(is_valid && said.contains("valid: 3.0.0"), "{said}");
    // The parser can refuse.
    let mut broken = document.clone();
    broken["operations"]["publish.llm.prompt"]["action"] = "publish".into();
    let (is_valid, said) = parse(&broken).await;
    assert!(!is_valid && said.contains("/operations/publish.llm.prompt/action"), "{said}");
}

#[tokio::test]
async fn the_pages_need_nothing_from_elsewhere() {
    let gateway = serve().await;
    for path in ["/docs", "/asyncapi"] {
        let response = gateway.get(path).send().await.unwrap();
        assert_eq!(response.headers()["content-security-policy"], "default-src 'none'; style-src 'unsafe-inline'");
        let html = response.text().await.unwrap();
        assert!(!html.contains("http://") && !html.contains("<script"), "{path}");
        for event in Registry::global().events() {
            assert!(html.contains(&format!("<section id=\"{}\">", event.routing_key())), "{path}: {event:?}");
        }
        let docs = Registry::global().event("llm.prompt").expect("it is linked").declaration().docs;
        assert!(html.contains(docs), "the words of the declaration");
    }
}
