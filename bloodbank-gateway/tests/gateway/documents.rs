//! The OpenAPI and AsyncAPI documents, which the official validators accept.

use std::{path::PathBuf, process::Stdio};

use bloodbank_core::{Bus, Registry, Settings};
use bloodbank_gateway::{Tokens, asyncapi_document, openapi_document};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{PROMPT, json_of, serve, serve_with};

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

#[tokio::test]
async fn generators_find_what_they_need_in_the_document() {
    let gateway = serve().await;
    let text = gateway.get("/openapi.json").send().await.unwrap().text().await.unwrap();
    // Some take the first media type of a body.
    let bodies: Vec<_> = text.split("\"requestBody\":{\"content\":{").skip(1).collect();
    assert!(bodies.len() > Registry::global().events().len());
    for body in
        bodies.iter().filter(|body| body.split("\"required\"").next().unwrap().contains("\"application/json\":"))
    {
        assert!(body.starts_with("\"application/json\":"), "{}", body.split_at(80).0);
    }
    let document: Value = serde_json::from_str(&text).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        assert!(schema.get("$defs").is_none(), "{name} hides definitions");
        assert!(schema["title"].as_str().is_some_and(|title| !title.is_empty()), "{name} has no title");
    }
    for word in ["[`", "/properties/"] {
        assert!(!text.contains(word), "{word}: {}", text.split(word).next().unwrap().len());
    }
    let action = &document["paths"]["/events/artifact/{action}"]["post"]["parameters"][0];
    let reference = action["schema"]["$ref"].as_str().expect("a reference").trim_start_matches('#');
    assert_eq!(document.pointer(reference).unwrap()["enum"], json!(["created", "updated", "deleted"]));
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap();
            let schema = answers
                .iter()
                .find(|(status, _)| status.starts_with('2'))
                .map(|(_, answer)| &answer["content"]["application/json"]["schema"]);
            // These answer with documents of other kinds.
            let is_document =
                ["/openapi.json", "/asyncapi.json", "/mcp"].contains(&path.as_str()) || path.starts_with("/replays");
            if !is_document && let Some(schema) = schema.filter(|schema| schema.is_object()) {
                assert!(schema["$ref"].is_string(), "{method} {path}: {schema}");
            }
        }
    }
}

