//! `new`: what it makes compiles and passes its tests.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{bb, fails, out};

#[test]
fn a_new_service_compiles_and_passes_its_tests() {
    // Always the same place, so that the target directory does not grow with every run.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // Without a word about Bloodbank: it is that of `bb`.
    let made = out(bb(&folder, &["new", "my-garden"]));
    assert!(made.contains("cargo test"), "{made}");
    let error = fails(bb(&folder, &["new", "my-garden"]), 2);
    assert!(error.contains("exists already"), "{error}");
    let error = fails(bb(&folder, &["new", "My Garden"]), 2);
    assert!(error.contains("no name of a crate"), "{error}");
    let error = fails(bb(&folder, &["new", "other", "--bloodbank", "my-garden"]), 2);
    assert!(error.contains("my-garden does not hold Bloodbank"), "{error}");

    let garden = folder.join("my-garden");
    everything_is_filled_in(&garden);
    let mut format = Command::new(env!("CARGO"));
    format.args(["fmt", "--check"]).current_dir(&garden);
    out(format);
    compile_as_the_workspace(&garden, workspace);
    let target = PathBuf::from(env!("CARGO_BIN_EXE_bb")).parent().unwrap().parent().unwrap().to_owned();
    let passes_its_tests = || {
        let mut test = Command::new(env!("CARGO"));
        test.args(["test", "--offline"]).current_dir(&garden).env("CARGO_TARGET_DIR", &target);
        assert!(out(test).contains("whoever_comes_in_is_greeted ... ok"));
    };
    passes_its_tests();
    take_the_next_step(&garden);
    passes_its_tests();
    // The binary that the tests have built: `cargo run` selects other features, and would compile everything again.
    let mut check = Command::new(target.join("debug/my-garden"));
    check.args(["check", "--allow", "unhandled"]).current_dir(&garden);
    assert!(out(check).contains("ok: 2 events"));
}

/// No file has a placeholder left.
fn everything_is_filled_in(garden: &Path) {
    let files = ["Cargo.toml", "README.md", "Dockerfile", "compose.yaml", ".github/workflows/ci.yml", "src/main.rs"];
    for file in files {
        let text = fs::read_to_string(garden.join(file)).unwrap();
        let is_placeholder = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let left =
            text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).find(|(word, _)| is_placeholder(word));
        assert!(left.is_none(), "{file} has {left:?}: {text}");
    }
}

/// Does what the README says comes next: its code in place of the subscriber and the app.
fn take_the_next_step(garden: &Path) {
    let readme = fs::read_to_string(garden.join("README.md")).unwrap();
    let (_, step) = readme.split_once("```rust\n").unwrap();
    let (step, _) = step.split_once("```").unwrap();
    let library = garden.join("src/lib.rs");
    let before = fs::read_to_string(&library).unwrap();
    let (events, _) = before.split_once("/// Greets whoever").unwrap();
    fs::write(library, format!("{events}{step}")).unwrap();
}

/// Gives a project the versions, the profiles and the features of the workspace, so that most of its dependencies are
/// compiled already: 36 units are compiled instead of 76, and none of them is lapin, redis, tokio, axum or SQLite.
fn compile_as_the_workspace(project: &Path, workspace: &Path) {
    fs::copy(workspace.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let of_workspace = fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    let profiles = of_workspace.split("\n[").filter(|section| section.starts_with("profile."));
    let profiles: String = profiles.map(|section| format!("\n[{}\n", section.trim_end())).collect();
    let manifest = fs::read_to_string(project.join("Cargo.toml")).unwrap();
    let with_features = manifest.replace(r#"features = ["testing"]"#, r#"features = ["testing", "tls"]"#).replace(
        r#"features = ["macros", "rt-multi-thread"]"#,
        r#"features = ["macros", "rt-multi-thread", "test-util"]"#,
    );
    assert!(with_features.contains(r#""tls""#) && with_features.contains(r#""test-util""#), "{manifest}");
    fs::write(project.join("Cargo.toml"), with_features + &profiles).unwrap();
}
