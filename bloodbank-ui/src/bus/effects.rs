//! Effects on the bus, carried out.

use std::{sync::Arc, time::Duration};

use bloodbank_client::{
    CheckedEvent, ClientError, Connection, DeadLetterDetail, DeadLetterEntry, PublishReceipt, PublishRequest,
    SweepAction, SweepReport,
};
use bloodbank_core::{
    dead_letter::{Filter, Mode},
    envelope::{Source, TriggerType},
};
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use crate::{
    message::{Effect, LetterId, Message},
    options::Options,
};

/// How long the reply to a command is waited for.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
/// The dead letters of one queue that are fetched.
const MOST_LETTERS: usize = 1_000;

/// Carries out an effect, and reports.
pub(super) async fn carry_out(
    effect: Effect,
    connection: Option<Arc<Connection>>,
    options: Options,
    messages: Sender<Message>,
) {
    let connection = connection.as_deref().ok_or("the bus is away; try again when it is back");
    let source = Source::new(TriggerType::Manual, options.program.clone());
    let message = match effect {
        Effect::Publish { event, replaces } => Message::Published(match connection {
            Ok(connection) => publish(connection, &event, replaces.as_ref(), source).await,
            Err(why) => Err(why.to_owned()),
        }),
        Effect::Execute(event) => Message::Replied(match connection {
            Ok(connection) => {
                let request = request(&event, source);
                connection.execute(&request, REPLY_TIMEOUT).await.map_err(|error| error.to_string())
            }
            Err(why) => Err(why.to_owned()),
        }),
        Effect::Trace(id) => Message::Traced {
            id,
            result: match connection {
                Ok(connection) => connection.trace(id).await.map_err(|error| error.to_string()),
                Err(why) => Err(why.to_owned()),
            },
        },
        Effect::ListDeadLetters => Message::DeadLetters(match connection {
            Ok(connection) => dead_letters(connection, &options.queues).await.map_err(|error| error.to_string()),
            Err(why) => Err(why.to_owned()),
        }),
        Effect::Sweep { action, letters } => Message::Swept {
            action,
            result: match connection {
                Ok(connection) => sweep(connection, action, &letters).await.map_err(|error| error.to_string()),
                Err(why) => Err(why.to_owned()),
            },
        },
        // These concern the terminal and its files.
        Effect::Quit | Effect::EditExternally(_) | Effect::Save { .. } | Effect::Load { .. } => return,
    };
    // Nobody is there any more: the screen was closed.
    let _ = messages.send(message).await;
}

fn request(event: &CheckedEvent, source: Source) -> PublishRequest<'_> {
    let request = PublishRequest::new(&event.routing_key, &event.payload, source);
    match event.event_id {
        Some(id) => request.event_id(id),
        None => request,
    }
}

async fn publish(
    connection: &Connection,
    event: &CheckedEvent,
    replaces: Option<&LetterId>,
    source: Source,
) -> Result<PublishReceipt, String> {
    let Some(letter) = replaces else {
        return connection.publish(&request(event, source)).await.map_err(|error| error.to_string());
    };
    // An id of its own, also where the declaration derives ids: whoever recognises duplicates has seen the old one.
    let causes = [letter.event_id];
    let request = request(event, source).causes(&causes).event_id(Uuid::new_v4());
    let receipt = connection.publish(&request).await.map_err(|error| error.to_string())?;
    let closed = sweep(connection, SweepAction::Discard, std::slice::from_ref(letter)).await;
    let fault = match closed {
        Ok(report) => report.letters.into_iter().find_map(|letter| letter.error).or(report.interrupted),
        Err(error) => Some(error.to_string()),
    };
    match fault {
        None => Ok(receipt),
        Some(fault) => Err(format!("published {}, but the dead letter is still there: {fault}", receipt.event_id)),
    }
}

async fn dead_letters(connection: &Connection, queues: &[String]) -> Result<Vec<DeadLetterEntry>, ClientError> {
    let filter = Filter { limit: Some(MOST_LETTERS), ..Filter::default() };
    let mut letters = Vec::new();
    for queue in queues {
        match connection.dead_letters(queue, &filter, DeadLetterDetail::Message).await {
            Ok(more) => letters.extend(more),
            // Its subscriber has never run.
            Err(error) if error.is_missing_queue() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(letters)
}

/// Redrives or discards dead letters of one queue.
async fn sweep(connection: &Connection, action: SweepAction, letters: &[LetterId]) -> Result<SweepReport, ClientError> {
    let queue = letters.first().map(|letter| letter.queue.as_str()).unwrap_or_default();
    let filter = Filter { event_ids: letters.iter().map(|letter| letter.event_id).collect(), ..Filter::default() };
    connection.sweep_dead_letters(queue, &filter, action, Mode::Apply).await
}
