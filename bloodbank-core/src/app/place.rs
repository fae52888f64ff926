//! Where a bus is: said at its start, and refused where everything would be lost unnoticed.

use tracing::info;

use crate::{
    error::{Error, ErrorKind, Result},
    settings::{ClaimStoreKind, CorrelationStoreKind, Settings},
};

/// The environments in which a bus in memory is what somebody wants.
const FOR_EXPERIMENTS: [&str; 2] = ["dev", "test"];

/// Where the settings put a bus, its correlation and its large payloads.
struct Place {
    bus: &'static str,
    at: String,
    correlation: String,
    claims: String,
}

/// Refuses a bus in memory outside of the environments for experiments: a forgotten or misspelt address would look healthy, and
/// lose everything.
pub(super) fn check(settings: &Settings) -> Result<()> {
    let environment = settings.environment.as_str();
    let is_lasting = settings.rabbit_url.is_some() || settings.embedded_path.is_some();
    if is_lasting || settings.allow_memory || FOR_EXPERIMENTS.contains(&environment) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Settings,
        format!(
            "the bus would be in memory, and ENVIRONMENT is {environment:?}: every event would be lost with this process; set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH, or BLOODBANK_ALLOW_MEMORY=1 if that is what you want"
        ),
    ))
}

/// Says where the bus is, and what is lost when this process ends.
pub(super) fn announce(settings: &Settings) {
    let place = Place::of(settings);
    info!(
        bus = place.bus,
        at = place.at,
        exchange = settings.exchange_name,
        correlation = place.correlation,
        claims = place.claims,
        environment = settings.environment,
        "lost when this process ends: {}",
        place.lost()
    );
}

const MEMORY: &str = "memory";
/// Its address may hold a password.
const DATABASE: &str = "the database of DATABASE_URL";

impl Place {
    fn of(settings: &Settings) -> Self {
        let redis = settings.redis_address();
        let (bus, at, kept) = match (settings.rabbit_address(), &settings.embedded_path) {
            (Some(address), _) => ("rabbitmq", address, MEMORY.to_owned()),
            (None, Some(path)) => ("embedded", path.display().to_string(), path.display().to_string()),
            (None, None) => ("embedded", MEMORY.to_owned(), MEMORY.to_owned()),
        };
        let claims = match settings.claim_store {
            ClaimStoreKind::Redis => redis.clone().unwrap_or_default(),
            ClaimStoreKind::Sql => DATABASE.to_owned(),
            ClaimStoreKind::Memory => MEMORY.to_owned(),
            ClaimStoreKind::File => {
                settings.claim_directory.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
            }
        };
        let correlation = match settings.correlation_store {
            Some(CorrelationStoreKind::Sql) => DATABASE.to_owned(),
            Some(CorrelationStoreKind::Memory) => MEMORY.to_owned(),
            Some(CorrelationStoreKind::Redis) | None => redis.unwrap_or(kept),
        };
        Self { bus, at, correlation, claims }
    }

    fn lost(&self) -> String {
        let parts = [("every event", &self.at), ("correlation", &self.correlation), ("large payloads", &self.claims)];
        let lost: Vec<_> = parts.into_iter().filter(|(_, at)| *at == MEMORY).map(|(part, _)| part).collect();
        if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Settings {
        Settings::from_vars(vars.iter().copied()).unwrap()
    }

    #[test]
    fn what_is_in_memory_is_lost() {
        let lost = |vars: &[(&str, &str)]| Place::of(&settings(vars)).lost();
        assert_eq!(lost(&[]), "every event, correlation, large payloads");
        assert_eq!(lost(&[("BLOODBANK_EMBEDDED_PATH", "bus.sqlite")]), "large payloads");
        assert_eq!(lost(&[("RABBIT_URL", "amqp://rabbit")]), "correlation, large payloads");
        assert_eq!(lost(&[("RABBIT_URL", "amqp://rabbit"), ("REDIS_URL", "redis://redis")]), "nothing");
        let database = [
            ("RABBIT_URL", "amqp://rabbit"),
            ("DATABASE_URL", "postgres://me:hunter2@db/shop"),
            ("BLOODBANK_CORRELATION_STORE", "sql"),
            ("BLOODBANK_CLAIM_STORE", "sql"),
        ];
        assert_eq!(lost(&database), "nothing");
        let directory = [("BLOODBANK_EMBEDDED_PATH", "b"), ("BLOODBANK_CLAIM_DIRECTORY", "claims")];
        assert_eq!(lost(&directory), "nothing");
    }

    #[test]
    fn no_password_is_said() {
        let vars =
            [("RABBIT_URL", "amqp://me:hunter2@rabbit:5672/%2F?x=hunter2"), ("REDIS_URL", "redis://:hunter2@redis/0")];
        let place = Place::of(&settings(&vars));
        assert_eq!(place.at, "amqp://me@rabbit:5672/%2F");
        assert_eq!((place.correlation.as_str(), place.claims.as_str()), ("redis://redis/0", "redis://redis/0"));
    }

    #[test]
    fn a_bus_in_memory_is_for_experiments() {
        let checked = |vars: &[(&str, &str)]| check(&settings(vars));
        for environment in ["dev", "test"] {
            checked(&[("ENVIRONMENT", environment)]).unwrap();
        }
        checked(&[("ENVIRONMENT", "production"), ("RABBIT_URL", "amqp://rabbit")]).unwrap();
        checked(&[("ENVIRONMENT", "production"), ("BLOODBANK_EMBEDDED_PATH", "bus.sqlite")]).unwrap();
        checked(&[("ENVIRONMENT", "production"), ("BLOODBANK_ALLOW_MEMORY", "1")]).unwrap();
        let error = checked(&[("ENVIRONMENT", "production"), ("BLOODBANK_ALLOW_MEMORY", "0")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        let said = error.to_string();
        for part in
            ["ENVIRONMENT is \"production\"", "RABBIT_URL", "BLOODBANK_EMBEDDED_PATH", "BLOODBANK_ALLOW_MEMORY=1"]
        {
            assert!(said.contains(part), "{said}");
        }
    }
}
