//! What only shows when crates are linked: two events with one key, and the facade under another name.

#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const EVENT: &str = "use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = \"orders.{what}.placed\")]
pub struct OrderPlaced { what: String }
";

const RENAMED: &str = "use bus::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, RoutingSegment)]
#[segment(crate = \"::bus\")]
pub enum Word { One }

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = \"orders.order.{word}\", crate = \"::bus\", id(word))]
pub struct OrderShipped { word: Word }

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = \"orders.order.failed\", failure, crate = \"::bus\")]
pub struct Failed { error_message: String, is_retryable: bool, retry_count: u32 }

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = \"orders.order.cancel\", command, crate = \"::bus\")]
pub struct Cancel {}

#[derive(EventSet)]
#[event_set(crate = \"::bus\")]
pub enum Orders { Shipped(OrderShipped), #[event_set(other)] Other(u8) }

#[subscriber(pattern = \"orders.#\", retry(max_attempts = 2), crate = \"::bus\")]
pub async fn log(_event: Orders, _state: State<u8>) -> Result<Option<OrderShipped>, Failed> { Ok(None) }

pub fn key() -> bus::routing::RoutingKey { routing_key!(\"orders.placed\", crate = \"::bus\") }
";

// A crate that the facade may depend on, and that cannot depend on the facade.
const BELOW: &str = "extern crate bloodbank_core as bloodbank;

pub mod events {
    use bloodbank_core::{Context, Event, FailureEvent as _, RoutingSegment};
    use bloodbank_macros::{Event, EventSet, RoutingSegment, routing_key, subscriber};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema, RoutingSegment)]
    pub enum Word { One }

    #[derive(Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = \"below.order.{word}\")]
    pub struct Below { word: Word }

    #[derive(Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = \"below.order.failed\", failure)]
    pub struct Failed { error_message: String, is_retryable: bool, retry_count: u32 }

    #[derive(EventSet)]
    pub enum Set { Below(Below) }

    #[subscriber(pattern = \"below.#\")]
    pub async fn log(_event: Set, _context: Context) -> Result<(), Failed> { Ok(()) }

    pub fn keys(event: &Below, failed: &Failed) -> bool {
        failed.is_retryable() && event.word.routing_segment() == \"one\"
            && event.routing_key().unwrap() == routing_key!(\"below.order.one\")
    }
}
";

// Executes a command that another crate declares.
const EXECUTOR: &str = "use bus::prelude::*;
use renamed::{Cancel, Failed};

#[command(crate = \"::bus\")]
impl Command for Cancel {
    type State = ();
    type Failure = Failed;
    async fn execute(&self, _: &CommandContext<()>, _: &mut EventCollector) -> Result<(), Failed> { Ok(()) }
}

fn main() {
    assert_eq!(bus::Registry::global().executors().len(), 1);
    assert_eq!(bus::Registry::global().events().len(), 3);
}
";

// The same once more, in another crate.
const ANOTHER: &str = "use bus::prelude::*;
use renamed::{Cancel, Failed};

#[command(crate = \"::bus\")]
impl Command for Cancel {
    type State = ();
    type Failure = Failed;
    async fn execute(&self, _: &CommandContext<()>, _: &mut EventCollector) -> Result<(), Failed> { Ok(()) }
}
";

/// A workspace beside the one of this repository, with its dependencies at the same versions.
struct Workspace(PathBuf);

impl Workspace {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linking");
        let _ = fs::remove_dir_all(root.join("members"));
        fs::create_dir_all(&root).unwrap();
        let repository = env!("CARGO_MANIFEST_DIR");
        fs::copy(Path::new(repository).join("Cargo.lock"), root.join("Cargo.lock")).unwrap();
        let manifest = format!(
            "[workspace]\nresolver = \"3\"\nmembers = [\"members/*\"]\n[workspace.dependencies]\n\
             bloodbank = {{ path = {repository:?} }}\nbus = {{ package = \"bloodbank\", path = {repository:?} }}\n\
             bloodbank-core.path = \"{repository}/bloodbank-core\"\n\
             bloodbank-macros.path = \"{repository}/bloodbank-macros\"\n\
             serde = \"1\"\nschemars = \"1\"\n[profile.dev]\ndebug = false\n"
        );
        fs::write(root.join("Cargo.toml"), manifest).unwrap();
        Self(root)
    }

    fn member(&self, name: &str, dependencies: &[&str], more: &str, file: &str, code: &str) {
        let folder = self.0.join("members").join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        let mut manifest =
            format!("[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n{more}\n[dependencies]\n");
        for dependency in dependencies {
            let source = match *dependency {
                "one" | "two" | "renamed" | "first" | "second" => format!("path = \"../{dependency}\""),
                _ => "workspace = true".to_owned(),
            };
            manifest += &format!("{dependency} = {{ {source} }}\n");
        }
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("src").join(file), code).unwrap();
    }

