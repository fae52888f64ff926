//! The settings that choose an agent.

use bloodbank_core::ErrorKind;
use bloodbank_domains::agents::{AgentSettings, Agents};

use crate::{ask, fails, prompt};

fn agents(vars: &[(&str, &str)]) -> Result<Agents, String> {
    let settings = AgentSettings::from_vars(vars.iter().copied()).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Settings);
        error.to_string()
    })?;
    Agents::from_settings(&settings).map_err(|error| error.to_string())
}

#[tokio::test]
async fn without_a_choice_every_prompt_fails_and_says_what_to_set() {
    for vars in [&[][..], &[("BLOODBANK_AGENT", " ")]] {
        let failure = fails(agents(vars).unwrap(), prompt("hi"), "NOT_CONFIGURED").await;
        assert!(!failure.is_retryable);
        for name in ["BLOODBANK_AGENT", "`exec`", "BLOODBANK_AGENT_COMMAND", "`http`", "BLOODBANK_AGENT_URL", "`echo`"]
        {
            assert!(failure.error_message.contains(name), "{name} is missing: {failure:?}");
        }
    }
}

#[tokio::test]
async fn the_environment_chooses() {
    let echo = agents(&[("BLOODBANK_AGENT", "echo")]).unwrap();
    assert_eq!(ask(echo, prompt("hi")).await.unwrap().response, "You asked: hi");
    let exec = agents(&[("BLOODBANK_AGENT", "exec"), ("BLOODBANK_AGENT_COMMAND", "sh -c 'cat; echo \" and more\"'")]);
    assert_eq!(ask(exec.unwrap(), prompt("hi")).await.unwrap().response, "hi and more");
}

#[tokio::test]
async fn files_choose_where_the_environment_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let load = |vars: &[(&str, &str)]| AgentSettings::load_from(folder.path(), vars.iter().copied());
    let agents = |vars: &[(&str, &str)]| Agents::from_settings(&load(vars).unwrap()).unwrap();
    write(
        "bloodbank.toml",
        "bloodbank_agent = \"exec\"\nbloodbank_agent_command = \"printf file\"\nservice_name = \"x\"\n",
    );
    assert_eq!(ask(agents(&[]), prompt("hi")).await.unwrap().response, "file");
    write(".env", "BLOODBANK_AGENT_COMMAND='printf dotenv'\n");
    assert_eq!(ask(agents(&[]), prompt("hi")).await.unwrap().response, "dotenv");
    let command = ("BLOODBANK_AGENT_COMMAND", "printf environment");
    assert_eq!(ask(agents(&[command]), prompt("hi")).await.unwrap().response, "environment");
    assert_eq!(ask(agents(&[("BLOODBANK_AGENT", "echo")]), prompt("hi")).await.unwrap().response, "You asked: hi");

    write(".env", "BLOODBANK_AGENT_OUTPUT=xml\n");
    write("bloodbank.toml", "bloodbank_agent = \"oracle\"\nbloodbank_agent_timeout_seconds = 0\n");
    let error = load(&[]).unwrap_err().to_string();
    for said in [
        "bloodbank_agent in bloodbank.toml is \"oracle\"; it must be",
        "bloodbank_agent_timeout_seconds in bloodbank.toml is \"0\"; it must be",
        "BLOODBANK_AGENT_OUTPUT in .env is \"xml\"; it must be",
    ] {
        assert!(error.contains(said), "{said} is missing:\n{error}");
    }
    write("bloodbank.toml", "bloodbank_agnt = \"echo\"\n");
    let error = load(&[]).unwrap_err().to_string();
    assert!(error.contains("did you mean `bloodbank_agent`?"), "{error}");
    // Who does not run agents shares the file.
    write("bloodbank.toml", "bloodbank_agent = \"echo\"\nservice_name = \"x\"\n");
    write(".env", "");
    let settings = bloodbank_core::Settings::load_from(folder.path(), Vec::<(String, String)>::new()).unwrap();
    assert_eq!(settings.service_name.as_deref(), Some("x"));
}

#[test]
fn every_bad_value_names_the_variable_the_value_and_what_is_allowed() {
    let error = agents(&[
        ("BLOODBANK_AGENT", "oracle"),
        ("BLOODBANK_AGENT_TIMEOUT_SECONDS", "0"),
        ("BLOODBANK_AGENT_MAX_OUTPUT_BYTES", "much"),
        ("BLOODBANK_AGENT_OUTPUT", "xml"),
    ])
    .unwrap_err();
    for line in [
        "BLOODBANK_AGENT in the environment is \"oracle\"; it must be `exec`, `http` or `echo`",
        "BLOODBANK_AGENT_TIMEOUT_SECONDS in the environment is \"0\"; it must be a number of seconds from 1 to 840",
        "BLOODBANK_AGENT_MAX_OUTPUT_BYTES in the environment is \"much\"; it must be a number of bytes from 1 to 4294967295",
        "BLOODBANK_AGENT_OUTPUT in the environment is \"xml\"; it must be `text` or `json`",
    ] {
        assert!(error.lines().any(|said| said == line), "{line} is missing:\n{error}");
    }
    let error = agents(&[("BLOODBANK_AGENT", "exec")]).unwrap_err();
    assert!(error.contains("BLOODBANK_AGENT_COMMAND is not set"), "{error}");
    let error = agents(&[("BLOODBANK_AGENT", "exec"), ("BLOODBANK_AGENT_COMMAND", "claude 'oops")]).unwrap_err();
    assert!(error.contains("BLOODBANK_AGENT_COMMAND in the environment is \"claude 'oops\""), "{error}");
}

#[cfg(feature = "http")]
#[test]
fn secrets_are_never_shown() {
    let url = ("BLOODBANK_AGENT_URL", "http://localhost:11434/v1");
    let error =
        agents(&[("BLOODBANK_AGENT", "http"), ("BLOODBANK_AGENT_URL", "http://me:hunter2@host/v1")]).unwrap_err();
    assert!(
        error.starts_with("BLOODBANK_AGENT_URL in the environment (not shown) must be the address")
            && !error.contains("hunter2"),
        "{error}"
    );
    let error = agents(&[("BLOODBANK_AGENT", "http"), url, ("BLOODBANK_AGENT_KEY", "hunter2\nx: y")]).unwrap_err();
    assert!(
        error.starts_with("BLOODBANK_AGENT_KEY in the environment (not shown) must be printable ASCII")
            && !error.contains("hunter2"),
        "{error}"
    );
    let vars = [("BLOODBANK_AGENT", "http"), url, ("BLOODBANK_AGENT_KEY", "hunter2")];
    let settings = AgentSettings::from_vars(vars).unwrap();
    let shown = format!("{settings:?} {:?}", Agents::from_settings(&settings).unwrap());
    assert!(shown.contains("localhost") && !shown.contains("hunter2"), "{shown}");
    let error = agents(&[("BLOODBANK_AGENT", "http")]).unwrap_err();
    assert!(error.contains("BLOODBANK_AGENT_URL is not set"), "{error}");
}

#[cfg(not(feature = "http"))]
#[test]
fn without_the_feature_http_is_refused_with_the_remedy() {
    let error = agents(&[("BLOODBANK_AGENT", "http")]).unwrap_err();
    assert!(error.contains("without the feature `http`"), "{error}");
}
