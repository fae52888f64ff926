//! The house: within a crate data flows one way, and no files of different folders go round in a circle.
//!
//! Between crates the compiler sees to that. A file may use its neighbours in its own folder.

mod crates;
mod imports;
mod metrics;
mod modules;
mod own_brokers;
mod pages;
mod surface;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use self::imports::Import;

/// The stages of the engine, in the order in which data flows: a stage uses those before it, never those after it.
const STAGES: [&str; 22] = [
    "error",
    "json",
    "event_id",
    "message",
    "settings",
    "telemetry",
    "envelope",
    "event",
    "registry",
    "store",
    "transport",
    "correlation",
    "dedupe",
    "claim_check",
    "publish",
    "handler",
    "consume",
    "dispatch",
    "app",
    "dead_letter",
    "replay",
    "private",
];

/// The crates whose files are looked at for circles.
const CRATES: [&str; 19] = [
    "bloodbank-amqp",
    "bloodbank-archive",
    "bloodbank-cli",
    "bloodbank-client",
    "bloodbank-core",
    "bloodbank-dashboard",
    "bloodbank-domains",
    "bloodbank-embedded",
    "bloodbank-gateway",
    "bloodbank-harness",
    "bloodbank-macros",
    "bloodbank-outgoing",
    "bloodbank-probes",
    "bloodbank-routing",
    "bloodbank-sql",
    "bloodbank-telemetry",
    "bloodbank-testing",
    "bloodbank-ui",
    "bloodbank-webhooks",
];

fn imports_of(name: &str) -> Vec<Import> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(name).join("src");
    imports::of(&modules::read(&root))
}

/// The first folder of a file below `src`, or its own name where it stands in none.
fn stage(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

#[test]
fn the_engine_imports_no_later_stage() {
    let place = |file: &str| {
        let stage = stage(file);
        let place = STAGES.iter().position(|known| *known == stage);
        place.unwrap_or_else(|| panic!("`{file}` belongs to no stage; add `{stage}` to STAGES where data meets it"))
    };
    let mut seen = BTreeSet::new();
    let mut breaches = BTreeSet::new();
    for Import { from, name, to } in imports_of("bloodbank-core") {
        if from == "lib.rs" || to == "lib.rs" {
            continue;
        }
        seen.extend([place(&from), place(&to)]);
        if place(&from) < place(&to) {
            breaches.insert(format!(
                "{from} imports `{name}` of {to}: `{}` comes before `{}`",
                stage(&from),
                stage(&to)
            ));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.into_iter().collect::<Vec<_>>().join("\n"));
    let idle: Vec<_> = (0..STAGES.len()).filter(|place| !seen.contains(place)).map(|place| STAGES[place]).collect();
    assert!(idle.is_empty(), "no file of these stages imports another one, or is imported: {idle:?}");
}

#[test]
fn no_files_of_different_folders_form_a_circle() {
    let mut circles = Vec::new();
    for name in CRATES {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Import { from, to, .. } in imports_of(name) {
            if ![&from, &to].iter().any(|file| ["lib.rs", "main.rs"].contains(&file.as_str())) {
                graph.entry(from).or_default().insert(to);
            }
        }
        assert!(
            graph.len() > 1 || ["bloodbank-probes", "bloodbank-webhooks"].contains(&name),
            "nothing was read of {name}"
        );
        let circle = circle_of(&graph);
        if !circle.is_empty() {
            circles.push(format!("{name}: {}", circle.join(", ")));
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// The files that reach themselves by way of another folder.
fn circle_of(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<&str> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|file| (&**file, reach(graph, file))).collect();
    let is_mutual = |one: &str, other: &str| {
        stage(one) != stage(other) && reached.get(other).is_some_and(|reached| reached.contains(one))
    };
    let in_circle = |(file, targets): &(&&str, &BTreeSet<&str>)| targets.iter().any(|target| is_mutual(file, target));
    reached.iter().filter(in_circle).map(|(file, _)| *file).collect()
}

fn reach<'a>(graph: &'a BTreeMap<String, BTreeSet<String>>, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = graph.get(file).into_iter().flatten().map(String::as_str).collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(graph.get(next).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}

#[test]
fn a_circle_is_seen_and_neighbours_are_let_be() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    };
    let neighbours = graph(&[("a/one.rs", "a/two.rs"), ("a/two.rs", "a/one.rs"), ("a/one.rs", "b.rs")]);
    assert_eq!(circle_of(&neighbours), [] as [&str; 0]);
    let circle = graph(&[("a/one.rs", "b.rs"), ("b.rs", "c/three.rs"), ("c/three.rs", "a/one.rs"), ("d.rs", "b.rs")]);
    assert_eq!(circle_of(&circle), ["a/one.rs", "b.rs", "c/three.rs"]);
}

/// The committed listing of the public surface.
const SURFACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/public-api.txt");

#[test]
fn the_public_surface_is_the_one_that_is_committed() {
    let surface = surface::of_facade();
    assert_eq!(surface.whole_modules, [] as [&str; 0], "the facade names what is public, item by item");
    assert!(surface.lines.len() > 300, "the listing has only {} lines", surface.lines.len());
    let listing = surface.lines.join("\n") + "\n";
    if std::env::var_os("BLOODBANK_ACCEPT").is_some() {
        std::fs::write(SURFACE, listing).expect("the listing can be written");
        return;
    }
    let committed = std::fs::read_to_string(SURFACE).unwrap_or_default();
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (committed.lines().collect(), listing.lines().collect());
    let gone = old.difference(&new).map(|line| format!("- {line}"));
    let come = new.difference(&old).map(|line| format!("+ {line}"));
    let changes: Vec<_> = gone.chain(come).collect();
    assert!(
        changes.is_empty(),
        "the public surface has changed; look at each line, then accept it with \
         `BLOODBANK_ACCEPT=1 cargo test --test house`:\n{}",
        changes.join("\n")
    );
}
