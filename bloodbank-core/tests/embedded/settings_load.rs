//! Where settings come from, and what is said about bad ones.

use std::{fs, time::Duration};

use bloodbank_core::{
    ErrorKind, Settings,
    claim_check::ClaimCheck,
    settings::{ClaimStoreKind, QueueArgument, QueueKind},
};
use secrecy::ExposeSecret;

fn from_vars(vars: &[(&str, &str)]) -> Settings {
    Settings::from_vars(vars.iter().copied()).unwrap()
}

/// What is said about these variables.
fn refused(vars: &[(&str, &str)]) -> String {
    let error = Settings::from_vars(vars.iter().copied()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    error.to_string()
}

/// From a folder with these files, and these variables in the environment.
fn in_folder(files: &[(&str, &str)], vars: &[(&str, &str)]) -> bloodbank_core::Result<Settings> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    Settings::load_from(folder.path(), vars.iter().copied())
}

fn refused_in_folder(files: &[(&str, &str)]) -> String {
    let error = in_folder(files, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    error.to_string()
}

fn redis_url(vars: &[(&str, &str)]) -> Option<String> {
    from_vars(vars).redis_url.map(|url| url.expose_secret().to_owned())
}

#[test]
fn nothing_set_gives_the_defaults() {
    let settings = in_folder(&[], &[]).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    assert_eq!(settings.service_name, None);
    assert_eq!(settings.environment, "dev");
    assert_eq!(settings.exchange_name, "bloodbank.events.v1");
    assert_eq!(settings.correlation_ttl, Duration::from_secs(30 * 86_400));
    assert_eq!((settings.http_host.as_str(), settings.http_port), ("127.0.0.1", 8682));
    assert!(settings.rabbit_url.is_none() && settings.redis_url.is_none() && settings.embedded_path.is_none());
}

#[test]
fn every_variable_is_read() {
    let settings = from_vars(&[
        ("SERVICE_NAME", "shipping"),
        ("ENVIRONMENT", "production"),
        ("RABBIT_URL", "amqps://user:p%40ss@rabbit:5671/%2Forders"),
        ("EXCHANGE_NAME", "events"),
        ("BLOODBANK_QUEUE_TYPE", "classic"),
        ("REDIS_URL", "redis://localhost"),
        ("CORRELATION_TTL_DAYS", "7"),
        ("HTTP_HOST", "0.0.0.0"),
        ("HTTP_PORT", "80"),
        ("BLOODBANK_EMBEDDED_PATH", "data/bus.sqlite"),
        ("BLOODBANK_MAX_BODY_BYTES", "1024"),
        ("BLOODBANK_PUBLISH_WINDOW", "1"),
        ("BLOODBANK_PUBLISH_TIMEOUT_MS", "1500"),
        ("PATH", "none of our business"),
    ]);
    assert_eq!(settings.service_name.as_deref(), Some("shipping"));
    assert_eq!(settings.environment, "production");
    assert_eq!(settings.rabbit_url.as_ref().unwrap().expose_secret(), "amqps://user:p%40ss@rabbit:5671/%2Forders");
    assert_eq!(settings.exchange_name, "events");
    assert_eq!(settings.queue_kind, QueueKind::Classic);
    assert_eq!(settings.redis_url.as_ref().unwrap().expose_secret(), "redis://localhost");
    assert_eq!(settings.correlation_ttl, Duration::from_secs(7 * 86_400));
    assert_eq!((settings.http_host.as_str(), settings.http_port), ("0.0.0.0", 80));
    assert_eq!(settings.embedded_path.unwrap().to_str(), Some("data/bus.sqlite"));
    assert_eq!((settings.max_body_bytes, settings.publish_window), (1024, 1));
    assert_eq!(settings.publish_timeout, Duration::from_millis(1500));
}

#[test]
fn the_environment_wins_over_dotenv_and_that_over_the_file() {
    let files = [
        (".env", "SERVICE_NAME=from_dotenv\nENVIRONMENT=\"from dotenv\"\nexport HTTP_PORT=2\nOTHER=x\n"),
        (
            "bloodbank.toml",
            "service_name = \"from_file\"\nenvironment = \"from_file\"\nhttp_port = 3\nexchange_name = \"from_file\"\n",
        ),
    ];
    let settings = in_folder(&files, &[("SERVICE_NAME", "from_environment"), ("HTTP_PORT", "")]).unwrap();
    assert_eq!(settings.service_name.as_deref(), Some("from_environment"));
    assert_eq!(settings.environment, "from dotenv");
    assert_eq!(settings.http_port, 2, "an empty value means unset");
    assert_eq!(settings.exchange_name, "from_file");
    assert!(std::env::var("OTHER").is_err(), "the environment of the process is left alone");
}

#[test]
fn the_prefix_of_claims_can_be_none() {
    let prefix = |toml: &str| in_folder(&[("bloodbank.toml", toml)], &[]).map(|settings| settings.claim_prefix);
    assert_eq!(prefix("").unwrap(), "bloodbank:claim:");
    assert_eq!(prefix("bloodbank_claim_prefix = \"none\"").unwrap(), "");
    assert_eq!(prefix("bloodbank_claim_prefix = \"shop:\"").unwrap(), "shop:");
    assert!(prefix("bloodbank_claim_prefix = \"a b\"").unwrap_err().to_string().contains("bloodbank_claim_prefix"));
}

#[test]
fn arguments_of_queues_are_json_in_a_variable_and_a_table_in_the_file() {
    let length = |settings: &Settings| settings.queue_arguments.of("shop.ship").remove("x-max-length");
    let json = [("BLOODBANK_QUEUE_ARGUMENTS", r##"{"shop.#": {"x-max-length": 7}}"##)];
    assert_eq!(length(&from_vars(&json)), Some(QueueArgument::Integer(7)));
    let table = [("bloodbank.toml", "[bloodbank_queue_arguments.\"shop.#\"]\nx-max-length = 8\n")];
    assert_eq!(length(&in_folder(&table, &[]).unwrap()), Some(QueueArgument::Integer(8)));
    let text = [("bloodbank.toml", "bloodbank_queue_arguments = '{\"shop.#\": {\"x-max-length\": 9}}'\n")];
    assert_eq!(length(&in_folder(&text, &[]).unwrap()), Some(QueueArgument::Integer(9)));
    let wrong = refused_in_folder(&[("bloodbank.toml", "[bloodbank_queue_arguments.shop]\nx-expires = 8\n")]);
    assert!(
        wrong.starts_with("bloodbank_queue_arguments in bloodbank.toml") && wrong.contains("`x-expires`"),
        "{wrong}"
    );
}

#[test]
fn command_queues_may_keep_the_name_of_another_exchange() {
    assert_eq!(from_vars(&[("EXCHANGE_NAME", "new")]).command_queues(), "new");
    let kept = [("EXCHANGE_NAME", "new"), ("BLOODBANK_COMMAND_QUEUES", "old")];
    assert_eq!(from_vars(&kept).command_queues(), "old");
}

#[test]
fn a_setting_may_have_two_names() {
    assert_eq!(from_vars(&[("RABBIT_EXCHANGE", "old")]).exchange_name, "old");
    let both = [("RABBIT_EXCHANGE", "old"), ("EXCHANGE_NAME", "new")];
    assert_eq!(from_vars(&both).exchange_name, "new");
    let days = from_vars(&[("REDIS_TTL_DAYS", "2")]).correlation_ttl;
    assert_eq!(days, Duration::from_secs(2 * 86_400));
    // A stronger layer wins under either name.
    let file = [("bloodbank.toml", "exchange_name = \"file\"")];
    let settings = in_folder(&file, &[("RABBIT_EXCHANGE", "environment")]).unwrap();
    assert_eq!(settings.exchange_name, "environment");
}

#[test]
fn the_address_of_redis_may_be_composed() {
    assert_eq!(redis_url(&[]), None);
    assert_eq!(redis_url(&[("REDIS_HOST", "cache")]).unwrap(), "redis://cache:6379/0");
    let parts = [("REDIS_HOST", "::1"), ("REDIS_PORT", "6380"), ("REDIS_DB", "2"), ("REDIS_PASSWORD", "p@ss/wörd:#%")];
    assert_eq!(redis_url(&parts).unwrap(), "redis://:p%40ss%2Fw%C3%B6rd%3A%23%25@[::1]:6380/2");
    assert_eq!(redis_url(&[("REDIS_PASSWORD", "x")]).unwrap(), "redis://:x@localhost:6379/0");
    let both = [("REDIS_HOST", "parts"), ("REDIS_URL", "redis://whole")];
    assert_eq!(redis_url(&both).unwrap(), "redis://whole");
    let file = [("bloodbank.toml", "redis_url = \"redis://file\"")];
    let settings = in_folder(&file, &[("REDIS_HOST", "environment")]).unwrap();
    assert_eq!(settings.redis_url.unwrap().expose_secret(), "redis://environment:6379/0");
}

#[tokio::test]
async fn a_composed_address_means_what_its_parts_say() {
    let url = from_vars(&[("REDIS_HOST", "::1"), ("REDIS_PASSWORD", "p@ss/wörd:#%")]).redis_url.unwrap();
    let store = bloodbank_core::store::redis::RedisLinks::new(
        bloodbank_core::store::redis::RedisConnection::new(&url).unwrap(),
        Duration::from_secs(60),
    );
    let place = bloodbank_core::store::LinkStore::describe(&store);
    assert!(place.contains("::1") && place.contains("6379") && !place.contains("ss"), "{place}");
}

#[test]
fn a_bad_value_names_variable_place_value_and_what_is_allowed() {
    for (name, value, said) in [
        ("HTTP_PORT", "http", "HTTP_PORT in the environment is \"http\"; it must be a port from 1 to 65535"),
        ("HTTP_PORT", "0", "HTTP_PORT in the environment is \"0\"; it must be a port from 1 to 65535"),
        ("REDIS_PORT", "70000", "REDIS_PORT in the environment is \"70000\"; it must be a port from 1 to 65535"),
        (
            "BLOODBANK_PUBLISH_WINDOW",
            "0",
            "BLOODBANK_PUBLISH_WINDOW in the environment is \"0\"; it must be a number of events from 1 to 4294967295",
        ),
        (
            "BLOODBANK_QUEUE_TYPE",
            "mirrored",
            "BLOODBANK_QUEUE_TYPE in the environment is \"mirrored\"; it must be `quorum` or `classic`",
        ),
        (
            "SERVICE_NAME",
            "My Service",
            "SERVICE_NAME in the environment is \"My Service\"; it must be at most 127 lower-case letters, digits, \
             `_`, `.` and `-`, beginning with a letter or a digit",
        ),
        (
            "RABBIT_EXCHANGE",
            "amq.topic",
            "RABBIT_EXCHANGE in the environment is \"amq.topic\"; it must be at most 255 letters, digits, `_`, `.`, \
             `-` and `:`, not beginning with `amq.`",
        ),
        (
            "REDIS_TTL_DAYS",
            "-1",
            "REDIS_TTL_DAYS in the environment is \"-1\"; it must be a number of days from 1 to 36500",
        ),
    ] {
        assert_eq!(refused(&[(name, value)]), said);
    }
    for name in ["-x", "_x", "ä", "a b", "a/b"] {
        refused(&[("SERVICE_NAME", name)]);
    }
    for name in ["a", "0", "a.b-c_d"] {
        assert_eq!(from_vars(&[("SERVICE_NAME", name)]).service_name.as_deref(), Some(name));
    }
}

#[test]
fn all_bad_values_are_reported_together() {
    let error = in_folder(
        &[("bloodbank.toml", "http_port = 99999\n"), (".env", "ENVIRONMENT=dev\nREDIS_DB=first\n")],
        &[("SERVICE_NAME", "Ä"), ("CORRELATION_TTL_DAYS", "0")],
    )
    .unwrap_err()
    .to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 4, "{error}");
    for start in [
        "SERVICE_NAME in the environment",
        "REDIS_DB in .env",
        "CORRELATION_TTL_DAYS in the environment",
        "http_port in bloodbank.toml",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start}: {error}");
    }
}

#[tokio::test]
async fn what_the_client_of_redis_says_about_an_address_is_not_repeated() {
    let settings = from_vars(&[("REDIS_URL", "redis://redis/0?protocol=hunter2")]);
    let error = bloodbank_core::store::redis::RedisConnection::from_settings(&settings).err().unwrap();
    assert!(error.to_string().starts_with("REDIS_URL is no address of a Redis"), "{error}");
    let shown = format!("{error:?}");
    assert!(!shown.contains("hunter2") && std::error::Error::source(&error).is_none(), "{shown}");
}

#[test]
fn a_bad_address_is_explained_without_being_shown() {
    for (name, value, said) in [
        ("RABBIT_URL", "http://guest:hunter2@rabbit", "must begin with `amqp://` or `amqps://`"),
        ("RABBIT_URL", "guest:hunter2@rabbit", "is no URL; it must look like `amqp://user:password@host:5672/vhost`"),
        ("RABBIT_URL", "amqp://guest:hunter2/@rabbit:5672", "percent-encode"),
        ("RABBIT_URL", "amqp://guest:hunter2@@rabbit", "percent-encode"),
        ("RABBIT_URL", "amqp://guest:hunter2@rabbit:99999", "cannot be read"),
        ("RABBIT_URL", "amqp://guest:hunter2%zz@rabbit", "percent-encode"),
        ("RABBIT_URL", "amqp://guest:hunter2@", "names no host"),
        ("RABBIT_URL", "amqp://guest:hunter2@rab bit", "cannot be read"),
        ("REDIS_URL", "http://:hunter2@redis", "must begin with `redis://` or `rediss://`"),
        ("RABBIT_URL", "amqp://guest:hunter2@ss#w@rabbit", "percent-encode"),
        ("RABBIT_URL", "amqp://guest:hunter2@ss/w@rabbit/orders", "percent-encode"),
        ("RABBIT_URL", "amqp://guest:p@hunter2?w@rabbit", "percent-encode"),
        ("RABBIT_URL", "amqp://guest:p@hunter2#w", "percent-encode"),
        ("REDIS_URL", "redis://:hunter2#x@redis", "REDIS_PASSWORD"),
        ("REDIS_URL", "redis://:p@hunter2#x@redis", "REDIS_PASSWORD"),
        ("REDIS_URL", "redis://:p@hunter2/x@redis", "REDIS_PASSWORD"),
    ] {
        let error = refused(&[(name, value)]);
        assert!(error.starts_with(&format!("{name} in the environment (not shown)")), "{error}");
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for fine in ["amqp://localhost", "amqp://[::1]:5672", "amqps://u:p@rabbit.example.com:5671/%2F?heartbeat=10"] {
        assert_eq!(from_vars(&[("RABBIT_URL", fine)]).rabbit_url.unwrap().expose_secret(), fine);
    }
}

#[test]
fn a_variable_whose_name_is_nearly_right_is_an_error_with_the_right_name() {
    for (name, meant) in [
        ("RABBITMQ_URL", "RABBIT_URL"),
        ("RABBIT_URI", "RABBIT_URL"),
        ("CLOUDAMQP_URL", "RABBIT_URL"),
        ("AMQP_URL", "RABBIT_URL"),
        ("RABITT_URL", "RABBIT_URL"),
        ("rabbit_url", "RABBIT_URL"),
        ("REDIS_DSN", "REDIS_URL"),
        ("REDIS_PASS", "REDIS_PASSWORD"),
        ("BLOODBANK_EMBEDED_PATH", "BLOODBANK_EMBEDDED_PATH"),
        ("BLODBANK_EMBEDED_PATH", "BLOODBANK_EMBEDDED_PATH"),
        ("ENVIROMENT", "ENVIRONMENT"),
        ("BLOODBANK_TOKNES", "BLOODBANK_TOKENS"),
        ("BLOODBANK_AGENT_COMAND", "BLOODBANK_AGENT_COMMAND"),
    ] {
        let said = refused(&[(name, "hunter2")]);
        assert_eq!(
            said,
            format!(
                "{name} in the environment is read by nobody; did you mean {meant}? Rename it, or, if it belongs to another \
                 program, set {meant} too: an empty value means the default"
            )
        );
        // Whoever says both, or says that nothing is meant, is understood.
        for value in ["", if meant == "RABBIT_URL" { "amqp://localhost" } else { "1" }] {
            if meant != "REDIS_URL" && meant != "BLOODBANK_AGENT_COMMAND" || value.is_empty() {
                from_vars(&[(name, "hunter2"), (meant, value)]);
            }
        }
        from_vars(&[(name, "")]);
    }
    for fine in ["PATH", "HTTP_PROXY", "RABBITMQ_DEFAULT_USER", "REDIS_SERVICE_PORT", "BLOODBANK_OF_MY_OWN", "HOSTNAME"]
    {
        from_vars(&[(fine, "x")]);
    }
    let said = refused_in_folder(&[(".env", "RABBITMQ_URL=amqp://rabbit\n")]);
    assert!(said.starts_with("RABBITMQ_URL in .env is read by nobody; did you mean RABBIT_URL?"), "{said}");
    let toml = [(".env", "RABBITMQ_URL=x\n"), ("bloodbank.toml", "rabbit_url = \"amqp://rabbit\"\n")];
    in_folder(&toml, &[]).unwrap();
    // A second name of the same setting counts too.
    from_vars(&[("EXCHANGE_NAMES", "x"), ("RABBIT_EXCHANGE", "events")]);
}

#[test]
fn debug_shows_no_secrets() {
    let settings = from_vars(&[
        ("RABBIT_URL", "amqp://guest:hunter2@rabbit"),
        ("REDIS_HOST", "redis"),
        ("REDIS_PASSWORD", "hunter3"),
    ]);
    let shown = format!("{settings:?} {settings:#?}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn the_file_holds_settings_and_nothing_else() {
    let said = refused_in_folder(&[("bloodbank.toml", "servce_name = \"x\"\nrabbit_url = \"amqp://localhost\"\n")]);
    assert_eq!(said, "bloodbank.toml: unknown setting `servce_name`; did you mean `service_name`?");
    let said = refused_in_folder(&[("bloodbank.toml", "SERVICE_NAME = \"x\"\n")]);
    assert!(said.ends_with("unknown setting `SERVICE_NAME`; did you mean `service_name`?"), "{said}");
    let said = refused_in_folder(&[("bloodbank.toml", "colour = \"red\"\n")]);
    assert!(said.contains("unknown setting `colour`; there are service_name, environment"), "{said}");
    let said = refused_in_folder(&[("bloodbank.toml", "[http]\nport = 1\n")]);
    assert!(said.contains("unknown setting `http`"), "{said}");
    let said = refused_in_folder(&[("bloodbank.toml", "http_port = 1.5\n")]);
    assert!(
        said.contains("`http_port` is a float; it must be a text, an integer, a boolean or a list of texts"),
        "{said}"
    );
}

#[test]
fn broken_files_are_reported_by_line_and_not_repeated() {
    let said = refused_in_folder(&[("bloodbank.toml", "service_name = \"x\"\nrabbit_url = \"amqp://u:hunter2@h\n")]);
    assert!(said.starts_with("bloodbank.toml: line 2: "), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let said = refused_in_folder(&[(".env", "SERVICE_NAME=x\nREDIS_PASSWORD=hunter2 and more\n")]);
    assert!(said.starts_with(".env: line 2 is not `NAME=value`"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn large_payloads_are_kept_where_the_settings_say() {
    let store = |vars: &[(&str, &str)]| from_vars(vars).claim_store;
    assert_eq!(store(&[]), ClaimStoreKind::Memory);
    assert_eq!(store(&[("REDIS_HOST", "localhost")]), ClaimStoreKind::Redis);
    assert_eq!(store(&[("REDIS_HOST", "localhost"), ("BLOODBANK_CLAIM_DIRECTORY", "/claims")]), ClaimStoreKind::File);
    assert_eq!(store(&[("REDIS_HOST", "localhost"), ("BLOODBANK_CLAIM_STORE", "memory")]), ClaimStoreKind::Memory);
    let settings = in_folder(
        &[("bloodbank.toml", "bloodbank_claim_directory = \"claims\"\nbloodbank_claim_threshold_bytes = 10\n")],
        &[("CORRELATION_TTL_DAYS", "7")],
    );
    let settings = settings.unwrap();
    assert_eq!((settings.claim_store, settings.claim_threshold), (ClaimStoreKind::File, 10));
    assert_eq!(settings.claim_ttl, Duration::from_secs(7 * 86_400), "as long as correlation");
    assert_eq!(from_vars(&[("BLOODBANK_CLAIM_TTL_DAYS", "2")]).claim_ttl, Duration::from_secs(2 * 86_400));

    let said = refused(&[("BLOODBANK_CLAIM_STORE", "tape"), ("BLOODBANK_CLAIM_TTL_DAYS", "0")]);
    for line in [
        "BLOODBANK_CLAIM_STORE in the environment is \"tape\"; it must be `memory`, `redis`, `file` or `sql`",
        "BLOODBANK_CLAIM_TTL_DAYS in the environment is \"0\"; it must be a number of days from 1 to 36500",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is missing:\n{said}");
    }
    let said = refused(&[("BLOODBANK_CLAIM_STORE", "redis")]);
    assert!(said.ends_with("set REDIS_URL"), "{said}");
    let said = refused(&[("BLOODBANK_CLAIM_STORE", "file")]);
    assert!(said.contains("BLOODBANK_CLAIM_DIRECTORY is not set"), "{said}");
}

#[tokio::test]
async fn a_claim_check_is_made_from_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("claims");
    let vars = [("BLOODBANK_CLAIM_DIRECTORY", directory.to_str().unwrap()), ("BLOODBANK_CLAIM_THRESHOLD_BYTES", "3")];
    let cache = ClaimCheck::from_settings(&from_vars(&vars)).unwrap();
    assert_eq!(cache.kind(), ClaimStoreKind::File);
    assert!(!cache.takes(3) && cache.takes(4));
    let claim = cache.put("key", "text").await.unwrap();
    let other = ClaimCheck::from_settings(&from_vars(&vars)).unwrap();
    assert_eq!(other.get_text(&claim).await.unwrap(), "text", "another process finds it");
    assert_eq!(ClaimCheck::from_settings(&from_vars(&[])).unwrap().kind(), ClaimStoreKind::Memory);
}

#[test]
fn a_cluster_has_several_addresses_and_none_of_their_passwords_is_shown() {
    let url = "amqp://u:first-secret@a:5672/%2f, amqps://u:second-secret@b:5671/orders";
    let settings = Settings::from_vars([("RABBIT_URL", url)]).unwrap();
    let urls: Vec<_> = settings.rabbit_urls().iter().map(|url| url.expose_secret().to_owned()).collect();
    assert_eq!(urls, ["amqp://u:first-secret@a:5672/%2f", "amqps://u:second-secret@b:5671/orders"]);
    assert!(!format!("{settings:?}").contains("-secret"), "{settings:?}");
    for wrong in [
        "amqp://u:first-secret@a,http://u:second-secret@b",
        "amqp://u:first,second-secret@b",
        "amqp://u:first-secret@a,",
        "amqp://u:first-secret@a,amqp://u:second-secret@b:port",
    ] {
        let said = Settings::from_vars([("RABBIT_URL", wrong)]).unwrap_err().to_string();
        assert!(said.contains("RABBIT_URL") && !said.contains("secret") && !said.contains("first"), "{said}");
    }
}

#[test]
fn an_address_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rabbit-url");
    let vars = [("RABBIT_URL_FILE", file.display().to_string())];
    let said = Settings::from_vars(vars.clone()).unwrap_err().to_string();
    assert!(said.contains("RABBIT_URL_FILE names") && said.contains("rabbit-url"), "{said}");
    std::fs::write(&file, "amqp://u:hunter2@host/\n").unwrap();
    let settings = Settings::from_vars(vars.clone()).unwrap();
    assert_eq!(settings.rabbit_url.unwrap().expose_secret(), "amqp://u:hunter2@host/");
    std::fs::write(&file, "http://u:hunter2@host/").unwrap();
    let said = Settings::from_vars(vars).unwrap_err().to_string();
    assert!(said.contains("(not shown) has the wrong scheme") && !said.contains("hunter2"), "{said}");
}
