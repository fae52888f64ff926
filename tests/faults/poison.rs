//! Poison among good events: the good ones are all handled, the poison is all parked, and the memory stays flat.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bloodbank::{
    Bus, DeadLetters, Settings,
    dead_letter::{Filter, Mode},
    message::{Outgoing, Properties},
    prelude::*,
};
use bloodbank_harness::{shared_rabbit_url, unique};
use futures_util::future::join_all;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Good,
    Refused,
    Panics,
    Hangs,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "poison.dish.served")]
struct Served {
    kind: Kind,
}

type Eaten = Arc<Mutex<HashSet<Uuid>>>;

#[subscriber(concurrency = 32, timeout = "500ms", retry(max_attempts = 1))]
async fn eat(served: Served, context: Context, State(eaten): State<Eaten>) -> Result<(), HandlerError> {
    match served.kind {
        Kind::Good => {}
        Kind::Refused => return Err(HandlerError::permanent("refused")),
        Kind::Panics => panic!("as it must"),
        Kind::Hangs => std::future::pending().await,
    }
    eaten.lock().unwrap().insert(context.event_id());
    Ok(())
}

pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// `all` events, every eleventh of them poison.
pub(crate) async fn poison_among(all: usize) {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some("as it must") {
            report(panic);
        }
    }));
    let mut settings = Settings::default();
    settings.exchange_name = unique("poison");
    settings.rabbit_url = Some(tokio::task::spawn_blocking(shared_rabbit_url).await.unwrap().into());
    let bus = Bus::connect(settings).await.unwrap();
    let (service, eaten) = (unique("guest"), Eaten::default());
    let app = App::new(&*service, bus.clone()).state(Arc::clone(&eaten)).subscribe(eat).start().await.unwrap();
    let letters = DeadLetters::of(&bus, format!("{service}.eat"));
    let begun = Instant::now();
    let (mut good, mut poison, mut most) = (HashSet::new(), HashSet::new(), 0);
    for first in (0..all).step_by(200) {
        let dishes = (first..all.min(first + 200)).map(|number| {
            let (bus, id) = (bus.clone(), Uuid::new_v4());
            async move {
                let kind = match number % 44 {
                    0 => Kind::Refused,
                    11 => Kind::Panics,
                    22 => Kind::Hangs,
                    33 => {
                        bus.transport().publish(garbage(&bus, id)).await.unwrap();
                        return (id, false);
                    }
                    _ => Kind::Good,
                };
                bus.publish(Served { kind }).event_id(id).await.unwrap();
                (id, kind == Kind::Good)
            }
        });
        for (id, is_good) in join_all(dishes).await {
            if is_good { &mut good } else { &mut poison }.insert(id);
        }
        most = most.max(resident_kib());
    }
    let mut parked = 0;
    while eaten.lock().unwrap().len() < good.len() || parked < poison.len() {
        assert!(begun.elapsed() < Duration::from_secs(900), "it does not come to an end");
        tokio::time::sleep(Duration::from_millis(100)).await;
        parked = letters.count().await.unwrap();
        most = most.max(resident_kib());
    }
    println!(
        "{} good and {} poisonous events in {:.1?}; at most {} MiB resident",
        good.len(),
        poison.len(),
        begun.elapsed(),
        most / 1024
    );
    assert_eq!(*eaten.lock().unwrap(), good);
    let listed: HashSet<_> =
        letters.list(&Filter::default()).await.unwrap().iter().map(|letter| letter.event_id.unwrap()).collect();
    assert_eq!(listed, poison);
    let begun = Instant::now();
    let report = letters.discard(&Filter::default(), Mode::Apply).await.unwrap();
    println!("{} dead letters discarded in {:.1?}", report.done(), begun.elapsed());
    assert_eq!((report.done(), letters.count().await.unwrap()), (poison.len(), 0));
    app.shutdown().await.unwrap();
    bus.close().await;
}

/// No envelope, but an id, so that it can be found again.
fn garbage(bus: &Bus, id: Uuid) -> Outgoing {
    Outgoing::new(Arc::clone(bus.exchange()), "poison.dish.served", "no envelope")
        .properties(Properties::default().message_id(id))
        .mandatory()
}
