//! What the pages of the book list is what there is.

use std::{fs, path::Path};

pub(crate) fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src").join(name)).expect("a page")
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
