//! Handling and settling are two things: the next event does not wait for the confirms of the one before.

use std::{
    collections::{HashMap, HashSet},
    env,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::common::{Fate, intercepted, soon};
use bloodbank::{Error, ErrorKind, Settings, message::Outgoing, prelude::*};
use bloodbank_harness::{Ending, Proxy, shared_rabbit_url, unique};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

on_every_bus! {
    the_next_event_does_not_wait_for_the_confirms_of_the_one_before,
    an_app_that_stops_settles_what_is_behind,
    refusals_change_neither_the_order_of_the_calls_nor_that_of_the_others,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "press.sheet.laid")]
struct SheetLaid {
    number: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "press.sheet.printed")]
struct SheetPrinted {
    number: u32,
}

type Calls = mpsc::UnboundedSender<(u32, u32)>;

fn print(sheet: &SheetLaid, context: &Context, calls: &Calls) -> SheetPrinted {
    calls.send((sheet.number, context.attempt())).unwrap();
    SheetPrinted { number: sheet.number }
}

#[subscriber(prefetch = 4)]
async fn print_ahead(sheet: SheetLaid, context: Context, State(calls): State<Calls>) -> SheetPrinted {
    print(&sheet, &context, &calls)
}

#[subscriber(prefetch = 4, settle = "before_next")]
async fn print_one(sheet: SheetLaid, context: Context, State(calls): State<Calls>) -> SheetPrinted {
    print(&sheet, &context, &calls)
}

/// The numbers share one lane.
#[subscriber(prefetch = 4, concurrency = 2, ordered_by(number))]
async fn print_in_lanes(sheet: SheetLaid, context: Context, State(calls): State<Calls>) -> SheetPrinted {
    print(&sheet, &context, &calls)
}

/// A bus on which what is printed is confirmed once `open` is true.
async fn held(bus: &Bus, open: &watch::Sender<bool>) -> Bus {
    let open = open.clone();
    intercepted(bus, move |message| {
        if &*message.routing_key != "press.sheet.printed" {
            return Fate::Published;
        }
        let mut opened = open.subscribe();
        Fate::ConfirmedAfter(Box::pin(async move {
            opened.wait_for(|open| *open).await.unwrap();
        }))
    })
    .await
}

/// How many messages of a queue are not acknowledged yet.
async fn left(bus: &Bus, queue: &str) -> u64 {
    let queue = bus.transport().queue(queue.into()).await.unwrap().unwrap();
    queue.waiting + queue.unsettled.unwrap_or(0)
}

async fn the_next_event_does_not_wait_for_the_confirms_of_the_one_before(bus: Bus) {
    let open = watch::Sender::new(false);
    let bus = held(&bus, &open).await;
    let (ahead, mut calls_ahead) = mpsc::unbounded_channel();
    let (one, mut calls_of_one) = mpsc::unbounded_channel();
    let (lanes, mut calls_in_lanes) = mpsc::unbounded_channel();
    let app = |calls| App::new(unique("svc"), bus.clone()).state(calls);
    let apps = [
        app(ahead).subscribe(print_ahead).start().await.unwrap(),
        app(one).subscribe(print_one).start().await.unwrap(),
        app(lanes).subscribe(print_in_lanes).start().await.unwrap(),
    ];
    for _ in 0..10 {
        bus.publish(SheetLaid { number: 1 }).await.unwrap();
    }
    for calls in [&mut calls_ahead, &mut calls_in_lanes] {
        for _ in 0..4 {
            assert_eq!(soon("a call before the confirm", calls.recv()).await, Some((1, 1)));
        }
    }
    assert_eq!(soon("the first call", calls_of_one.recv()).await, Some((1, 1)));
    // As many as the prefetch allows, and of the other one.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for calls in [&mut calls_ahead, &mut calls_in_lanes, &mut calls_of_one] {
        assert!(calls.try_recv().is_err());
    }
    open.send_replace(true);
    for (calls, more) in [(&mut calls_ahead, 6), (&mut calls_in_lanes, 6), (&mut calls_of_one, 9)] {
        for _ in 0..more {
            assert_eq!(soon("a call after the confirm", calls.recv()).await, Some((1, 1)));
        }
    }
    for app in apps {
        app.shutdown().await.unwrap();
    }
}

