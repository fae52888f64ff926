//! A rolling restart of processes that share partitions: nothing is lost, nothing is handled twice, and the events of each value are
//! handled one after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bloodbank::{Settings, prelude::*};
use bloodbank_harness::{shared_rabbit_url, unique};
use tokio::time::sleep;

use super::{processes::ChildProcess, scenario::PATIENCE};

/// The file in which every process writes down what it does.
const BOOK: &str = "BLOODBANK_FAULT_BOOK";
const ORDERS: usize = 24;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "rolling.step.taken")]
struct Step {
    order_id: String,
    number: usize,
}

/// Opened to append: each line is written at once, and behind what others have written before.
#[derive(Clone)]
struct Book(Arc<File>);

impl Book {
    fn write(&self, what: &str, step: &Step) {
        let line = format!("{} {what} {} {}\n", std::process::id(), step.order_id, step.number);
        (&*self.0).write_all(line.as_bytes()).unwrap();
    }
}

#[subscriber(ordered_by(order_id), partitions = 8)]
async fn follow(step: Step, State(book): State<Book>) {
    book.write("begins", &step);
    sleep(Duration::from_millis(2)).await;
    book.write("ends", &step);
}

/// What each of the processes does.
pub(crate) async fn follow_steps(bus: Bus) {
    let book = OpenOptions::new().append(true).open(env::var(BOOK).unwrap()).unwrap();
    let app = App::new(bus.service_name(), bus.clone()).state(Book(Arc::new(book))).subscribe(follow);
    app.start().await.unwrap().wait().await.unwrap();
}

/// What the processes have written down.
#[derive(Default)]
struct Read {
    processes: BTreeSet<String>,
    /// The steps of each order that are handled, and whether one is being handled.
    orders: BTreeMap<String, (usize, bool)>,
    wrong: Vec<String>,
}

impl Read {
    fn of(book: &Path) -> Self {
        let mut read = Self::default();
        let text = fs::read_to_string(book).unwrap();
        // The last line may just be written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let [process, what, order, number] = words[..] else { panic!("a line of somebody else: {line:?}") };
            let number: usize = number.parse().unwrap();
            read.processes.insert(process.to_owned());
            let (next, is_running) = read.orders.entry(order.to_owned()).or_default();
            match what {
                "begins" if *is_running || number != *next => {
                    read.wrong.push(format!("{line}, when {next} is the next one, running: {is_running}"));
                    *is_running = true;
                }
                "begins" => *is_running = true,
                _ => (*next, *is_running) = (number + 1, false),
            }
        }
        read
    }

    fn steps(&self) -> usize {
        self.orders.values().map(|(steps, _)| steps).sum()
    }
}

async fn joined(bus: &Bus, service: &str) {
    let members: Arc<str> = format!("{service}.follow.members").into();
    let begun = Instant::now();
    while bus.transport().queue(Arc::clone(&members)).await.unwrap().is_none_or(|status| status.consumers < 3) {
        assert!(begun.elapsed() < PATIENCE, "three processes do not begin within {PATIENCE:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn until(what: &str, book: &Path, holds: impl Fn(&Read) -> bool) -> Read {
    let begun = Instant::now();
    loop {
        let read = Read::of(book);
        if holds(&read) {
            return read;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}; {:?}", read.orders);
        sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) async fn three_processes_are_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book");
    File::create(&book).unwrap();
    let (service, exchange) = (unique("rolling"), unique("faults"));
    let url = tokio::task::spawn_blocking(shared_rabbit_url).await.unwrap();
    let mut settings = Settings::default();
    settings.exchange_name.clone_from(&exchange);
    settings.rabbit_url = Some(url.clone().into());
    let variables = vec![
        ("SERVICE_NAME", service.clone()),
        ("EXCHANGE_NAME", exchange),
        ("RABBIT_URL", url),
        (BOOK, book.to_str().unwrap().to_owned()),
    ];
    let mut processes: Vec<_> = (0..3).map(|_| ChildProcess::start("follower", variables.clone(), |_| ())).collect();
    let bus = Bus::connect(settings).await.unwrap();
    // What nobody waits for is kept by nobody.
    joined(&bus, &service).await;
    let publishing = publish(&bus);
    until("three processes share the partitions", &book, |read| read.processes.len() == 3).await;
    let begun = Instant::now();
    for process in &processes {
        let before = Read::of(&book);
        process.terminate();
        // The one that takes its place gets its share, and all of them go on.
        until("the next process gets its share", &book, |read| {
            read.processes.len() > before.processes.len() && read.steps() > before.steps() + 200
        })
        .await;
    }
    let restarted = begun.elapsed();
    let rounds = publishing.end().await;
    let read = until("everything is handled", &book, |read| {
        read.orders.len() == ORDERS && read.orders.values().all(|state| *state == (rounds, false))
    })
    .await;
    processes.iter().for_each(ChildProcess::let_end);
    processes.iter().for_each(ChildProcess::terminate);
    tokio::task::spawn_blocking(move || processes.iter_mut().for_each(ChildProcess::join)).await.unwrap();
    // Nothing comes again at the end either.
    let last = Read::of(&book);
    assert_eq!(last.steps(), read.steps());
    assert!(last.wrong.is_empty(), "{:#?}", last.wrong);
    println!(
        "{} events in order by {} processes; three restarts in {restarted:.1?}",
        last.steps(),
        last.processes.len()
    );
    bus.close().await;
}

/// A publisher that goes on whatever becomes of the processes.
struct Publishing {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<usize>,
}

impl Publishing {
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

fn publish(bus: &Bus) -> Publishing {
    let stop = Arc::new(AtomicBool::new(false));
    let (bus, stopped) = (bus.clone(), Arc::clone(&stop));
    let task = tokio::spawn(async move {
        let mut rounds = 0;
        while !stopped.load(Ordering::SeqCst) {
            let steps = (0..ORDERS).map(|order| Step { order_id: format!("o-{order}"), number: rounds });
            assert!(bus.publish_all(steps).await.iter().all(Result::is_ok));
            rounds += 1;
            sleep(Duration::from_millis(25)).await;
        }
        rounds
    });
    Publishing { stop, task }
}
