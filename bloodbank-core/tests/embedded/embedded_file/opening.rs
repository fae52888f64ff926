//! What can be opened, and what is said when it cannot.

use std::fs;

use super::*;

async fn refused(path: &Path) -> String {
    let error = Embedded::open(path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    let text = error.to_string();
    assert!(text.contains("set BLOODBANK_EMBEDDED_PATH to another file"), "{text}");
    assert!(text.contains(path.file_name().unwrap().to_str().unwrap()), "{text}");
    text
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_closes() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).await;
    publish(&first, EVENTS, "orders.order.placed", "1").await.unwrap();
    let text = refused(&folder.path().join("bus.db")).await;
    assert!(text.contains("another process has it open; stop it"), "{text}");
    publish(&first, EVENTS, "orders.order.placed", "2").await.unwrap();
    first.close().await;
    assert_eq!(open(folder.path()).await.depth(QUEUE), Some((2, 0)));
}

#[tokio::test]
async fn foreign_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(&text, "not a bus".repeat(100)).unwrap();
    let database = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.execute_batch("CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('me')").unwrap();
    drop(connection);
    for path in [&text, &database] {
        let before = fs::read(path).unwrap();
        let text = refused(path).await;
        assert!(text.contains("is something else and was left alone"), "{text}");
        assert_eq!(fs::read(path).unwrap(), before);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside them");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let path = folder.path().join("bus.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 9).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let text = refused(&path).await;
    assert!(text.contains("its schema is 9, 3 is understood"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path()).await;
    for number in 0..100 {
        publish(&bus, EVENTS, "orders.order.placed", number.to_string()).await.unwrap();
    }
    bus.close().await;
    let path = folder.path().join("bus.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4_096..].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let text = refused(&path).await;
    assert!(text.contains("it is damaged"), "{text}");
}

#[tokio::test]
async fn a_missing_folder_and_a_folder_in_place_of_the_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = refused(&folder.path().join("missing").join("bus.db")).await;
    assert!(text.contains("missing does not exist; create it"), "{text}");
    let text = refused(folder.path()).await;
    assert!(text.contains("is a folder"), "{text}");
    assert!(!folder.path().join("missing").exists());
}

#[tokio::test]
async fn an_empty_file_becomes_a_bus() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bus.db"), "").unwrap();
    let bus = open(folder.path()).await;
    publish(&bus, EVENTS, "orders.order.placed", "1").await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn another_name_of_the_file_does_not_get_around_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let _bus = open(folder.path()).await;
    let other = folder.path().join("other.db");
    std::os::unix::fs::symlink(folder.path().join("bus.db"), &other).unwrap();
    let error = Embedded::open(&other).await.unwrap_err();
    assert!(error.to_string().contains("another process has it open"), "{error}");
}
