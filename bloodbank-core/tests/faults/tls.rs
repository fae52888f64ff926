//! `amqps://` and `rediss://` with certificates made here: trusted and refused, with a client certificate and without.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use crate::amqp_support::{blocking, eventually, name, next, queues, to_queue};
use bloodbank_amqp::Amqp;
use bloodbank_core::{
    Bus, ErrorKind, Settings,
    settings::QueueKind,
    store::{
        Acquired, LeaseKey, LeaseStore,
        redis::{RedisConnection, RedisLeases},
    },
    transport::{Consume, Publish, Transport, topology::Queue},
};
use bloodbank_harness::{RabbitMq, Redis, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;
use uuid::Uuid;

/// An authority with what it has signed, as PEM files.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Signs a certificate for a host, or for a client.
    fn sign(&self, host: &str) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let files = TlsFiles {
            authority: self.file("ca.pem"),
            certificate: self.file(&format!("{host}.pem")),
            key: self.file(&format!("{host}.key")),
        };
        fs::write(&files.certificate, signed.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

fn settings(url: &str, ca: Option<&Path>, client: Option<&TlsFiles>) -> Settings {
    let mut settings = Settings::default();
    settings.rabbit_url = Some(url.to_owned().into());
    settings.tls_ca = ca.map(Path::to_owned);
    settings.tls_cert = client.map(|files| files.certificate.clone());
    settings.tls_key = client.map(|files| files.key.clone());
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_is_verified_and_sees_who_we_are() {
    let (authority, rogue) = (Authority::new(), Authority::new());
    let (server, client) = (authority.sign("localhost"), authority.sign("shipping"));
    let broker = Arc::new(blocking(move || RabbitMq::start_with_tls(&server).unwrap()).await);
    let url = broker.tls_url().unwrap();
    let ca = authority.file("ca.pem");

    let amqp = Amqp::connect(&settings(&url, Some(&ca), Some(&client))).await.unwrap();
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Quorum)])).await.unwrap();
    let mut deliveries = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    for number in 0..100 {
        amqp.publish(to_queue(&queue, number.to_string())).await.unwrap();
        next(&mut deliveries).await.ack();
    }
    // It comes back the same way.
    let restarted = Arc::clone(&broker);
    blocking(move || {
        restarted.stop().unwrap();
        restarted.start_again().unwrap();
    })
    .await;
    eventually("it connects again", || async { amqp.publish(to_queue(&queue, "again")).await.is_ok() }).await;
    next(&mut deliveries).await.ack();
    amqp.close().await;

    let refused = async |settings: Settings| Amqp::connect(&settings).await.unwrap_err();
    let stranger = rogue.sign("shipping");
    for (what, settings) in [
        ("no authority", settings(&url, None, Some(&client))),
        ("another authority", settings(&url, Some(&rogue.file("ca.pem")), Some(&client))),
        ("no client certificate", settings(&url, Some(&ca), None)),
        ("a client certificate of another authority", settings(&url, Some(&ca), Some(&stranger))),
        ("another host", settings(&url.replace("localhost", "127.0.0.1"), Some(&ca), Some(&client))),
    ] {
        let error = refused(settings).await;
        assert_eq!(error.kind(), ErrorKind::Connection, "{what}: {error}");
        println!("{what}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_verified_and_sees_who_we_are() {
    let (authority, rogue) = (Authority::new(), Authority::new());
    let (server, client) = (authority.sign("localhost"), authority.sign("shipping"));
    let redis = blocking(move || Redis::start_with_tls(&server).unwrap()).await;
    let ca = authority.file("ca.pem");
    let url = redis.tls_url().unwrap();
    let with = |url: &str, ca: Option<&Path>, client: Option<&TlsFiles>| {
        let mut settings = settings("amqp://nobody", ca, client);
        settings.redis_url = Some(url.to_owned().into());
        settings.rabbit_url = None;
        settings
    };
    let acquire = async |settings: &Settings| {
        let store = RedisLeases::new(RedisConnection::from_settings(settings).unwrap().unwrap());
        let key = LeaseKey { queue: "q".into(), event_id: Uuid::new_v4() };
        store.acquire(&key, Uuid::new_v4(), Duration::from_secs(60)).await
    };
    let good = with(&url, Some(&ca), Some(&client));
    assert_eq!(acquire(&good).await.unwrap(), Acquired::Leased);
    // Correlation goes there too.
    let bus = Bus::connect(good).await.unwrap();
    assert!(bus.correlation().unwrap().health().available);
    bus.close().await;

    for (what, settings) in [
        ("no authority", with(&url, None, Some(&client))),
        ("another authority", with(&url, Some(&rogue.file("ca.pem")), Some(&client))),
        ("no client certificate", with(&url, Some(&ca), None)),
        ("another host", with(&url.replace("localhost", "127.0.0.1"), Some(&ca), Some(&client))),
    ] {
        let error = acquire(&settings).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{what}: {error}");
        println!("{what}: {error}");
    }
    let insecure = with(&format!("{url}#insecure"), Some(&ca), Some(&client));
    let error = RedisConnection::from_settings(&insecure).err().unwrap();
    assert!(error.to_string().contains("would switch off the verification"), "{error}");
}

const FOLDER: &str = "BLOODBANK_TEST_AUTHORITIES";

/// The servers' certificates are signed by an authority that the system trusts.
#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_replaces_those_of_the_system() {
    let (system, own) = (Authority::new(), Authority::new());
    let server = system.sign("localhost");
    system.sign("shipping");
    fs::copy(own.file("ca.pem"), system.file("own.pem")).unwrap();
    let both = [system.file("ca.pem"), own.file("ca.pem")].map(|file| fs::read_to_string(file).unwrap());
    fs::write(system.file("both.pem"), both.concat()).unwrap();
    let servers = move || (RabbitMq::start_with_tls(&server).unwrap(), Redis::start_with_tls(&server).unwrap());
    let (broker, redis) = blocking(servers).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "tls::with_an_authority_that_the_system_trusts", "--nocapture"])
        .env("SSL_CERT_FILE", system.file("ca.pem"))
        .env(FOLDER, system.folder.path())
        .env("RABBIT_URL", broker.tls_url().unwrap())
        .env("REDIS_URL", redis.tls_url().unwrap());
    let ended = blocking(move || child.output().unwrap()).await;
    let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(ended.status.success() && said.contains("as it should be"), "{said}");
}

