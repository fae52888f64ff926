//! Every crate can be published, or says that it is not.

use std::{collections::BTreeSet, fs, path::Path};

use crate::metrics::root;

/// The crates that stay here: a program whose name is taken, servers for tests, fuzzing, and tests of what does not compile.
const UNPUBLISHED: [&str; 4] = ["bb", "bloodbank-fuzz", "bloodbank-harness", "bloodbank-ui-tests"];

/// The categories of crates.io that the crates are in. It refuses others: <https://crates.io/category_slugs>.
const CATEGORIES: [&str; 9] = [
    "asynchronous",
    "command-line-interface",
    "database",
    "database-implementations",
    "development-tools::testing",
    "network-programming",
    "parser-implementations",
    "rust-patterns",
    "web-programming::http-server",
];

/// The folders of the members of the workspace.
fn members() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let list = manifest.split_once("members = [").expect("members").1.split_once(']').expect("their end").0;
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The values of a list such as `keywords = ["a", "b"]`; the workspace's where the package says so.
fn list<'a>(manifest: &'a str, workspace: &'a str, name: &str) -> Vec<&'a str> {
    let manifest = if manifest.contains(&format!("\n{name}.workspace = true\n")) { workspace } else { manifest };
    let line = manifest.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ["));
    line.map(|values| values.split('"').skip(1).step_by(2).collect()).unwrap_or_default()
}

fn faults_of(folder: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let mut faults = Vec::new();
    for line in [
        "description = \"",
        "license.workspace = true",
        "repository.workspace = true",
        "readme = \"README.md\"",
        "[package.metadata.docs.rs]",
    ] {
        if !manifest.lines().any(|text| text.starts_with(line)) {
            faults.push(format!("no `{line}`"));
        }
    }
    let (keywords, categories) = (list(&manifest, &workspace, "keywords"), list(&manifest, &workspace, "categories"));
    if keywords.is_empty() || keywords.len() > 5 || keywords.iter().any(|keyword| keyword.len() > 20) {
        faults.push(format!("crates.io takes one to five keywords of 20 letters, not {keywords:?}"));
    }
    if categories.is_empty() || categories.iter().any(|category| !CATEGORIES.contains(category)) {
        faults.push(format!("{categories:?} has a category that is not in the list of this test"));
    }
    for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        if !folder.join(file).exists() {
            faults.push(format!("no {file}; licences are links to those of the root"));
        }
    }
    faults
}

#[test]
fn every_crate_is_ready_to_be_published_or_says_that_it_is_not() {
    let mut unpublished = BTreeSet::new();
    let mut faults = Vec::new();
    for name in members().into_iter().chain([".".to_owned()]) {
        let folder = root().join(&name);
        if fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest").contains("\npublish = false\n") {
            unpublished.insert(name);
        } else {
            faults.extend(faults_of(&folder).into_iter().map(|fault| format!("{name}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(unpublished, UNPUBLISHED.map(str::to_owned).into());
}
