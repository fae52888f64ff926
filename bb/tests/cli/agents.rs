//! `mcp`, used by the official clients of the Model Context Protocol as an agent uses it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::command;

fn gateway() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bloodbank-gateway/tests")
}

/// What a script of this repository installs, and where.
fn installed(script: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(script);
    let made = Command::new(&script).stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success(), "{} failed", script.display());
    String::from_utf8(made.stdout).unwrap().trim().into()
}

/// Clients of Python and of TypeScript, with the handshake of old and without one, each with a bus of its own.
fn each_client(mut hold: impl FnMut(&str, Command)) {
    let (python, of_npm) = (installed("venv.sh").join("bin/python"), installed("node.sh"));
    let (node, packages) = (of_npm.join("node"), of_npm.join("node_modules"));
    let (of_python, of_node) = (gateway().join("mcp_client.py"), gateway().join("node/mcp_client.cjs"));
    let clients: [(&Path, &Path, &[&str]); 3] = [
        (&python, &of_python, &["--mode", "legacy"]),
        (&python, &of_python, &["--mode", "auto"]),
        (&node, &of_node, &["--sdk", "2", "--mode", "auto"]),
    ];
    for (program, script, args) in clients {
        let folder = tempfile::tempdir().unwrap();
        let mut client = command(program, folder.path(), &[]);
        client.arg(script).args(args).env("NODE_PATH", &packages);
        client.env("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db")).env("BLOODBANK_AGENT", "echo");
        hold(&format!("{} {args:?}", program.display()), client);
    }
}

fn holds(name: &str, mut client: Command) {
    let done = client.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("everything holds"), "{name}: {said}{complaint}");
}

#[test]
fn official_clients_use_every_tool_over_stdio() {
    each_client(|name, mut client| {
        client.args(["--", env!("CARGO_BIN_EXE_bb"), "mcp"]);
        holds(name, client);
    });
}

#[test]
fn what_agents_may_publish_holds_for_official_clients() {
    each_client(|name, mut client| {
        let allow = ["llm.*", "artifact.*", "agent.#"].into_iter().flat_map(|pattern| ["--allow", pattern]);
        client.args(["--without", "github", "--", env!("CARGO_BIN_EXE_bb"), "mcp"]).args(allow);
        holds(name, client);
    });
}