async fn an_app_that_stops_settles_what_is_behind(bus: Bus) {
    let open = watch::Sender::new(false);
    let bus = held(&bus, &open).await;
    let (calls, mut called) = mpsc::unbounded_channel();
    let service = unique("svc");
    let app = App::new(&*service, bus.clone()).state(calls).subscribe(print_ahead).start().await.unwrap();
    for number in 0..3 {
        bus.publish(SheetLaid { number }).await.unwrap();
    }
    for number in 0..3 {
        assert_eq!(soon("a call", called.recv()).await, Some((number, 1)));
    }
    let stopping = tokio::spawn(app.shutdown());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!stopping.is_finished(), "it waits for the confirms");
    open.send_replace(true);
    soon("the end", stopping).await.unwrap().unwrap();
    let queue = format!("{service}.print_ahead");
    soon("the acknowledgements", async {
        while left(&bus, &queue).await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Slow enough for many to wait when the connection is lost.
#[subscriber(prefetch = 100)]
async fn print_slowly(sheet: SheetLaid, State(calls): State<Calls>) {
    tokio::time::sleep(Duration::from_millis(10)).await;
    calls.send((sheet.number, 1)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_repeats_only_what_was_in_flight() {
    const EVENTS: u32 = 100;
    let url = tokio::task::spawn_blocking(shared_rabbit_url).await.unwrap();
    let (front, rest) = url.rsplit_once(':').unwrap();
    let (port, path) = rest.split_once('/').unwrap();
    let proxy = Proxy::to(port.parse().unwrap()).unwrap();
    let mut settings = Settings::default();
    settings.exchange_name = unique("printing");
    settings.rabbit_url = Some(format!("{front}:{}/{path}", proxy.port()).into());
    let bus = Bus::connect(settings).await.unwrap();
    let (calls, mut called) = mpsc::unbounded_channel();
    let app = App::new(unique("svc"), bus.clone()).state(calls).subscribe(print_slowly).start().await.unwrap();
    bus.publish_all((0..EVENTS).map(|number| SheetLaid { number }))
        .await
        .into_iter()
        .for_each(|sent| drop(sent.unwrap()));
    let mut handled = HashMap::new();
    for _ in 0..20 {
        *handled.entry(soon("a call", called.recv()).await.unwrap().0).or_insert(0) += 1;
    }
    proxy.cut(Ending::Reset).unwrap();
    while handled.len() < EVENTS as usize {
        *handled.entry(soon("the rest", called.recv()).await.unwrap().0).or_insert(0) += 1;
    }
    app.shutdown().await.unwrap();
    while let Ok((number, _)) = called.try_recv() {
        *handled.entry(number).or_insert(0) += 1;
    }
    let twice = handled.values().filter(|times| **times > 1).count();
    // Acknowledgements wait a few milliseconds for others; what waited in this process is not begun.
    assert!(twice <= 10, "{twice} of {EVENTS} were handled twice");
}

#[subscriber(prefetch = 64, retry(max_attempts = 50, backoff = "250ms"))]
async fn print_many(sheet: SheetLaid, context: Context, State(calls): State<Calls>) -> (SheetPrinted, SheetPrinted) {
    let printed = print(&sheet, &context, &calls);
    (printed.clone(), printed)
}

/// The number in a message.
fn number(message: &Outgoing) -> u32 {
    let envelope: EventEnvelope<SheetPrinted> = serde_json::from_slice(&message.body).unwrap();
    envelope.payload.number
}

/// With `BLOODBANK_TEST_ORDER_EVENTS` so many events instead of a few.
async fn refusals_change_neither_the_order_of_the_calls_nor_that_of_the_others(bus: Bus) {
    let events: u32 = env::var("BLOODBANK_TEST_ORDER_EVENTS").map_or(1500, |events| events.parse().unwrap());
    // What is printed, in the order of the publisher, and whether it was refused.
    let printed: Arc<Mutex<Vec<(u32, Uuid, bool)>>> = Arc::default();
    let log = Arc::clone(&printed);
    let bus = intercepted(&bus, move |message| {
        if &*message.routing_key != "press.sheet.printed" {
            return Fate::Published;
        }
        let is_refused = fastrand::u8(0..20) == 0;
        log.lock().unwrap().push((number(message), message.properties.message_id.unwrap(), is_refused));
        match is_refused {
            true => Fate::Refused(Error::new(ErrorKind::Refused, "the queue is full")),
            false => Fate::Published,
        }
    })
    .await;
    let (calls, mut called) = mpsc::unbounded_channel();
    let service = unique("svc");
    let app = || App::new(&*service, bus.clone()).state(calls.clone()).subscribe(print_many);
    bus.transport().declare(app().topology()).await.unwrap();
    for first in (0..events).step_by(10_000) {
        let some = (first..events.min(first + 10_000)).map(|number| SheetLaid { number });
        bus.publish_all(some).await.into_iter().for_each(|sent| drop(sent.unwrap()));
    }
    let running = app().start().await.unwrap();
    let queue = format!("{service}.print_many");
    let (begun, patience) = (Instant::now(), Duration::from_secs(60 + u64::from(events) / 200));
    let (mut seen, mut tries, mut done) = (0, HashMap::<u32, Vec<bool>>::new(), HashSet::new());
    loop {
        {
            let printed = printed.lock().unwrap();
            for (number, _, is_refused) in &printed[seen..] {
                let tries = tries.entry(*number).or_default();
                tries.push(*is_refused);
                // The last attempt of each had both of its follow-ups confirmed.
                match tries.chunks(2).next_back() {
                    Some([false, false]) => done.insert(*number),
                    _ => done.remove(number),
                };
            }
            seen = printed.len();
        }
        if done.len() == events as usize && left(&bus, &queue).await == 0 {
            break;
        }
        assert!(begun.elapsed() < patience, "{} of {events} were printed", done.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.shutdown().await.unwrap();
    let mut calls = Vec::new();
    while let Ok(call) = called.try_recv() {
        calls.push(call);
    }
    let first: Vec<_> = calls.iter().filter(|(_, attempt)| *attempt == 1).map(|(number, _)| *number).collect();
    assert!(first.iter().copied().eq(0..events), "handlers are called in the order of the queue");
    // Published in the order of the calls, two for each, refused or not.
    let printed = printed.lock().unwrap();
    let published: Vec<_> = printed.iter().map(|(number, ..)| *number).collect();
    assert!(published.iter().copied().eq(calls.iter().flat_map(|(number, _)| [*number; 2])));
    // Each attempt publishes the same events again.
    let mut ids: HashMap<u32, Vec<Uuid>> = HashMap::new();
    for (number, id, _) in &*printed {
        ids.entry(*number).or_default().push(*id);
    }
    for ids in ids.values() {
        assert!(ids.chunks(2).all(|attempt| attempt == &ids[..2]));
    }
    assert!(calls.len() > events as usize, "some were refused");
}
