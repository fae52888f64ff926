//! What the pages of the book list is what there is.

use std::{collections::BTreeSet, fs, path::Path};

/// The texts in quotes of all Rust files below a folder.
fn literals(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            literals(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a file");
            found.extend(text.split('"').map(str::to_owned));
        }
    }
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src").join(name)).expect("a page")
}

/// Whether a text is a name in small or capital letters with underscores that begins like this.
fn is_name(text: &str, prefix: &str) -> bool {
    text.starts_with(prefix) && text.len() > prefix.len() && text.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

#[test]
fn every_metric_is_on_the_page_of_the_gateway() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for name in crate::CRATES {
        literals(&root.join(name).join("src"), &mut found);
    }
    let is_crate = |name: &str| root.join(name.replace('_', "-")).exists();
    let metrics: Vec<_> = found.iter().filter(|text| is_name(text, "bloodbank_") && !is_crate(text)).collect();
    assert!(metrics.len() > 15, "{metrics:?}");
    let page = page("gateway.md");
    let missing: Vec<_> = metrics.into_iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/src/gateway.md does not list {missing:?}");
}

#[test]
fn every_setting_is_on_the_page_of_settings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let declared = fs::read_to_string(root.join("bloodbank-core/src/settings/field.rs")).expect("the settings");
    let declared = declared.split_once("const ALIASES").expect("the list").0;
    let fields = declared.lines().filter(|line| line.contains("field(&[") || line.contains("secret(&["));
    let names: Vec<_> = fields.flat_map(|line| line.split('"').skip(1).step_by(2)).collect();
    assert!(names.len() > 30, "{names:?}");
    let page = page("settings.md");
    let missing: Vec<_> = names.into_iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/src/settings.md does not list {missing:?}");
}
