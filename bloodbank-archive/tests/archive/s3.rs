//! An archive in S3, as moto plays it: what a reservation stands on, an object that is written only where there is none, is a
//! condition of the request there.

use std::{
    env,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use bloodbank::store::{Journal, JournalQuery, Position};
use bloodbank_archive::{Archive, Archiver};

use crate::{
    assert_same,
    given::{Given, entry},
    offsets,
    other_readers::python,
    segments::of_events,
    shared,
    troubles::soon,
    whole,
};

const CHILD: &str = "BLOODBANK_TEST_ARCHIVE_IN_S3";

/// This program again, with the variables of the client.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test of this file starts it"]
async fn child() {
    let Ok(address) = env::var(CHILD) else { return };
    let source = Given::of(0..30);
    let archive = Archive::open(&address).unwrap();
    assert_eq!(archive.describe(), format!("the archive {address}"));
    assert_eq!(archive.tip().await.unwrap(), None);
    let archivers: Vec<_> = [3, 5, 7]
        .map(|events| {
            let archiver = Archiver::new(archive.clone()).source(shared(source.clone())).limits(of_events(events));
            tokio::spawn(async move { archiver.run_once(&bloodbank::Bus::embedded()).await })
        })
        .into();
    for archiver in archivers {
        archiver.await.unwrap().unwrap();
    }
    assert_eq!(offsets(&archive, JournalQuery::all(), Position::Start).await, (0..30).collect::<Vec<_>>());
    source.push((30..40).map(entry));
    let archiver = Archiver::new(archive.clone()).source(shared(source.clone()));
    archiver.run_once(&bloodbank::Bus::embedded()).await.unwrap();
    assert_same(&whole(&archive).await, &whole(&source).await);
    let status = archive.status().await.unwrap();
    assert_eq!((status.range, status.missing.len()), (Some((0, 39)), 0));
    let elsewhere = Archive::open("s3://nobody-has-this-bucket/folder").unwrap();
    let error = elsewhere.tip().await.unwrap_err().to_string();
    assert!(
        error.starts_with("the folder of the archive s3://nobody-has-this-bucket/folder cannot be listed: "),
        "{error}"
    );
}

/// A server that ends with the test.
struct Moto(Child);

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_in_s3_is_like_one_in_a_folder() {
    let python = python();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Command::new(Path::new(&python).with_file_name("moto_server"))
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Moto(server.unwrap());
    soon(async || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    let endpoint = format!("http://127.0.0.1:{port}");
    let bucket = format!("import boto3; boto3.client('s3', endpoint_url='{endpoint}').create_bucket(Bucket='events')");
    let variables = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT", &endpoint),
        ("AWS_ALLOW_HTTP", "true"),
    ];
    let made = Command::new(&python).args(["-c", &bucket]).envs(variables).status().unwrap();
    assert!(made.success(), "no bucket was made");
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "s3::child", "--ignored", "--nocapture"])
        .env_clear()
        .envs(variables)
        .env(CHILD, "s3://events/kept")
        .status()
        .unwrap();
    assert!(child.success());
}
