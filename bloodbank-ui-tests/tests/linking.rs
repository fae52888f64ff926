//! What only shows when crates are linked: two events with one key, the facade under another name, what the optimiser leaves
//! of a crate that is only named; and that what is legal beside the mistakes of `ui.rs` compiles and runs.

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

// Names a crate and uses nothing of it.
const NAMED: &str = "use renamed as _;

fn main() {
    let registry = bloodbank::Registry::global();
    assert_eq!((registry.events().len(), registry.subscribers().len(), registry.executors().len()), (3, 1, 0));
}
";

// Two events with one key in one crate. The compiler notices when it makes machine code, and points at the second.
const SAME: &str = include_str!("ui/event/link/two_events_one_key.rs");
const SAID_OF_SAME: &str = include_str!("ui/event/link/two_events_one_key.stderr");

// The same executor once more, in another crate.
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
struct Workspace {
    root: PathBuf,
    /// The one of `trybuild`: macros and build scripts are compiled once for both.
    target: PathBuf,
}

impl Workspace {
    fn new() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tests/trybuild");
        let root = target.join("linking");
        let _ = fs::remove_dir_all(root.join("members"));
        fs::create_dir_all(&root).unwrap();
        let repository = repository();
        fs::copy(repository.join("Cargo.lock"), root.join("Cargo.lock")).unwrap();
        // No RabbitMQ and no SQLite: neither is what is linked here.
        let manifest = format!(
            "[workspace]\nresolver = \"3\"\nmembers = [\"members/*\"]\n[workspace.dependencies]\n\
             bloodbank = {{ path = {repository:?}, default-features = false }}\n\
             bus = {{ package = \"bloodbank\", path = {repository:?}, default-features = false }}\n\
             bloodbank-core = {{ path = {core:?}, default-features = false }}\n\
             bloodbank-macros.path = {macros:?}\n\
             garde = {{ version = \"*\", default-features = false, features = [\"derive\"] }}\n\
             serde = \"1\"\nserde_json = \"1\"\nschemars = \"1\"\n",
            core = repository.join("bloodbank-core"),
            macros = repository.join("bloodbank-macros"),
        );
        fs::write(root.join("Cargo.toml"), manifest).unwrap();
        Self { root, target }
    }

    fn member(&self, name: &str, dependencies: &[&str], more: &str, file: &str, code: &str) {
        let folder = self.root.join("members").join(name);
        let file = folder.join("src").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
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
        fs::write(file, code).unwrap();
    }

    /// What cargo says, and whether it succeeded.
    fn cargo(&self, arguments: &[&str]) -> (bool, String) {
        let mut cargo = Command::new(env!("CARGO"));
        let (command, arguments) = arguments.split_first().unwrap();
        // With a target and no profile of its own, as `trybuild` has it: only then are its macros and build scripts ours too.
        cargo.args([command, "--offline", "--target", "host-tuple"]).args(arguments).current_dir(&self.root);
        // The output of rustc is read: no colours.
        cargo.env("CARGO_TARGET_DIR", &self.target).env("CARGO_TERM_COLOR", "never");
        cargo.env("RUSTFLAGS", "-C debuginfo=0");
        let output = cargo.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs a program that is built: `cargo run` would select one package, and so other features.
    fn run(&self, program: &str) {
        let host = Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap();
        let folder = self.target.join(String::from_utf8(host.stdout).unwrap().trim()).join("debug");
        let output = Command::new(folder.join(program)).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
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

    workspace.member("same", &["bloodbank", "serde", "schemars"], "", "main.rs", SAME);

    let core = ["bloodbank-core", "bloodbank-macros", "serde", "schemars"];
    workspace.member("below", &core, library, "lib.rs", BELOW);

    let legal = legal();
    let sections: Vec<_> =
        legal.iter().map(|(name, path)| format!("[[bin]]\nname = {name:?}\npath = {path:?}\n")).collect();
    let dependencies = ["bloodbank", "renamed", "serde", "serde_json", "schemars", "garde"];
    workspace.member("legal", &dependencies, &sections.concat(), "bin/named.rs", NAMED);

    // All at once: each selection of packages would build the dependencies with features of its own.
    let faulty = ["both", "twice", "again", "same"];
    let without: Vec<_> = faulty.iter().flat_map(|package| ["--exclude", package]).collect();
    let (linked, output) = workspace.cargo(&[&["build", "--workspace"][..], &without].concat());
    assert!(linked, "the facade renamed, the engine in its place, a shared library: {output}");
    for (program, _) in &legal {
        workspace.run(program);
    }
    workspace.run("executor");
    workspace.run("named");

    let (linked, output) = workspace.cargo(&["build", "--workspace", "--keep-going"]);
    assert!(!linked, "two of what there can be one of were linked");
    for package in faulty {
        assert!(output.contains(&format!("could not compile `{package}`")), "`{package}` was linked: {output}");
    }
    let two = |says: &str, crates: [&str; 2]| {
        assert!(output.contains(says), "the linker says what: {output}");
        assert!(crates.iter().all(|name| output.contains(name)), "and in which crates: {output}");
    };
    two("two_events_have_the_routing_key::orders._what_.placed::rename_one_of_them", ["libone", "libtwo"]);
    let said = SAID_OF_SAME.lines().next().unwrap();
    assert!(output.contains(said), "the compiler says what: {output}");
    two("two_executors_of_the_command::Cancel::remove_one_of_them::", ["libfirst", "libsecond"]);
}

/// The legal neighbours of the mistakes in `ui.rs`: the name of each as a program, and its file.
fn legal() -> Vec<(String, PathBuf)> {
    let mut programs = Vec::new();
    for topic in fs::read_dir("tests/ui").unwrap() {
        let topic = topic.unwrap();
        let Ok(files) = fs::read_dir(topic.path().join("pass")) else { continue };
        for file in files {
            let path = file.unwrap().path().canonicalize().unwrap();
            let file = path.file_stem().unwrap().display();
            programs.push((format!("legal_{}_{file}", topic.file_name().display()), path.clone()));
        }
    }
    assert!(programs.len() >= 6, "tests/ui/*/pass has them: {programs:?}");
    programs
}
