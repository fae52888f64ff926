//! `ui`, in a terminal of its own.

use std::{
    num::NonZeroU16,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bloodbank_harness::{shared_rabbit_url, shared_redis_url, unique};
use pty_process::{OwnedWritePty, Size};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Child,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::support::{Running, TIMEOUT, command, example, out};

const ENTER: &str = "\r";
const DOWN: &str = "\x1b[B";
const RIGHT: &str = "\x1b[C";
const END: &str = "\x1b[F";
const F2: &str = "\x1bOQ";
const F3: &str = "\x1bOR";
const F5: &str = "\x1b[15~";
const F6: &str = "\x1b[17~";

/// A program, and settings that other programs have too.
struct Setup {
    folder: tempfile::TempDir,
    program: &'static str,
    settings: Vec<(&'static str, String)>,
}

impl Setup {
    fn embedded(program: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bus.db").display().to_string();
        let settings = vec![("SERVICE_NAME", "shop".to_owned()), ("BLOODBANK_EMBEDDED_PATH", file)];
        Self { folder, program, settings }
    }

    fn rabbitmq() -> Self {
        let settings = vec![
            ("SERVICE_NAME", unique("shop")),
            ("EXCHANGE_NAME", unique("test.events")),
            ("RABBIT_URL", shared_rabbit_url()),
            ("REDIS_URL", shared_redis_url()),
        ];
        Self { folder: tempfile::tempdir().unwrap(), program: "shop", settings }
    }

    fn run(&self, args: &[&str]) -> std::process::Command {
        let mut command = command(example(self.program), self.folder.path(), args);
        command.envs(self.settings.iter().cloned());
        command
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

/// A terminal with a program in it.
struct Terminal {
    child: Child,
    keys: OwnedWritePty,
    reader: JoinHandle<()>,
    /// What the program has written, and what it looks like.
    seen: Arc<Mutex<(Vec<u8>, vt100::Parser)>>,
}

impl Terminal {
    fn open(setup: &Setup, args: &[&str]) -> Self {
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(Size::new(40, 140)).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let folder: &Path = setup.folder.path();
        let ui = pty_process::Command::new(example(setup.program)).args(args).current_dir(folder).env_clear();
        let ui = ui.env("PATH", path).env("HOME", folder).env("TERM", "xterm-256color").envs(setup.settings.clone());
        let child = ui.kill_on_drop(true).spawn(pts).unwrap();
        let (mut output, keys) = pty.into_split();
        let seen = Arc::new(Mutex::new((Vec::new(), vt100::Parser::new(cells(40), cells(140), 0))));
        let written = Arc::clone(&seen);
        let reader = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer).await {
                let mut written = written.lock().unwrap();
                written.0.extend_from_slice(&buffer[..count]);
                written.1.process(&buffer[..count]);
            }
        });
        Self { child, keys, reader, seen }
    }

    async fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
    }

    fn resize(&mut self, rows: u16, columns: u16) {
        self.seen.lock().unwrap().1.set_size(cells(rows), cells(columns));
        self.keys.resize(Size::new(rows, columns)).unwrap();
    }

    fn screen(&self) -> String {
        self.seen.lock().unwrap().1.screen().contents()
    }

    /// Waits until a text is on the screen; meanwhile presses a key now and then, for what somebody else must have done.
    async fn sees_pressing(&mut self, text: &str, key: &str) {
        let begin = Instant::now();
        for round in 1.. {
            if self.screen().contains(text) {
                return;
            }
            assert!(begin.elapsed() < TIMEOUT, "no {text:?} on\n{}", self.screen());
            sleep(Duration::from_millis(20)).await;
            if round % 25 == 0 {
                self.types(key).await;
            }
        }
    }

    async fn sees(&mut self, text: &str) {
        self.sees_pressing(text, "").await;
    }

    /// Waits for the end of the program, which has given the terminal back.
    async fn ends(mut self) -> Option<i32> {
        let code = timeout(TIMEOUT, self.child.wait()).await.unwrap().unwrap().code();
        let restored = "\x1b[?1049l";
        let begin = Instant::now();
        while !String::from_utf8_lossy(&self.seen.lock().unwrap().0).contains(restored) {
            assert!(begin.elapsed() < TIMEOUT, "the terminal is not as it was");
            sleep(Duration::from_millis(20)).await;
        }
        code
    }
}

