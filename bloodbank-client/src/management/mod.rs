//! The management API of RabbitMQ, which lists what AMQP cannot: every queue of the broker, and every connection to it.

mod bindings;
mod cluster;

use std::time::Duration;

use bloodbank_core::{Settings, transport::QueueStatus};
use chrono::{DateTime, Utc};
use reqwest::{StatusCode, Url};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::{bindings::ExchangeBinding, cluster::ClusterStatus};
use crate::error::{ClientError, Result};

/// The port of the management API, where no setting names another.
const PORT: u16 = 15672;
/// The management API answers within this time, also for thousands of queues.
const TIMEOUT: Duration = Duration::from_secs(10);
const QUEUE_COLUMNS: &str = "name,messages_ready,messages_unacknowledged,consumers,head_message_timestamp,\
                             message_stats.publish_details.rate,message_stats.ack_details.rate";
const CONNECTION_COLUMNS: &str = "name,user,state,channels,connected_at,client_properties.connection_name";

/// The state of every queue in the virtual host of these settings, sorted by name.
pub(crate) async fn queues(settings: &Settings) -> Result<Vec<QueueStatus>> {
    let access = Access::from_settings(settings)?;
    let queues: Vec<Queue> = access.get(&["queues", &access.vhost], QUEUE_COLUMNS).await?;
    let mut queues: Vec<_> = queues.into_iter().map(QueueStatus::from).collect();
    queues.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(queues)
}

/// Every connection to the virtual host of these settings, sorted by name.
pub(crate) async fn connections(settings: &Settings) -> Result<Vec<ConnectionStatus>> {
    let access = Access::from_settings(settings)?;
    let found: Vec<BrokerConnection> =
        access.get(&["vhosts", &access.vhost, "connections"], CONNECTION_COLUMNS).await?;
    let mut connections: Vec<_> = found.into_iter().map(ConnectionStatus::from).collect();
    connections.sort_unstable_by(|one, other| (&one.name, &one.address).cmp(&(&other.name, &other.address)));
    Ok(connections)
}

/// The last cause, which says the most: “connection refused”.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// How the management API is reached.
struct Access {
    /// The address without user and password.
    url: Url,
    vhost: String,
    user: String,
    password: String,
}

impl Access {
    fn from_settings(settings: &Settings) -> Result<Self> {
        let Some(rabbit) = &settings.rabbit_url else {
            return Err(ClientError::Invalid(
                "the queues of RabbitMQ are asked for, but RABBIT_URL is not set".to_owned(),
            ));
        };
        let unreadable = |name: &str| ClientError::Invalid(format!("{name} cannot be read"));
        // Each node answers for the whole cluster.
        let rabbit = settings.rabbit_urls().into_iter().next().unwrap_or_else(|| rabbit.clone());
        let rabbit = Url::parse(rabbit.expose_secret()).map_err(|_| unreadable("RABBIT_URL"))?;
        let own = settings.management_url.as_ref();
        let own = own.map(|url| Url::parse(url.expose_secret()).map_err(|_| unreadable("RABBIT_MANAGEMENT_URL")));
        let own = own.transpose()?;
        let with_user = own.as_ref().filter(|url| !url.username().is_empty()).unwrap_or(&rabbit);
        let user = if with_user.username().is_empty() { "guest" } else { with_user.username() };
        let (user, password) = (decoded(user), decoded(with_user.password().unwrap_or("guest")));
        let vhost = decoded(rabbit.path().strip_prefix('/').filter(|vhost| !vhost.is_empty()).unwrap_or("/"));
        let mut url = match own {
            Some(url) => url,
            None => Url::parse(&format!("http://{}:{PORT}", rabbit.host_str().unwrap_or("localhost")))
                .map_err(|_| unreadable("the host of RABBIT_URL"))?,
        };
        // Never shown; both are sent in a header.
        let _ = (url.set_username(""), url.set_password(None));
        Ok(Self { url, vhost, user, password })
    }

    /// A list of the management API.
    async fn get<T: DeserializeOwned>(&self, path: &[&str], columns: &str) -> Result<Vec<T>> {
        let failed = |reason: String| ClientError::NoManagement { url: self.url.to_string(), reason };
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(path);
        }
        // Fails where the program has chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| failed(error.to_string()))?;
        let request = http.get(url).query(&[("columns", columns)]).basic_auth(&self.user, Some(&self.password));
        let response = request.send().await.map_err(|error| failed(reason(&error)))?;
        match response.status() {
            StatusCode::OK => response.json().await.map_err(|error| failed(error.to_string())),
            StatusCode::UNAUTHORIZED => Err(failed("it refuses the user, who needs the tag `monitoring`".to_owned())),
            status => Err(failed(format!("it answers {status}"))),
        }
    }
}

