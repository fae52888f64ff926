//! Effects on the bus, carried out.

use std::{sync::Arc, time::Duration};

use bloodbank_client::{
    CheckedEvent, ClientError, Connection, DeadLetterDetail, DeadLetterEntry, PublishReceipt, PublishRequest,
    QueueEntry, SweepAction, SweepReport,
};
use bloodbank_core::{
    Settings,
    dead_letter::{Filter, Mode},
    envelope::{Source, TriggerType},
    routing::BindingPattern,
    transport::QueueStatus,
};
use chrono::{DateTime, Utc};
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use crate::{
    message::{Effect, LetterId, Message, QueueReport, SeenEvent},
    options::Options,
    state::MOST,
};

/// How long the reply to a command is waited for.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
/// The dead letters of one queue that are fetched.
const MOST_LETTERS: usize = 1_000;

/// What an effect is carried out with.
pub(super) struct Work {
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) settings: Settings,
    pub(super) options: Options,
    pub(super) messages: Sender<Message>,
}

impl Work {
    /// Carries out an effect, and reports.
    pub(super) async fn carry_out(self, effect: Effect) {
        let message = match effect {
            Effect::Publish { event, replaces } => Message::Published(self.publish(&event, replaces.as_ref()).await),
            Effect::Execute(event) => Message::Replied(self.execute(&event).await.map_err(said)),
            Effect::Trace(id) => Message::Traced { id, result: self.trace(id).await.map_err(said) },
            Effect::History { since, until } => Message::History(self.history(since, until).await.map_err(said)),
            Effect::ListDeadLetters => Message::DeadLetters(self.dead_letters().await.map_err(said)),
            Effect::ListQueues => Message::Queues(self.queues().await.map_err(said)),
            Effect::Sweep { action, letters } => {
                Message::Swept { action, result: self.sweep(action, &letters).await.map_err(said) }
            }
            // These concern the terminal and its files.
            Effect::Quit | Effect::EditExternally(_) | Effect::Save { .. } | Effect::Load { .. } => return,
        };
        // Nobody may be there any more: the screen was closed.
        let _ = self.messages.send(message).await;
    }

    fn connection(&self) -> Result<&Connection, ClientError> {
        let away = || ClientError::Invalid("the bus is away; try again when it is back".to_owned());
        self.connection.as_deref().ok_or_else(away)
    }

    fn request<'a>(&self, event: &'a CheckedEvent) -> PublishRequest<'a> {
        let source = Source::new(TriggerType::Manual, self.options.program.clone());
        let request = PublishRequest::new(&event.routing_key, &event.payload, source);
        match event.event_id {
            Some(id) => request.event_id(id),
            None => request,
        }
    }

    async fn publish(&self, event: &CheckedEvent, replaces: Option<&LetterId>) -> Result<PublishReceipt, String> {
        let connection = self.connection().map_err(said)?;
        let Some(letter) = replaces else {
            return connection.publish(&self.request(event)).await.map_err(said);
        };
        // An id of its own, also where the declaration derives ids: whoever recognises duplicates has seen the old one.
        let causes: Vec<_> = letter.handle.event_id().into_iter().collect();
        let request = self.request(event).causes(&causes).event_id(Uuid::new_v4());
        let receipt = connection.publish(&request).await.map_err(said)?;
        let fault = match self.sweep(SweepAction::Discard, std::slice::from_ref(letter)).await {
            Ok(report) => report.letters.into_iter().find_map(|letter| letter.error).or(report.interrupted),
            Err(error) => Some(said(error)),
        };
        match fault {
            None => Ok(receipt),
            Some(fault) => Err(format!("published {}, but the dead letter is still there: {fault}", receipt.event_id)),
        }
    }

    async fn execute(&self, event: &CheckedEvent) -> Result<serde_json::Value, ClientError> {
        self.connection()?.execute(&self.request(event), REPLY_TIMEOUT).await
    }

    async fn trace(&self, id: Uuid) -> Result<bloodbank_client::CausationTrace, ClientError> {
        self.connection()?.trace(id).await
    }

    async fn history(
        &self,
        since: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
    ) -> Result<Vec<Arc<SeenEvent>>, ClientError> {
        let everything = BindingPattern::parse_wire("#").map_err(|fault| ClientError::Invalid(fault.to_string()))?;
        let bodies = self.connection()?.history(&self.settings, &everything, since, until, MOST).await?;
        Ok(bodies.into_iter().map(|body| Arc::new(SeenEvent::read(body))).collect())
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetterEntry>, ClientError> {
        let connection = self.connection()?;
        let filter = Filter { limit: Some(MOST_LETTERS), ..Filter::default() };
        let mut letters = Vec::new();
        for queue in &self.options.queues {
            match connection.dead_letters(queue, &filter, DeadLetterDetail::Message).await {
                Ok(more) => letters.extend(more),
                // Its subscriber has never run.
                Err(error) if error.is_missing_queue() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(letters)
    }

    async fn queues(&self) -> Result<QueueReport, ClientError> {
        let connection = self.connection()?;
        let (states, remark) = match connection.queues(&self.settings).await {
            Ok(states) => (states, None),
            Err(error @ ClientError::NoManagement { .. }) => {
                let remark = format!("only the queues of this program: {error}");
                (self.own_queues(connection).await?, Some(remark))
            }
            Err(error) => return Err(error),
        };
        // Without the management API there is a remark already.
        let connections = connection.broker_connections(&self.settings).await.unwrap_or_default();
        Ok(QueueReport { queues: QueueEntry::of(states, Utc::now()), connections, remark })
    }

    /// The queues of this program, as AMQP shows them.
    async fn own_queues(&self, connection: &Connection) -> Result<Vec<QueueStatus>, ClientError> {
        let mut states = Vec::new();
        for queue in &self.options.queues {
            states.extend(connection.queue(queue).await?);
            states.extend(connection.queue(&format!("{queue}.dlq")).await?);
        }
        Ok(states)
    }

    /// Redrives or discards dead letters of one queue.
    async fn sweep(&self, action: SweepAction, letters: &[LetterId]) -> Result<SweepReport, ClientError> {
        let queue = letters.first().map(|letter| letter.queue.as_str()).unwrap_or_default();
        let filter = Filter { handles: letters.iter().map(|letter| letter.handle).collect(), ..Filter::default() };
        self.connection()?.sweep_dead_letters(queue, &filter, action, Mode::Apply).await
    }
}

fn said(error: ClientError) -> String {
    error.to_string()
}
