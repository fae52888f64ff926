//! The metrics of the code are those of the page, of the help texts, and of what is deployed with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::pages::page;

/// The type of a metric and its labels, as the page writes them.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder that end in one of these extensions.
fn files(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, extensions, found);
        } else if path.extension().and_then(|text| text.to_str()).is_some_and(|text| extensions.contains(&text)) {
            found.push(path);
        }
    }
}

/// The metrics that a Rust file records: `counter!("name", "label" => …)`.
fn recorded(text: &str, found: &mut Metrics) {
    for kind in ["counter", "gauge", "histogram"] {
        let macro_call = format!("{kind}!(");
        for (at, _) in text.match_indices(&macro_call).filter(|(at, _)| !text[..*at].ends_with("describe_")) {
            let call = &text[at + macro_call.len()..];
            let Some(name) = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                panic!(
                    "the name of a {kind} is written where it is recorded, so that it can be found: {kind}!({call:.40}"
                );
            };
            let call = &call[..closing(call)];
            let labels = call.split("\" =>").map(|before| before.rsplit('"').next().unwrap_or_default());
            let labels: Vec<_> = labels.map(str::to_owned).collect();
            let labels = labels[..labels.len() - 1].iter().cloned().collect();
            let metric = (kind.to_owned(), labels);
            let known = found.entry(name.to_owned()).or_insert_with(|| metric.clone());
            assert_eq!(*known, metric, "`{name}` is recorded in two ways");
        }
    }
}

/// Where the parenthesis is closed that was opened before this text.
fn closing(text: &str) -> usize {
    let mut depth = 1;
    text.find(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    })
    .unwrap_or(text.len())
}

fn of_code() -> Metrics {
    let mut sources = Vec::new();
    for name in crate::CRATES {
        files(&root().join(name).join("src"), &["rs"], &mut sources);
    }
    let mut found = Metrics::new();
    for source in sources {
        recorded(&fs::read_to_string(&source).expect("a file"), &mut found);
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

/// The names in the backticks of a cell.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_metric_is_on_the_page_of_metrics() {
    let page = page("metrics.md");
    let mut listed = Metrics::new();
    for row in page.lines().filter(|line| line.starts_with("| `bloodbank_")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, _meaning] = cells[..] else { panic!("{row}") };
        let labels = quoted(labels).map(str::to_owned).collect();
        listed.insert(quoted(name).next().expect("a name").to_owned(), (kind.to_owned(), labels));
    }
    assert_eq!(listed, of_code(), "left: docs/src/metrics.md, right: the code");
}

#[test]
fn every_metric_has_a_help_text() {
    let described = fs::read_to_string(root().join("bloodbank-probes/src/described.rs")).expect("the help texts");
    let described: BTreeSet<_> = described.split('"').filter(|text| text.starts_with("bloodbank_")).collect();
    let code = of_code();
    assert_eq!(described, code.keys().map(String::as_str).collect(), "left: described.rs, right: the code");
}

#[test]
fn metrics_have_the_suffix_of_their_kind() {
    for (name, (kind, labels)) in of_code() {
        assert_eq!(name.ends_with("_total"), kind == "counter", "`{name}` is a {kind}");
        assert!(kind != "histogram" || name.ends_with("_seconds"), "`{name}` has no unit");
        assert!(!labels.contains("le"), "`{name}` has a label that histograms need for themselves");
    }
}

/// The words of a text that begin with `bloodbank_`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("bloodbank_"))
}

#[test]
fn what_is_deployed_names_metrics_that_exist() {
    let code = of_code();
    let series = |name: &str| {
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        code.contains_key(name)
            || of_histogram.is_some_and(|name| code.get(name).is_some_and(|(kind, _)| kind == "histogram"))
    };
    let mut deployed = Vec::new();
    files(&root().join("deploy"), &["json", "yaml", "yml"], &mut deployed);
    let mut unknown = BTreeSet::new();
    let mut found = 0;
    for file in deployed {
        let text = fs::read_to_string(&file).expect("a file");
        for name in named(&text) {
            found += 1;
            if !series(name) {
                unknown.insert(format!("{}: `{name}`", file.strip_prefix(root()).expect("below the root").display()));
            }
        }
    }
    assert!(found > 50, "only {found} metrics are named below deploy/");
    assert!(unknown.is_empty(), "no metric has this name: {unknown:#?}");
}
