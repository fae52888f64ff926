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

#[test]
fn a_file_that_is_saved_atomically_and_a_folder_that_is_made_again_stay_watched() {
    let folder = tempfile::tempdir().unwrap();
    let (notes, file) = (folder.path().join("notes"), folder.path().join("todo.md"));
    fs::create_dir(&notes).unwrap();
    fs::write(&file, "0").unwrap();
    let start = |path: &Path, count| {
        let home = folder.path().join(format!("home-{count}"));
        fs::create_dir(&home).unwrap();
        let running =
            Running::start(watch(&home, &["watch", path.to_str().unwrap(), "--debounce", "100", "-n", count]));
        running.line("watching");
        running
    };
    let mut of_file = start(&file, "3");
    for text in ["01", "012", "0123"] {
        // What is beside it is not watched.
        let beside = folder.path().join("todo.md.new");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &file).unwrap();
        let line = of_file.line("artifact.");
        assert!(line.contains("artifact.updated"), "{line}");
    }
    assert_eq!(of_file.code(), Some(0));

    let mut of_folder = start(&notes, "4");
    fs::write(notes.join("a.md"), "a").unwrap();
    of_folder.line("artifact.created");
    fs::remove_dir_all(&notes).unwrap();
    of_folder.line("artifact.deleted");
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join("b.md"), "b").unwrap();
    of_folder.line("artifact.created");
    fs::write(notes.join("b.md"), "bb").unwrap();
    of_folder.line("artifact.updated");
    assert_eq!(of_folder.code(), Some(0));
}

#[test]
fn a_note_about_the_bus_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes");
    fs::create_dir(&notes).unwrap();
    let mut watcher =
        Running::start(bb(folder.path(), &["watch", notes.to_str().unwrap(), "--debounce", "100", "-n", "2"]));
    watcher.line("watching");
    fs::write(notes.join("a"), "text").unwrap();
    watcher.both(["is in memory", "artifact.created"]);
    fs::write(notes.join("b"), "text").unwrap();
    let rest = watcher.rest().join("\n");
    assert!(rest.contains("artifact.created") && !rest.contains("is in memory"), "{rest}");
}
