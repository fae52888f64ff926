//! The dashboard in a real browser: Chromium from the distribution, driven from Node.js.
//!
//! Pictures of every page are written to `target/dashboard`.

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

#[path = "../shop.rs"]
mod shop;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bloodbank_core::{App, Bus, DeadLetters, RunningApp, Settings};
use bloodbank_gateway::{Gateway, ServeOptions, Server, Tokens};
use bloodbank_harness::{RabbitMq, shared_rabbit_url, unique};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use crate::shop::{charge, order, ship};

/// A shop with a dashboard.
struct Served {
    url: String,
    app: RunningApp,
    name: String,
}

async fn serve(bus: &Bus, tokens: Tokens) -> Served {
    let name = unique("shop");
    // Before the handlers begin to count.
    bloodbank_probes::install_recorder();
    let app = App::new(name.as_str(), bus.clone()).subscribe(charge).subscribe(ship).start().await.expect("it starts");
    let probe = app.probe();
    let gateway = Gateway::builder(bus.clone()).tokens(tokens).workers(move || probe.health());
    let gateway = gateway.endpoints(bloodbank_dashboard::endpoints()).build();
    let options = ServeOptions::on("127.0.0.1", 0).until(std::future::pending());
    let server = Server::bind(gateway, options).await.expect("a free port");
    let url = format!("http://{}", server.address());
    tokio::spawn(server.run());
    Served { url, app, name }
}

/// A person who does something in a browser; the pictures go to a folder of this name.
async fn person(mode: &str, url: &str, pictures: &str) -> (Command, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let installed = Command::new(root.join("scripts/node.sh")).stderr(Stdio::inherit()).output().await.expect("bash");
    assert!(installed.status.success(), "scripts/node.sh failed");
    let packages = PathBuf::from(String::from_utf8(installed.stdout).expect("a path").trim());
    let pictures = packages.parent().expect("the target folder").join("dashboard").join(pictures);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/browser.cjs");
    let mut node = Command::new(packages.join("node"));
    node.arg(script)
        .args([mode, url])
        .arg(&pictures)
        .env("NODE_PATH", packages.join("node_modules"))
        .kill_on_drop(true);
    (node, pictures)
}

async fn does(mode: &str, url: &str, pictures: &str) {
    let (mut node, pictures) = person(mode, url, pictures).await;
    let output = node.output().await.expect("node starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}\nPictures are in {}", pictures.display());
}

async fn rabbit(url: String) -> Bus {
    let vars = [("RABBIT_URL", url), ("EXCHANGE_NAME", unique("dashboard")), ("SERVICE_NAME", "shop".to_owned())];
    Bus::connect(Settings::from_vars(vars).expect("settings")).await.expect("the harness runs")
}

/// Waits until the gateway takes events from the bus.
async fn visit_live(url: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for path in ["/dashboard", "/dashboard/live/events"] {
        let answer = reqwest::get(format!("{url}{path}")).await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }
}

/// A shop in which orders went well, and others failed; one of those is full of markup and scripts.
async fn a_person_looks_around(bus: Bus, mode: &str, pictures: &str) {
    let served = serve(&bus, Tokens::default()).await;
    // The last events are kept from the first visit on.
    visit_live(&served.url).await;
    for number in 0..40 {
        bus.publish(order(&format!("o-{number}"), "DE")).await.expect("published");
    }
    for name in ["o-41", "o-42", "<script>alert('script')</script><img src=x onerror=alert('image')>"] {
        bus.publish(order(name, "XX")).await.expect("published");
    }
    let letters = DeadLetters::of(&bus, format!("{}.charge", served.name));
    let given_up = async {
        while letters.count().await.expect("the bus answers") < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), given_up).await.expect("three letters");
    does(mode, &served.url, pictures).await;
    served.app.shutdown().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_looks_around_on_the_embedded_bus() {
    a_person_looks_around(Bus::embedded(), "visit", "embedded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_looks_around_on_rabbitmq() {
    a_person_looks_around(rabbit(shared_rabbit_url()).await, "glance", "rabbitmq").await;
}

async fn an_order_is_followed_from_its_mistake_to_its_shipment(bus: Bus, pictures: &str) {
    let served = serve(&bus, Tokens::default()).await;
    does("story", &served.url, pictures).await;
    served.app.shutdown().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_followed_on_the_embedded_bus() {
    an_order_is_followed_from_its_mistake_to_its_shipment(Bus::embedded(), "embedded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_followed_on_rabbitmq() {
    an_order_is_followed_from_its_mistake_to_its_shipment(rabbit(shared_rabbit_url()).await, "rabbitmq").await;
}

/// The share of a core is printed: `cargo nextest run -p bloodbank-dashboard --all-features --test browser busy --no-capture`.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_bus_does_not_keep_a_browser_busy() {
    let bus = Bus::embedded();
    let served = serve(&bus, Tokens::default()).await;
    let (mut node, _) = person("busy", &served.url, "busy").await;
    let mut node = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node starts");
    let mut told = node.stdin.take().expect("an input");
    let mut lines = BufReader::new(node.stdout.take().expect("an output")).lines();
    assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some("open"));
    let steady = tokio::spawn({
        let bus = bus.clone();
        async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            loop {
                ticks.tick().await;
                bus.publish(order("o-steady", "DE")).await.expect("published");
            }
        }
    });
    told.write_all(b"steady\n").await.expect("told");
    println!("{}", lines.next_line().await.expect("a line").expect("the share of a core"));
    steady.abort();
    told.write_all(b"flood\n").await.expect("told");
    for number in 0..2000 {
        bus.publish(order(&format!("o-{number}"), "DE")).await.expect("published");
    }
    assert!(node.wait().await.expect("node ends").success(), "see above");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_out() {
    let tokens = "[[token]]\nname = \"ops\"\nsecret = \"may-do-everything-here\"\nread = [\"#\"]\npublish = [\"#\"]\n";
    let served = serve(&Bus::embedded(), Tokens::from_toml(tokens).expect("tokens")).await;
    does("sign-in", &served.url, "sign-in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_that_the_broker_is_away_and_when_it_is_back() {
    let broker = RabbitMq::start().expect("a broker");
    let bus = rabbit(broker.url()).await;
    let served = serve(&bus, Tokens::default()).await;
    let (mut node, _) = person("outage", &served.url, "outage").await;
    let mut node = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node starts");
    let mut told = node.stdin.take().expect("an input");
    let mut lines = BufReader::new(node.stdout.take().expect("an output")).lines();
    assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some("open"));
    tokio::task::block_in_place(|| broker.kill()).expect("killed");
    told.write_all(b"killed\n").await.expect("told");
    assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some("seen"));
    tokio::task::block_in_place(|| broker.start_again()).expect("started");
    told.write_all(b"back\n").await.expect("told");
    assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some("healthy"));
    bus.publish(order("after-the-outage", "DE")).await.expect("published");
    assert!(node.wait().await.expect("node ends").success(), "see above");
}