/// Publishes, watches, traces and redrives, while `worker` does the work.
async fn work_with_events(setup: &Setup, worker: &Running, place: &str) {
    out(setup.run(&["publish", "orders.order.placed", "--set", "order_id=o-0", "--set", "total_cents=0"]));
    worker.line("gave up");
    let mut ui = Terminal::open(setup, &["ui"]);
    ui.sees(place).await;
    ui.types("/ordplac").await;
    ui.sees("OrderPlaced").await;
    ui.types(&format!("{ENTER}{ENTER}{DOWN}{DOWN}{END}x")).await;
    ui.sees("1 fault").await;
    ui.types("\x10").await;
    ui.sees("nothing was sent: line 3").await;
    ui.types("\x1a").await;
    ui.sees("Valid").await;
    ui.types("\x10").await;
    ui.sees("published orders.order.placed").await;
    ui.types(F3).await;
    ui.sees("orders.order.shipped").await;
    ui.types("\x14").await;
    ui.sees_pressing("▾ orders.order.placed", "r").await;
    assert!(ui.screen().contains("│   orders.order.shipped"), "{}", ui.screen());
    ui.types(F5).await;
    ui.sees("order o-0 has no price").await;
    ui.types(&format!("{RIGHT}{DOWN}r")).await;
    ui.sees("1 redriven").await;
    worker.line("gave up");
    ui.sees_pressing("redriven 1×", "g").await;
    // Mended, it is an event of its own, and the dead letter is closed.
    ui.types("e").await;
    ui.sees("Payload of a dead letter").await;
    ui.types(&format!("{DOWN}{DOWN}{END}\x7f7\x10")).await;
    ui.sees("published orders.order.placed").await;
    ui.types(F5).await;
    ui.sees("no dead letters").await;
    ui.types(F6).await;
    ui.sees(".ship ").await;
    assert!(ui.screen().contains("consumers"), "{}", ui.screen());
    ui.types(&format!("{F2}\t/article.count{ENTER}")).await;
    ui.sees("CountArticle").await;
    ui.types("\x12").await;
    ui.sees("Reply: stock.article.counted").await;
    ui.types(ENTER).await;
    ui.types("\x11").await;
    assert_eq!(ui.ends().await, Some(0));
}

#[tokio::test]
async fn on_the_embedded_bus_of_a_gateway() {
    let setup = Setup::embedded("shop");
    let serve = Running::start(setup.run(&["serve", "--port", "0"]));
    serve.line("/docs");
    work_with_events(&setup, &serve, "the gateway at http://127.0.0.1:").await;
}

#[tokio::test]
async fn on_rabbitmq() {
    let setup = Setup::rabbitmq();
    let work = Running::start(setup.run(&["work"]));
    work.line("working");
    work_with_events(&setup, &work, "RabbitMQ, exchange").await;
}

#[tokio::test]
async fn on_a_file_that_nobody_has_open_and_a_signal_ends_it() {
    let mut setup = Setup::embedded("shop");
    setup.settings.push(("EDITOR", "sed -i s/error-message/edited/".to_owned()));
    let mut ui = Terminal::open(&setup, &["ui"]);
    ui.sees("bus.db").await;
    ui.types("\x05").await;
    ui.sees("\"edited\"").await;
    ui.types("\x13").await;
    ui.sees("saved to mocks/orders.order.failed.json").await;
    assert!(setup.folder.path().join("mocks/orders.order.failed.json").exists());
    ui.types("\x10").await;
    ui.sees("published").await;
    ui.types(F3).await;
    ui.sees("1 seen").await;
    let id = ui.child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(ui.ends().await, Some(0));
}

