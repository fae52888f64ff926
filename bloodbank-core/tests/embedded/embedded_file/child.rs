//! This test program again, as a process that can be killed.

use std::{
    env,
    io::{BufRead, BufReader, Lines, Write, stdin},
    path::PathBuf,
    process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio},
};

use super::*;

const ROLE: &str = "BLOODBANK_TEST_ROLE";
const FOLDER: &str = "BLOODBANK_TEST_FOLDER";

/// A process and what it says, line by line.
pub(super) struct Child {
    process: Process,
    pub(super) stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    pub(super) fn start(role: &str, folder: &Path) -> Self {
        Self::start_as(Command::new(env::current_exe().unwrap()), role, folder)
    }

    /// Starts through a command that ends in running the rest of its line.
    pub(super) fn start_as(mut command: Command, role: &str, folder: &Path) -> Self {
        let mut process = command
            .args(["--exact", "embedded_file::child::as_a_process_of_its_own", "--nocapture"])
            .env(ROLE, role)
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, stdin, lines }
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line that starts with `> `; `None`: the process has ended.
    pub(super) fn line(&mut self) -> Option<String> {
        self.lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, said) = line.split_once("> ")?;
            Some(said.to_owned())
        })
    }

    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    pub(super) fn wait(mut self) {
        self.process.wait().unwrap();
    }
}

/// Says a line to the parent, at once and as a whole.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("> {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// What a child does; for the test runner itself there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_process_of_its_own() {
    let (Ok(role), Some(folder)) = (env::var(ROLE), env::var_os(FOLDER).map(PathBuf::from)) else {
        return;
    };
    let bus = Arc::new(open(&folder).await);
    match role.as_str() {
        "load" => load(&bus).await,
        "poison" => poison(&bus).await,
        "slow poison" => slow_poison(&bus).await,
        "full" => full(&bus).await,
        _ => panic!("no role {role}"),
    }
}

/// Publishes and handles without end, and says what was confirmed and what was handled.
async fn load(bus: &Arc<Embedded>) {
    let run = uuid::Uuid::new_v4();
    for worker in 0..32 {
        let bus = Arc::clone(bus);
        tokio::spawn(async move {
            for number in 0.. {
                let name = format!("{run}/{worker}/{number}");
                // Some go through a delay, some nowhere.
                let published = match number % 10 {
                    3 => publish(&bus, &rung_name(QueueKind::Quorum, Duration::from_millis(250)), QUEUE, &name).await,
                    _ => publish(&bus, EVENTS, "orders.order.placed", &name).await,
                };
                published.unwrap();
                say(&format!("confirmed {name}"));
            }
        });
    }
    let mut deliveries = bus.consume(QUEUE.into(), 50).await.unwrap();
    let mut dead = bus.consume("shop.ship.dlq".into(), 50).await.unwrap();
    for number in 0_u64.. {
        let delivery = tokio::select! {
            Some(delivery) = deliveries.next() => delivery,
            Some(delivery) = dead.next() => {
                say(&format!("handled {}", body(&delivery)));
                delivery.ack();
                continue;
            }
        };
        // Three of four are handled; one of eight goes back, one of eight to the dead letters.
        match number % 8 {
            3 => delivery.reject(true),
            5 => delivery.reject(false),
            _ => {
                say(&format!("handled {}", body(&delivery)));
                delivery.ack();
            }
        }
    }
}

/// Dies of the first message it sees.
async fn poison(bus: &Embedded) {
    let mut deliveries = consume(bus, QUEUE).await;
    let delivery = next(&mut deliveries).await;
    say(body(&delivery));
    if body(&delivery) == "poison" {
        std::process::abort();
    }
}

/// Dies of the first message it sees, but not before the file knows everything that was taken until then.
async fn slow_poison(bus: &Embedded) {
    let mut deliveries = consume(bus, QUEUE).await;
    let delivery = next(&mut deliveries).await;
    publish(bus, EVENTS, "bills.bill.sent", "later in the log than the marks").await.unwrap();
    say(body(&delivery));
    if body(&delivery) == "poison" {
        std::process::abort();
    }
}

/// Publishes until the disk is full, and again when it is told that there is space.
async fn full(bus: &Embedded) {
    let large = "x".repeat(100_000);
    for number in 0.. {
        match publish(bus, EVENTS, "orders.order.placed", format!("{number}/{large}")).await {
            Ok(_) => say(&format!("confirmed {number}")),
            Err(error) => {
                say(&format!("refused {number} {:?} {error}", error.kind()));
                break;
            }
        }
    }
    stdin().lines().next().unwrap().unwrap();
    publish(bus, EVENTS, "orders.order.placed", format!("again/{large}")).await.unwrap();
    say("confirmed again");
    bus.close().await;
}