    /// What cargo says, and whether it succeeded.
    fn cargo(&self, arguments: &[&str]) -> (bool, String) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).arg("--offline").current_dir(&self.0);
        // The output of rustc is read: no colours.
        cargo.env("CARGO_TARGET_DIR", self.0.join("target")).env("CARGO_TERM_COLOR", "never");
        let output = cargo.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn crates_are_linked_or_not() {
    let library = "[lib]\ncrate-type = [\"rlib\"]";
    let workspace = Workspace::new();
    workspace.member("one", &["bloodbank", "serde", "schemars"], library, "lib.rs", EVENT);
    workspace.member("two", &["bloodbank", "serde", "schemars"], library, "lib.rs", EVENT);
    workspace.member("both", &["one", "two"], "", "main.rs", "use one as _;\nuse two as _;\nfn main() {}\n");
    workspace.member("shared", &["one"], "[lib]\ncrate-type = [\"cdylib\"]", "lib.rs", "use one as _;\n");
    workspace.member("renamed", &["bus", "serde", "schemars"], library, "lib.rs", RENAMED);
    workspace.member("executor", &["bus", "renamed"], "", "main.rs", EXECUTOR);

    workspace.member("first", &["bus", "renamed"], library, "lib.rs", ANOTHER);
    workspace.member("second", &["bus", "renamed"], library, "lib.rs", ANOTHER);
    let twice = "use first as _;\nuse second as _;\nfn main() {}\n";
    workspace.member("twice", &["first", "second"], "", "main.rs", twice);
    let again = format!("{ANOTHER}mod again {{ {ANOTHER} }}\nfn main() {{}}\n");
    workspace.member("again", &["bus", "renamed"], "", "main.rs", &again);

    let core = ["bloodbank-core", "bloodbank-macros", "serde", "schemars"];
    workspace.member("below", &core, library, "lib.rs", BELOW);

    // All at once: each selection of packages would build the dependencies with features of its own.
    let faulty = ["--exclude", "both", "--exclude", "twice", "--exclude", "again"];
    let (linked, output) = workspace.cargo(&[&["build", "--workspace"][..], &faulty].concat());
    assert!(linked, "the facade renamed, the engine in its place, a shared library: {output}");
    let executor = Command::new(workspace.0.join("target/debug/executor")).output().unwrap();
    assert!(executor.status.success(), "{}", String::from_utf8_lossy(&executor.stderr));

    let (linked, output) = workspace.cargo(&["build", "--workspace", "--keep-going"]);
    assert!(!linked, "two of what there can be one of were linked");
    for package in ["both", "twice", "again"] {
        assert!(output.contains(&format!("could not compile `{package}`")), "`{package}` was linked: {output}");
    }
    let two = |says: &str, crates: [&str; 2]| {
        assert!(output.contains(says), "the linker says what: {output}");
        assert!(crates.iter().all(|name| output.contains(name)), "and in which crates: {output}");
    };
    two("two_events_have_the_routing_key::orders._what_.placed::rename_one_of_them", ["libone", "libtwo"]);
    two("two_executors_of_the_command::Cancel::remove_one_of_them::", ["libfirst", "libsecond"]);
}
