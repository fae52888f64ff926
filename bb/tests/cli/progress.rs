//! Long work shows how far it is, on a terminal and nowhere else.

use std::path::Path;

use crate::support::{TIMEOUT, command, example, out};
use bloodbank_core::{Bus, Settings, message::Outgoing};
use tokio::io::AsyncReadExt;

/// Puts so many messages that nobody can read where the dead letters of `shop` are.
async fn park(file: &Path, count: usize) {
    let settings = Settings::from_vars([("BLOODBANK_EMBEDDED_PATH", file.to_str().unwrap())]).unwrap();
    let bus = Bus::connect(settings).await.unwrap();
    for _ in 0..count {
        let message = Outgoing::new("", "shop.ship.dlq", "?").mandatory();
        bus.transport().publish(message).await.unwrap();
    }
    bus.close().await;
}

#[tokio::test]
async fn a_bar_is_drawn_where_there_is_much_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.db");
    let shop = |args: &[&str]| {
        let mut shop = command(example("shop"), folder.path(), args);
        shop.env("SERVICE_NAME", "shop").env("BLOODBANK_EMBEDDED_PATH", &file);
        shop
    };
    out(shop(&["topology", "declare"]));
    for (count, has_bar) in [(600, true), (3, false)] {
        park(&file, count).await;
        let (mut pty, pts) = pty_process::open().unwrap();
        pty.resize(pty_process::Size::new(24, 100)).unwrap();
        let discard = pty_process::Command::new(example("shop")).args(["dlq", "discard", "--all"]).env_clear();
        let discard = discard.env("SERVICE_NAME", "shop").env("BLOODBANK_EMBEDDED_PATH", &file).env("TERM", "xterm");
        let mut child = discard.current_dir(folder.path()).spawn(pts).unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 1024];
        // A terminal without a program ends in an error.
        while let Ok(read) = tokio::time::timeout(TIMEOUT, pty.read(&mut buffer)).await.unwrap() {
            seen.extend_from_slice(&buffer[..read]);
        }
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(child.wait().await.unwrap().success(), "{seen}");
        assert_eq!(seen.contains("shop.ship.dlq") && seen.contains(&format!("/{count}")), has_bar, "{seen:?}");
        assert!(seen.contains(&count.to_string()) && seen.contains("discarded"), "{seen:?}");
    }
    park(&file, 600).await;
    let output = shop(&["dlq", "redrive", "--all"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "600 redriven\n");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
