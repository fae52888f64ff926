//! A program ends right after its app has stopped.

use std::time::Duration;

use crate::common::soon;
use bloodbank::prelude::*;
use bloodbank_harness::unique;
use tokio::sync::mpsc;

// Elsewhere the bus ends with the program.
on_every_bus! { @bus quorum nothing_handled_comes_again_after_a_shutdown }
on_every_bus! { @bus classic nothing_handled_comes_again_after_a_shutdown }

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "press.sheet.folded")]
struct SheetFolded {
    number: u32,
}

#[subscriber]
async fn fold(sheet: SheetFolded, State(folded): State<mpsc::UnboundedSender<u32>>) {
    folded.send(sheet.number).unwrap();
}

/// A program that ends right after `shutdown`, without closing its bus, has told the broker what it has handled.
async fn nothing_handled_comes_again_after_a_shutdown(bus: Bus) {
    const SHEETS: u32 = 300;
    let service = unique("svc");
    let queue = format!("{service}.fold");
    let (folded, mut seen) = mpsc::unbounded_channel();
    let app = |bus| App::new(&*service, bus).state(folded.clone()).subscribe(fold);
    bus.transport().declare(app(bus.clone()).topology()).await.unwrap();
    bus.publish_all((0..SHEETS).map(|number| SheetFolded { number }))
        .await
        .into_iter()
        .for_each(|sent| drop(sent.unwrap()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let running = app(Bus::connect(bus.settings().clone()).await.unwrap()).start().await.unwrap();
                for _ in 0..SHEETS {
                    soon("a sheet", seen.recv()).await.unwrap();
                }
                running.shutdown().await.unwrap();
            });
            runtime.shutdown_background();
        });
    });
    let gone = async {
        while bus.transport().queue((*queue).into()).await.unwrap().unwrap().consumers > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("its connection is gone", gone).await;
    let queue = bus.transport().queue((*queue).into()).await.unwrap().unwrap();
    assert_eq!(queue.waiting, 0, "what it has handled is in the queue again");
}
