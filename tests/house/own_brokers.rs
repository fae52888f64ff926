//! Tests that start a broker of their own, which takes a processor for seconds: `.config/nextest.toml` runs few at a time.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What stands in the path of such a test: a folder, a module, or a crate. The list is that of the group `own-broker`.
const GROUPED: [&str; 5] = ["bloodbank-harness", "browser", "faults", "ledger", "own_broker"];
/// Only its tests that restart a broker have one of their own; they are in the group by name.
const BY_NAME: &str = "bloodbank-core/tests/servers/conformance.rs";

/// The files below the `tests` of every crate that start a broker.
fn starting_one() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join("tests"));
    let mut folders: Vec<_> = crates.chain([root.join("tests")]).filter(|folder| folder.is_dir()).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && fs::read_to_string(&path).unwrap().lines().any(starts_one)
            {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found
}

fn starts_one(line: &str) -> bool {
    let is_comment = line.trim_start().starts_with("//");
    !is_comment && ["RabbitMq", "Cluster"].iter().any(|server| line.contains(&format!("{server}::start")))
}

#[test]
fn tests_with_a_broker_of_their_own_are_in_the_group_of_those() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join(".config/nextest.toml");
    let config = fs::read_to_string(config).unwrap();
    for name in GROUPED {
        assert!(config.contains(name), "`{name}` is not in .config/nextest.toml");
    }
    let found = starting_one();
    assert!(found.len() > 10, "{found:?}");
    // A file `faults.rs` of another binary is in no group.
    let is_name = |part: &str| part == "own_broker.rs" || GROUPED.contains(&part);
    let is_grouped = |path: &Path| path.iter().filter_map(|part| part.to_str()).any(is_name);
    let others: Vec<_> = found.iter().filter(|path| !is_grouped(path) && *path != Path::new(BY_NAME)).collect();
    assert!(others.is_empty(), "move these into a module `own_broker`, of which few run at a time: {others:?}");
}