/// A process of its own: which authorities the system trusts, its environment says. Nothing to do for the test runner itself.
#[tokio::test(flavor = "multi_thread")]
async fn with_an_authority_that_the_system_trusts() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let file = |name: &str| folder.join(name);
    let client = TlsFiles { authority: file("ca.pem"), certificate: file("shipping.pem"), key: file("shipping.key") };
    for (ca, is_trusted) in [(None, true), (Some("own.pem"), false), (Some("both.pem"), true)] {
        let ca = ca.map(file);
        let mut settings = settings(&std::env::var("RABBIT_URL").unwrap(), ca.as_deref(), Some(&client));
        settings.redis_url = Some(std::env::var("REDIS_URL").unwrap().into());
        let broker = Amqp::connect(&settings).await;
        assert_eq!(
            broker.as_ref().err().map(|error| error.kind()),
            (!is_trusted).then_some(ErrorKind::Connection),
            "{ca:?}"
        );
        if let Ok(broker) = broker {
            broker.close().await;
        }
        let store = RedisLeases::new(RedisConnection::from_settings(&settings).unwrap().unwrap());
        let key = LeaseKey { queue: "q".into(), event_id: Uuid::new_v4() };
        let acquired = store.acquire(&key, Uuid::new_v4(), Duration::from_secs(60)).await;
        assert_eq!(acquired.map_err(|error| error.kind()).is_ok(), is_trusted, "{ca:?}");
    }
    println!("as it should be");
}

#[tokio::test]
async fn files_that_hold_no_certificates_are_named() {
    let authority = Authority::new();
    let client = authority.sign("shipping");
    let url = "amqps://localhost:1";
    let missing = authority.file("missing.pem");
    for (settings, parts) in [
        (settings(url, Some(&missing), None), ["BLOODBANK_TLS_CA", "missing.pem", "cannot be read"]),
        (settings(url, Some(&client.key), None), ["BLOODBANK_TLS_CA", "shipping.key", "holds no"]),
        (
            settings(url, None, Some(&TlsFiles { key: client.certificate.clone(), ..client.clone() })),
            ["BLOODBANK_TLS_KEY", "shipping.pem", "PRIVATE KEY"],
        ),
    ] {
        let error = Amqp::connect(&settings).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        for part in parts {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
    let mut half = settings(url, None, Some(&client));
    half.tls_key = None;
    let error = Amqp::connect(&half).await.unwrap_err();
    assert!(error.to_string().contains("set both, or neither"), "{error}");
}
