//! What the README shows is what there is.

use std::{fs, path::Path};

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_shows_the_smallest_service_in_fifteen_lines() {
    let readme = README.split_once("```rust\n").unwrap().1.split_once("```").unwrap().0;
    let lines = readme.lines().filter(|line| !line.is_empty()).count();
    assert!(lines <= 15, "{lines} lines");
    let code = |text: &str| text.replace(",}", "}").split_whitespace().collect::<String>().replace(",}", "}");
    let example = include_str!("../../examples/e03_subscribe.rs").split_once("\n\n").unwrap().1;
    assert_eq!(code(readme), code(example), "the README shows another service than the example");
}

#[test]
fn the_readme_quotes_what_the_compiler_says() {
    let messages = all_messages(Path::new("bloodbank-ui-tests/tests/ui"));
    let table = README.split_once("## What does not compile").unwrap().1.split_once("\n## ").unwrap().0;
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= 8, "{rows:?}");
    for row in rows {
        let said = row.trim_end_matches(" |").rsplit_once(" | ").unwrap().1;
        assert!(messages.contains(said), "no test expects {said:?}");
    }
}

fn all_messages(folder: &Path) -> String {
    let mut messages = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            messages.push_str(&all_messages(&path));
        } else if path.extension().is_some_and(|extension| extension == "stderr") {
            messages.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    messages
}