#[tokio::test]
async fn the_document_says_who_needs_a_token() {
    let open = openapi_document(&serve().await.gateway);
    assert!(open.get("security").is_none() && open["components"].get("securitySchemes").is_none());
    let tokens = r##"token = [{ name = "all", secret = "may-do-everything-here", read = ["#"], publish = ["#"] }]"##;
    let tokens = Tokens::from_toml(tokens).unwrap();
    let guarded = serve_with(Bus::embedded(), |builder| builder.tokens(tokens)).await;
    let document = openapi_document(&guarded.gateway);
    assert_eq!(document["security"], json!([{ "bearer": [] }, { "basic": [] }]));
    assert_eq!(document["components"]["securitySchemes"]["basic"]["scheme"], "basic");
    for (document, needs_token) in [(&open, false), (&document, true)] {
        let get = |path: &str| &document["paths"][path]["get"];
        assert_eq!(get("/healthz").get("security"), needs_token.then(|| json!([])).as_ref());
        assert!(get("/healthz")["responses"].get("401").is_none());
        assert!(get("/queues").get("security").is_none());
        assert_eq!(get("/queues")["responses"].get("401").is_some(), needs_token);
    }
    // And it is so.
    let ask = || guarded.get("/registry/domains");
    assert_eq!(json_of(ask()).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(json_of(ask().bearer_auth("may-do-everything-here")).await.0, StatusCode::OK);
    assert_eq!(json_of(ask().basic_auth("anyone", Some("may-do-everything-here"))).await.0, StatusCode::OK);
    assert_eq!(json_of(guarded.get("/healthz")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn answers_are_as_the_document_describes_them() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::connect(
        Settings::from_vars([("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db").to_str().unwrap())]).unwrap(),
    )
    .await
    .unwrap();
    let gateway = serve_with(bus, |builder| builder).await;
    let (_, document) = json_of(gateway.get("/openapi.json")).await;
    let (_, cause) = json_of(gateway.post("/events/agent/thread/prompt").json(&*PROMPT)).await;
    let id = cause["event_id"].as_str().unwrap();
    let answer = json!({ "provider": "claude", "response": "because" });
    let effect = gateway.post(&format!("/events/agent/thread/response?correlation_ids={id}")).json(&answer);
    assert_eq!(json_of(effect).await.0, StatusCode::ACCEPTED);
    let correlation =
        |rest: &str| (format!("/debug/correlation/{id}{rest}"), format!("/debug/correlation/{{id}}{rest}"));
    let same = |path: &str| (path.to_owned(), path.to_owned());
    for (path, described) in [
        same("/healthz"),
        same("/readyz"),
        same("/registry/domains"),
        same("/registry/events"),
        ("/registry/events/llm.prompt".to_owned(), "/registry/events/{key}".to_owned()),
        same("/queues"),
        same("/history"),
        (format!("/events/{id}"), "/events/{id}".to_owned()),
        (format!("/commands/{id}"), "/commands/{id}".to_owned()),
        correlation(""),
        correlation("/dump"),
        correlation("/chain"),
        correlation("/graph"),
    ] {
        let (status, answer) = json_of(gateway.get(&path)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        let content = &document["paths"][&described]["get"]["responses"]["200"]["content"];
        check(&document, &content["application/json"]["schema"], &answer, &path);
    }
    let envelope = json!({ "event_type": "llm.prompt", "payload": *PROMPT });
    let (_, published) = json_of(gateway.post("/events/custom").json(&envelope)).await;
    check(&document, &json!({ "$ref": "#/components/schemas/Published" }), &published, "/events/custom");
    check(&document, &json!({ "$ref": "#/components/schemas/agent.thread.prompt.envelope" }), &cause, "its envelope");
}

/// Checks an answer against its schema, which leaves out no field and knows no other.
fn check(document: &Value, schema: &Value, answer: &Value, place: &str) {
    assert!(schema["$ref"].is_string(), "{place}: {schema}");
    let whole = json!({ "$ref": schema["$ref"], "components": document["components"] });
    let validator = jsonschema::validator_for(&whole).expect("a schema");
    let faults: Vec<_> = validator.iter_errors(answer).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{place}: {faults:?} in {answer}");
    let reference = schema["$ref"].as_str().expect("a reference");
    let described = document.pointer(reference.trim_start_matches('#')).expect("what it refers to");
    for field in answer.as_object().expect("an object").keys() {
        assert!(described["properties"].get(field).is_some(), "{place}: `{field}` is not described");
    }
}

#[tokio::test]
async fn the_asyncapi_document_names_the_server_without_its_password() {
    let document = |url: &str| {
        asyncapi_document(
            Registry::global(),
            &Settings::from_vars([("RABBIT_URL", url), ("EXCHANGE_NAME", "shop")]).unwrap(),
        )
    };
    let (server, channel) = ("/servers/rabbitmq", "/channels/llm.prompt/bindings/amqp/exchange");
    let secret = document("amqps://publisher7:pa55w0rd@rabbit.example:5673/its%2Fown");
    assert!(!secret.to_string().contains("pa55w0rd") && !secret.to_string().contains("publisher7"));
    let server = secret.pointer(server).unwrap();
    assert_eq!((&server["host"], &server["protocol"]), (&json!("rabbit.example:5673"), &json!("amqps")));
    assert_eq!(server["pathname"], "its/own");
    let exchange = secret.pointer(channel).unwrap();
    assert_eq!((&exchange["name"], &exchange["vhost"]), (&json!("shop"), &json!("its/own")));
    let cluster = document("amqp://publisher7:pa55w0rd@one/shop,amqp://publisher7:pa55w0rd@two/shop");
    assert!(!cluster.to_string().contains("pa55w0rd"), "{}", cluster["servers"]);
    let hosts: Vec<_> = cluster["servers"].as_object().unwrap().values().map(|server| &server["host"]).collect();
    assert_eq!(hosts, ["one", "two"]);
    assert_eq!(document("amqp://localhost").pointer(channel).unwrap()["vhost"], "/");
    assert!(asyncapi_document(Registry::global(), &Settings::default()).get("servers").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_asyncapi_document_is_valid_and_has_every_event() {
    let gateway = serve().await;
    let (_, document) = json_of(gateway.get("/asyncapi.json")).await;
    assert_eq!(document, asyncapi_document(Registry::global(), gateway.bus.settings()));
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
        assert!(!html.contains("[`") && !html.contains("`]"), "{path} shows links of rustdoc");
    }
}
