//! A service may keep its own tables beside the embedded bus: one program has one `libsqlite3-sys`, which cargo finds for
//! Bloodbank's default features and each of the libraries that people use. Lock files only; nothing is compiled.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::{fs, path::Path, process::Command};

/// Resolves a crate that depends on Bloodbank and on `other`, a line of `[dependencies]`. Needs cargo's registry.
fn resolves_beside(other: &str) {
    let folder = tempfile::tempdir().unwrap();
    let bloodbank = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = format!(
        "[package]\nname = \"service\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\nbloodbank = {{ path = {bloodbank:?} }}\n{other}\n"
    );
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/lib.rs"), "").unwrap();

    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("generate-lockfile").env("CARGO_TERM_COLOR", "never").current_dir(folder.path());
    let output = cargo.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let out_of_reach = ["failed to query", "failed to download", "unable to update registry", "--offline"];
    assert!(
        !out_of_reach.iter().any(|sign| said.contains(sign)),
        "cargo's registry is out of reach, which this test needs to resolve `{other}`; nothing is known: {said}"
    );
    assert!(output.status.success(), "no versions of `bloodbank` and `{other}` are for one program: {said}");

    let lock_file = fs::read_to_string(folder.path().join("Cargo.lock")).unwrap();
    let has = |package: &str| lock_file.matches(&format!("name = \"{package}\"")).count();
    assert_eq!((has("rusqlite"), has("libsqlite3-sys")), (1, 1), "both use SQLite: {lock_file}");
}

#[test]
fn beside_sqlx_0_9() {
    resolves_beside(r#"sqlx = { version = "0.9", features = ["runtime-tokio", "sqlite", "json", "uuid"] }"#);
}

#[test]
fn beside_sqlx_0_8() {
    resolves_beside(r#"sqlx = { version = "0.8", features = ["runtime-tokio", "sqlite", "json", "uuid"] }"#);
}

#[test]
fn beside_sea_orm_1() {
    resolves_beside(r#"sea-orm = { version = "1", features = ["runtime-tokio", "sqlx-sqlite"] }"#);
}

#[test]
fn beside_diesel_2() {
    resolves_beside(r#"diesel = { version = "2", features = ["sqlite"] }"#);
}