fn decoded(text: &str) -> String {
    let encoded = format!("a={}", text.replace('+', "%2B"));
    let decoded = form_urlencoded::parse(encoded.as_bytes()).next().map(|(_, value)| value.into_owned());
    decoded.unwrap_or_default()
}

/// A queue as the management API has it. What is not measured yet is missing.
#[derive(Deserialize)]
struct Queue {
    name: String,
    #[serde(default)]
    messages_ready: u64,
    messages_unacknowledged: Option<u64>,
    #[serde(default)]
    consumers: u64,
    /// Seconds since 1970, on classic queues.
    head_message_timestamp: Option<i64>,
    #[serde(default)]
    message_stats: Stats,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stats {
    publish_details: Option<Rate>,
    ack_details: Option<Rate>,
}

#[derive(Deserialize)]
struct Rate {
    rate: f64,
}

impl From<Queue> for QueueStatus {
    fn from(queue: Queue) -> Self {
        let rate = |rate: Option<Rate>| rate.map(|rate| rate.rate);
        let Stats { publish_details, ack_details } = queue.message_stats;
        Self::new(queue.name, queue.messages_ready, queue.consumers)
            .unsettled(queue.messages_unacknowledged)
            .oldest(queue.head_message_timestamp.and_then(|seconds| DateTime::from_timestamp(seconds, 0)))
            .rates(rate(publish_details), rate(ack_details))
    }
}

/// A connection to RabbitMQ at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConnectionStatus {
    /// The name that the client gave it; empty where it gave none.
    pub name: String,
    /// The addresses of both ends.
    pub address: String,
    /// The user.
    pub user: String,
    /// What it does: `running`, or `blocked` while the broker takes no messages.
    pub state: String,
    /// The number of its channels.
    pub channels: u64,
    /// Since when it is open.
    pub since: Option<DateTime<Utc>>,
}

/// A connection as the management API has it. One that is opening has only a name.
#[derive(Deserialize)]
struct BrokerConnection {
    name: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    channels: u64,
    /// Milliseconds since 1970.
    connected_at: Option<i64>,
    #[serde(default)]
    client_properties: ClientProperties,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClientProperties {
    connection_name: String,
}

impl From<BrokerConnection> for ConnectionStatus {
    fn from(connection: BrokerConnection) -> Self {
        Self {
            name: connection.client_properties.connection_name,
            address: connection.name,
            user: connection.user,
            state: connection.state,
            channels: connection.channels,
            since: connection.connected_at.and_then(DateTime::from_timestamp_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(vars: &[(&str, &str)]) -> Access {
        let settings = Settings::from_vars(vars.iter().copied()).unwrap();
        Access::from_settings(&settings).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_address_follows_that_of_the_broker_and_shows_no_password() {
        let derived = access(&[("RABBIT_URL", "amqp://shop:p%40ss+1@rabbit:5672/%2Forders")]);
        assert_eq!(derived.url.as_str(), "http://rabbit:15672/");
        assert_eq!((&*derived.vhost, &*derived.user, &*derived.password), ("/orders", "shop", "p@ss+1"));
        let plain = access(&[("RABBIT_URL", "amqp://localhost")]);
        assert_eq!((&*plain.vhost, &*plain.user, &*plain.password), ("/", "guest", "guest"));
        let own =
            [("RABBIT_URL", "amqp://localhost"), ("RABBIT_MANAGEMENT_URL", "http://ops:secret@admin:8080/rabbit")];
        let own = access(&own);
        assert_eq!((own.url.as_str(), &*own.user), ("http://admin:8080/rabbit", "ops"));
    }

    #[test]
    fn what_is_not_measured_yet_is_not_zero() {
        let queue: Queue = serde_json::from_str(r#"{"name":"a","message_stats":{}}"#).unwrap();
        assert_eq!(QueueStatus::from(queue), QueueStatus::new("a", 0, 0));
        let stats = r#"{"name":"a","messages_ready":3,"messages_unacknowledged":1,"consumers":2,
            "head_message_timestamp":60,"message_stats":{"ack_details":{"rate":0.5}}}"#;
        let queue = QueueStatus::from(serde_json::from_str::<Queue>(stats).unwrap());
        assert_eq!((queue.waiting, queue.unsettled, queue.consumers), (3, Some(1), 2));
        assert_eq!(
            (queue.oldest, queue.arrivals, queue.acknowledgements),
            (DateTime::from_timestamp(60, 0), None, Some(0.5))
        );
    }
}
