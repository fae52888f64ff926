//! `wrap`: the program is left as it is, and what it said is published.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Running, bb, out};
use serde_json::Value;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn bb(&self, args: &[&str]) -> Command {
        let mut command = bb(self.path(), args);
        command.env("BLOODBANK_EMBEDDED_PATH", self.path().join("bus.db"));
        command
    }

    /// What was published.
    fn events(&self) -> Vec<Value> {
        out(self.bb(&["tail", "--json"])).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn a_program_that_streams() {
    let folder = Folder::new();
    let script = "printf 'one\\n'; sleep 0.3; printf '\\033[1mtwo\\033[0m\\n'; echo aside >&2";
    let mut wrap = folder.bb(&["wrap", "--provider", "me", "sh", "--", "-c", script, "--api-key", "hunter2"]);
    let mut child = wrap.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 4];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"one\n", "it comes as it is written");
    assert!(child.try_wait().unwrap().is_none(), "before the program has ended");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, b"\x1b[1mtwo\x1b[0m\n", "untouched");
    assert_eq!(output.stderr, b"aside\n");
    let events = folder.events();
    let [prompt, response] = &events[..] else { panic!("{events:#?}") };
    assert_eq!((&prompt["event_type"], &response["event_type"]), (&"llm.prompt".into(), &"llm.response".into()));
    assert_eq!(response["correlation_ids"][0], prompt["event_id"]);
    assert_eq!(response["payload"]["prompt_id"], prompt["event_id"]);
    assert_eq!(response["payload"]["response"], "one\ntwo\n");
    let prompt = prompt["payload"].to_string();
    assert!(prompt.contains("***") && !prompt.contains("hunter2"), "{prompt}");
}

#[test]
fn an_agent_is_wrapped_as_one_where_that_is_asked_for() {
    for (script, key) in [("echo hi", "agent.thread.response"), ("exit 3", "agent.thread.error")] {
        let folder = Folder::new();
        folder.bb(&["wrap", "--agent", "sh", "--", "-c", script]).stdin(Stdio::null()).output().unwrap();
        let events = folder.events();
        let [prompt, answer] = &events[..] else { panic!("{events:#?}") };
        assert_eq!((&prompt["event_type"], &answer["event_type"]), (&"agent.thread.prompt".into(), &key.into()));
        assert_eq!(answer["correlation_ids"][0], prompt["event_id"]);
    }
}

#[test]
fn what_is_piped_in_is_the_prompt() {
    let folder = Folder::new();
    let mut wrap = folder.bb(&["wrap", "--limit", "8", "tr", "a-z", "A-Z"]);
    let mut child = wrap.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"explain event sourcing").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"EXPLAIN EVENT SOURCING");
    let events = folder.events();
    assert_eq!(events[0]["payload"]["prompt"], "explain \n… and 14 bytes more");
    assert_eq!(events[1]["payload"]["response"], "EXPLAIN \n… and 14 bytes more");
}

#[test]
fn a_program_that_fails_and_one_that_is_killed() {
    for (script, code, said) in [("echo no; exit 3", 3, "no\n"), ("echo bye; kill -9 $$", 137, "bye\n")] {
        let folder = Folder::new();
        let output = folder.bb(&["wrap", "sh", "--", "-c", script]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let events = folder.events();
        let [prompt, error] = &events[..] else { panic!("{events:#?}") };
        assert_eq!((&error["event_type"], &error["correlation_ids"][0]), (&"llm.error".into(), &prompt["event_id"]));
        assert_eq!(error["payload"]["error_code"], format!("EXIT_{code}"));
        assert_eq!(error["payload"]["metadata"]["output"], said);
    }
}

#[test]
fn nobody_has_to_read_what_it_remarks() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrap = bb(folder.path(), &["wrap", "sh", "--", "-c", "sleep 0.2; exit 3"]);
    let mut child = wrap.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(3), "the code of the program");
}

