//! The provider `exec`.

use std::{fs, time::Duration};

use bloodbank_domains::{
    agent::AgentThreadPrompt,
    agents::{AgentProvider, Agents, Exec, Limits, Output, Question},
};
use tokio::time::timeout;

use crate::{PATIENCE, ask, fails, prompt};

fn shell(script: &str) -> Exec {
    Exec::new("sh", ["-c", script])
}

#[tokio::test]
async fn the_prompt_goes_in_and_the_answer_comes_out() {
    let agents = Agents::new(
        shell("printf 'model %s, prompt: ' \"$BLOODBANK_AGENT_MODEL\"; cat").limits(Limits::default().model("default")),
    );
    // Longer than a pipe holds, and nothing that a shell would understand as a prompt does.
    let text = format!("$(touch here) `x` \"'{}", "é".repeat(200_000));
    let answer = ask(agents.clone(), prompt(&text)).await.unwrap();
    assert_eq!(answer.response, format!("model default, prompt: {text}"));
    assert_eq!((answer.provider.as_str(), answer.model.as_deref()), ("anthropic", Some("default")));
    assert_eq!(answer.tokens_used, None);

    let wanted = AgentThreadPrompt { model: Some("better".into()), ..prompt("hi") };
    assert_eq!(ask(agents, wanted).await.unwrap().response, "model better, prompt: hi");
}

#[tokio::test]
async fn a_program_that_does_not_read_may_answer() {
    let answer = ask(Agents::new(shell("exec 0<&-; echo no need to ask")), prompt(&"x".repeat(1_000_000))).await;
    assert_eq!(answer.unwrap().response, "no need to ask");
}

#[tokio::test]
async fn json_says_what_it_cost() {
    let printed = r#"{"type": "result", "result": "forty-two", "model": "deep", "usage": {"input_tokens": 40, "output_tokens": 2}}"#;
    let agent = Exec::new("printf", ["%s", printed]).output(Output::Json);
    let answer = ask(Agents::new(agent), prompt("hi")).await.unwrap();
    assert_eq!((answer.response.as_str(), answer.model.as_deref()), ("forty-two", Some("deep")));
    assert_eq!(answer.tokens_used, Some(42));

    let failure = fails(Agents::new(shell("echo plain").output(Output::Json)), prompt("hi"), "BAD_OUTPUT").await;
    assert!(failure.error_message.contains("plain"), "{failure:?}");
}

#[tokio::test]
async fn exit_codes_and_complaints_are_reported() {
    let failure = fails(Agents::new(shell("printf 'no\\033[31m key\\n' >&2; exit 3")), prompt("hi"), "EXIT_3").await;
    assert!(failure.error_message.ends_with("no [31m key") && !failure.is_retryable, "{failure:?}");
    let failure = fails(Agents::new(shell("exit 75")), prompt("hi"), "EXIT_75").await;
    assert!(failure.is_retryable, "{failure:?}");
    fails(Agents::new(shell("kill -9 $$")), prompt("hi"), "KILLED").await;
    let failure = fails(Agents::new(Exec::new("no-such-agent", [""; 0])), prompt("hi"), "CANNOT_START").await;
    assert!(failure.error_message.contains("`no-such-agent`"), "{failure:?}");
    // It would wait if nobody read what it complains about.
    let noisy = "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo done";
    assert_eq!(ask(Agents::new(shell(noisy)), prompt("hi")).await.unwrap().response, "done");
}

#[tokio::test]
async fn too_much_output_stops_the_program() {
    let agent = shell("yes").limits(Limits::default().max_output(10_000));
    let failure = fails(Agents::new(agent), prompt("hi"), "TOO_LARGE").await;
    assert!(failure.error_message.contains("10000 bytes"), "{failure:?}");
    let exact = shell("printf 1234567890").limits(Limits::default().max_output(10));
    assert_eq!(ask(Agents::new(exact), prompt("hi")).await.unwrap().response, "1234567890");
}

/// A shell and its child hold a pipe open. Whoever reads it comes to the end when neither is left.
async fn assert_group_dies(agent: impl FnOnce(Exec) -> Exec, stop: impl AsyncFnOnce(Exec)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alive");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let script = "exec 3>\"$0\"; echo started >&3; sleep 3600 & sleep 3600";
    let exec = agent(Exec::new("sh", ["-c", script, path.to_str().unwrap()]));
    let (ended, end) = tokio::sync::oneshot::channel();
    // Opening the pipe waits for the writer; a thread of the runtime would keep a failed test from ending.
    std::thread::spawn(move || ended.send(fs::read_to_string(path)));
    stop(exec).await;
    let read = timeout(PATIENCE, end).await.expect("a process is left").unwrap().unwrap();
    assert_eq!(read, "started\n");
}

#[tokio::test]
async fn when_the_time_is_over_the_whole_group_is_killed() {
    assert_group_dies(
        |exec| exec.limits(Limits::default().timeout(Duration::from_secs(5))),
        async |exec| {
            let failure = fails(Agents::new(exec), prompt("hi"), "TIMEOUT").await;
            assert!(failure.error_message.contains("within 5s"), "{failure:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn when_nobody_waits_any_more_the_whole_group_is_killed() {
    assert_group_dies(
        |exec| exec,
        async |exec| {
            let question = Question::new("hi");
            let result = timeout(Duration::from_secs(5), exec.ask(question)).await;
            assert!(result.is_err(), "it answered");
        },
    )
    .await;
}

#[tokio::test]
async fn prompts_choose_a_directory_only_below_the_configured_one() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("projects");
    fs::create_dir_all(root.join("mine")).unwrap();
    fs::create_dir(outer.path().join("secret")).unwrap();
    std::os::unix::fs::symlink(outer.path().join("secret"), root.join("link")).unwrap();
    let inside = Agents::new(shell("pwd -P").directory(&root));
    let root = root.canonicalize().unwrap();
    let at = |directory: &str| AgentThreadPrompt { working_dir: Some(directory.into()), ..prompt("hi") };

    assert_eq!(ask(inside.clone(), prompt("hi")).await.unwrap().response, root.to_str().unwrap());
    for directory in ["mine", "./mine", "mine/../mine", root.join("mine").to_str().unwrap()] {
        let answer = ask(inside.clone(), at(directory)).await.unwrap();
        assert_eq!(answer.response, root.join("mine").to_str().unwrap());
    }
    let absolute = outer.path().join("secret");
    for directory in ["..", "../secret", "link", "/", "none", absolute.to_str().unwrap(), "mine\0"] {
        let failure = fails(inside.clone(), at(directory), "WORKING_DIR").await;
        assert!(failure.error_message.contains("BLOODBANK_AGENT_DIRECTORY"), "{failure:?}");
    }
    let failure = fails(Agents::new(shell("pwd")), at("/"), "WORKING_DIR").await;
    assert!(failure.error_message.contains("set BLOODBANK_AGENT_DIRECTORY"), "{failure:?}");
}
