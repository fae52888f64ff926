//! `watch`: changes of files become events.

use std::{fs, path::Path, process::Command};

use crate::support::{Running, bb, command, example, fails, out};
use serde_json::Value;

fn watch(folder: &Path, args: &[&str]) -> Command {
    let mut command = bb(folder, args);
    command.env("BLOODBANK_EMBEDDED_PATH", folder.join("bus.db"));
    command
}

#[test]
fn a_program_without_the_events_says_at_the_start_which_crate_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let program = |args: &[&str]| command(example("muddle"), folder.path(), args);
    for (args, key) in
        [(&["watch", "."][..], "artifact.created"), (&["publish-prompt", "me", "why?"], "agent.thread.prompt")]
    {
        let error = fails(program(args), 2);
        assert!(error.contains(key) && error.contains("`use bloodbank_domains as _;`"), "{error}");
    }
    // What is wrapped runs all the same.
    let wrapped = program(&["wrap", "echo", "--", "here"]).output().unwrap();
    let said = String::from_utf8(wrapped.stderr).unwrap();
    assert_eq!(String::from_utf8(wrapped.stdout).unwrap(), "here\n");
    assert!(said.contains("nothing will be published") && said.contains("llm.prompt"), "{said}");
}

#[test]
fn changes_are_debounced_and_have_deterministic_ids() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes");
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join(".gitignore"), "*.tmp\n").unwrap();
    fs::write(notes.join("old.md"), "here before").unwrap();
    let watchers = [folder.path(), &folder.path().join("second")].map(|folder| {
        fs::create_dir_all(folder).unwrap();
        let path = notes.to_str().unwrap();
        let running =
            Running::start(watch(folder, &["watch", path, "--ignore", "*.log", "--debounce", "1000", "-n", "3"]));
        running.line("watching");
        running
    });
    // Many writes, one event; ignored files, none.
    for text in ["a", "ab", "abc"] {
        fs::write(notes.join("new.md"), text).unwrap();
    }
    fs::write(notes.join("scratch.tmp"), "x").unwrap();
    fs::write(notes.join("noise.log"), "x").unwrap();
    for watcher in &watchers {
        watcher.line("artifact.created");
    }
    fs::write(notes.join("old.md"), "changed now").unwrap();
    for watcher in &watchers {
        watcher.line("artifact.updated");
    }
    fs::remove_file(notes.join("new.md")).unwrap();
    for mut watcher in watchers {
        watcher.line("artifact.deleted");
        assert_eq!(watcher.code(), Some(0));
    }
    let events = |folder: &Path| -> Vec<Value> {
        out(watch(folder, &["tail", "--json"])).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (one, other) = (events(folder.path()), events(&folder.path().join("second")));
    assert_eq!(one.len(), 3, "{one:#?}");
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one["event_id"], other["event_id"], "two that see the same publish the same");
    }
    let created = &one[0]["payload"];
    assert_eq!(
        (&created["kind"], &created["title"], &created["metadata"]["bytes"]),
        (&"md".into(), &"new.md".into(), &3.into())
    );
    assert!(created["uri"].as_str().unwrap().starts_with("file:///"));
    assert_eq!(one[0]["source"]["type"], "file_watch");
}