#[test]
fn without_a_bus_it_runs_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let output = bb(folder.path(), &["wrap", "echo", "hello"]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, b"hello\n");
    assert!(String::from_utf8(output.stderr).unwrap().contains("not published: no bus is configured"));
    let mut gone = bb(folder.path(), &["wrap", "echo", "hello"]);
    let output = gone.env("RABBIT_URL", "amqp://127.0.0.1:1/").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stdout == b"hello\n");
    assert!(String::from_utf8(output.stderr).unwrap().contains("not published"));
    let missing = bb(folder.path(), &["wrap", "no-such-program"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(missing.status.code(), Some(127));
}

#[test]
fn the_prompt_is_published_while_the_program_runs() {
    let folder = Folder::new();
    let serve = Running::start(folder.bb(&["serve", "--port", "0"]));
    serve.line("/docs");
    let tail = Running::start(folder.bb(&["tail", "llm.#", "--json"]));
    tail.line("through http://");
    let event = || serde_json::from_str::<Value>(&tail.line("event_id")).unwrap();
    let script = "while ! test -e go; do sleep 0.05; done; echo done";
    // From its arguments, from what it is given, and, where that never ends, at its own end.
    for (given, asked) in [(Stdio::null(), script), (Stdio::piped(), "explain"), (Stdio::piped(), script)] {
        let _ = std::fs::remove_file(folder.path().join("go"));
        let mut wrap = folder.bb(&["wrap", "sh", "--", "-c", script]);
        let mut child = wrap.stdin(given).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = match (child.stdin.take(), asked) {
            (Some(mut stdin), "explain") => {
                stdin.write_all(b"explain").unwrap();
                None
            }
            (stdin, _) => stdin,
        };
        let go = || std::fs::write(folder.path().join("go"), "").unwrap();
        if stdin.is_some() {
            go();
        }
        let prompt = event();
        assert!(prompt["payload"]["prompt"].as_str().unwrap().contains(asked), "{prompt}");
        if stdin.is_none() {
            assert!(child.try_wait().unwrap().is_none(), "the program has not ended yet");
            go();
        }
        let response = event();
        assert_eq!(response["correlation_ids"][0], prompt["event_id"]);
        assert_eq!(response["payload"]["response"], "done\n");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_bus_that_does_not_answer_delays_nothing_while_the_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    // It takes connections and says nothing.
    let hole = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}/", hole.local_addr().unwrap());
    let mut wrap = bb(folder.path(), &["wrap", "sh", "--", "-c", "echo at once; cat >/dev/null; exit 3"]);
    wrap.env("RABBIT_URL", url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = wrap.spawn().unwrap();
    let mut line = [0; 8];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"at once\n");
    drop(child.stdin.take());
    let start = std::time::Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(start.elapsed() < std::time::Duration::from_secs(60), "{:?}", start.elapsed());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not published") && said.lines().count() == 1, "{said}");
}

/// At a terminal the program has one too, of the same size, and sees each key.
#[tokio::test]
async fn a_program_at_a_terminal() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = Folder::new();
    let (mut pty, pts) = pty_process::open().unwrap();
    pty.resize(pty_process::Size::new(33, 77)).unwrap();
    let script = "test -t 0 && test -t 1 && stty size; read answer; echo \"<$answer>\"; exit 4";
    let mut wrap = pty_process::Command::new(env!("CARGO_BIN_EXE_bb"));
    wrap = wrap.args(["wrap", "sh", "--", "-c", script]).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    wrap = wrap.env("HOME", folder.path()).env("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db"));
    let mut child = wrap.current_dir(folder.path()).spawn(pts).unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    let mut answered = false;
    while let Ok(count) = tokio::time::timeout(crate::support::TIMEOUT, pty.read(&mut buffer)).await.unwrap() {
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if seen.contains("33 77") && !answered {
            answered = true;
            pty.write_all(b"yes\n").await.unwrap();
        }
        if count == 0 {
            break;
        }
    }
    assert_eq!(child.wait().await.unwrap().code(), Some(4), "{seen}");
    assert!(seen.contains("33 77") && seen.contains("<yes>"), "{seen}");
    let events = folder.events();
    assert!(events[1]["payload"]["metadata"]["output"].as_str().unwrap().contains("<yes>"), "{events:#?}");
}