#[tokio::test]
async fn a_gateway_goes_and_comes_back() {
    let setup = Setup::embedded("shop");
    let mut serve = Running::start(setup.run(&["serve", "--port", "0"]));
    serve.line("/docs");
    out(setup.run(&["publish", "orders.order.placed", "--mock"]));
    let mut ui = Terminal::open(&setup, &["ui"]);
    ui.sees("● the gateway at").await;
    ui.types(&format!("{F3}h")).await;
    ui.sees("earlier events").await;
    ui.sees("\"event_type\": \"orders.order.").await;
    ui.types(F2).await;
    serve.signal("TERM");
    assert_eq!(serve.code(), Some(0));
    ui.sees("the bus is away").await;
    ui.types("\x10").await;
    ui.sees("○").await;
    let serve = Running::start(setup.run(&["serve", "--port", "0"]));
    serve.line("/docs");
    ui.sees("● the gateway at").await;
    ui.types("\x10").await;
    ui.sees("published").await;
    ui.types(F3).await;
    ui.sees("orders.order").await;
}

#[tokio::test]
async fn a_panic_gives_the_terminal_back_and_is_read_there() {
    let setup = Setup::embedded("fragile");
    let mut ui = Terminal::open(&setup, &["ui"]);
    ui.sees("bus.db").await;
    ui.types(DOWN).await;
    let seen = Arc::clone(&ui.seen);
    assert_eq!(ui.ends().await, Some(101));
    let begin = Instant::now();
    while !seen.lock().unwrap().1.screen().contents().contains("a cup has pieces") {
        assert!(begin.elapsed() < TIMEOUT, "{}", seen.lock().unwrap().1.screen().contents());
        sleep(Duration::from_millis(20)).await;
    }
}

/// As when the window is closed, or the connection to the machine breaks.
#[tokio::test]
async fn it_ends_when_its_terminal_is_gone() {
    let setup = Setup::embedded("shop");
    let mut ui = Terminal::open(&setup, &["ui"]);
    ui.sees("orders").await;
    // Whoever obeys keys also listens for signals.
    ui.types("/ordplac").await;
    ui.sees("OrderPlaced").await;
    let Terminal { mut child, keys, reader, .. } = ui;
    reader.abort();
    let _ = reader.await;
    drop(keys);
    let ended = timeout(TIMEOUT, child.wait()).await.expect("it does not go on without a terminal").unwrap();
    assert_eq!(ended.code(), Some(129), "{ended}");
}

#[tokio::test]
async fn it_follows_the_size_of_the_terminal() {
    let mut setup = Setup::embedded("shop");
    setup.settings.push(("NO_COLOR", "1".to_owned()));
    let mut ui = Terminal::open(&setup, &["ui"]);
    ui.sees("OrderFailed").await;
    ui.resize(20, 70);
    ui.sees("this terminal has 70×20").await;
    ui.resize(24, 80);
    ui.sees("OrderFailed").await;
    ui.types("\x1b[<0;12;1M").await;
    ui.sees("nothing yet").await;
    let written = String::from_utf8_lossy(&ui.seen.lock().unwrap().0).into_owned();
    let has_colours = ["\x1b[38;5;", "\x1b[38;2;", "\x1b[48;5;"].iter().any(|colour| written.contains(colour));
    assert!(!has_colours, "NO_COLOR is set");
    ui.types("q").await;
    assert_eq!(ui.ends().await, Some(0));
}

#[test]
fn without_a_terminal_it_says_so() {
    let setup = Setup::embedded("shop");
    let error = crate::support::fails(setup.run(&["ui"]), 1);
    assert!(error.contains("this needs a terminal"), "{error}");
}
