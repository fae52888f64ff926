//! TLS to PostgreSQL: an address that asks for verification gets it.
#![cfg(feature = "tls")]

use std::fs;

use bloodbank::{
    ErrorKind,
    sql::{AnyPool, Relay},
    testing::TestBus,
};
use bloodbank_harness::{Postgres as Server, TlsFiles};
use sqlx::{PgPool, Postgres};

use crate::database::TestDatabase;

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_verified_where_the_address_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let rogue = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let authority = write("server.pem", made.cert.pem());
    let other = write("other.pem", rogue.cert.pem());
    let key = write("server.key", made.signing_key.serialize_pem());
    let files = TlsFiles { authority: authority.clone(), certificate: authority.clone(), key };
    let server = tokio::task::spawn_blocking(move || Server::start_with_tls(&files)).await.unwrap().unwrap();
    let url = server.url().replace("127.0.0.1", "localhost");
    let verified = format!("{url}?sslmode=verify-full&sslrootcert={}", authority.display());

    AnyPool::new(&verified).unwrap().migrate().await.unwrap();
    let pool = PgPool::connect(&verified).await.unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
    assert_eq!(Postgres::number(&pool, encrypted).await, 1);
    assert_eq!(Relay::new(pool).run_once(&TestBus::new()).await.unwrap(), 0);

    for (what, url) in [
        ("another authority", format!("{url}?sslmode=verify-full&sslrootcert={}", other.display())),
        ("no authority", format!("{url}?sslmode=verify-full")),
        ("another host", verified.replace("localhost", "127.0.0.1")),
    ] {
        let error = AnyPool::new(&url).unwrap().schema_status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{what}: {error}");
    }
}
