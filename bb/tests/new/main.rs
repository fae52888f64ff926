//! `new`: what it makes compiles and passes its tests.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use support::{bb, fails, out};

#[test]
fn a_new_service_compiles_and_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let made = out(bb(folder.path(), &["new", "my-garden", "--bloodbank", workspace.to_str().unwrap()]));
    assert!(made.contains("cargo test"), "{made}");
    let error = fails(bb(folder.path(), &["new", "my-garden"]), 2);
    assert!(error.contains("exists already"), "{error}");
    let error = fails(bb(folder.path(), &["new", "My Garden"]), 2);
    assert!(error.contains("no name of a crate"), "{error}");

    // The versions and what is compiled of them are those of this workspace.
    let garden = folder.path().join("my-garden");
    std::fs::copy(workspace.join("Cargo.lock"), garden.join("Cargo.lock")).unwrap();
    let target = PathBuf::from(env!("CARGO_BIN_EXE_bb")).parent().unwrap().parent().unwrap().to_owned();
    let cargo = |args: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(args).current_dir(&garden).env("CARGO_TARGET_DIR", &target);
        // As this workspace has it, so that nothing is compiled twice.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
        out(cargo)
    };
    assert!(cargo(&["test", "--offline"]).contains("whoever_comes_in_is_greeted ... ok"));
    assert!(cargo(&["run", "--offline", "--quiet", "--", "check", "--allow", "unhandled"]).contains("ok: 2 events"));
}
