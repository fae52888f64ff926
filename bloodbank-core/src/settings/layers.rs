//! The layers of settings: the environment, `.env`, `bloodbank.toml`.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    fs, io,
    path::Path,
};

use bloodbank_routing::nearest;

use super::field::{self, Field};
use crate::error::{Error, ErrorKind, Result};

const FILE: &str = "bloodbank.toml";
const DOTENV: &str = ".env";

/// The settings from one place; other names are not kept.
pub(super) struct Layer {
    /// The name of the place, such as `in the environment`.
    pub(super) place: &'static str,
    values: HashMap<&'static str, Raw>,
    /// The names that are set, some of them to nothing.
    mentioned: HashSet<String>,
    /// The names that nobody reads and that look like one of a setting, with that one.
    misspelt: Vec<(String, &'static str)>,
}

/// The value of a setting, as it was found.
pub(super) enum Raw {
    Text(String),
    /// A value that is not Unicode.
    Unreadable,
}

impl Layer {
    fn new(place: &'static str) -> Self {
        Self { place, values: HashMap::new(), mentioned: HashSet::new(), misspelt: Vec::new() }
    }

    /// Keeps a variable that is a setting, and remembers what looks like one. All others belong to other programs.
    fn keep_variable(&mut self, name: String, value: Raw) {
        if let Some(meant) = field::meant_by(&name) {
            if !matches!(&value, Raw::Text(text) if text.trim().is_empty()) {
                self.misspelt.push((name, meant));
            }
            return;
        }
        if let Some(name) = known(&name) {
            self.keep(name, value);
        }
        self.mentioned.insert(name);
    }

    /// Keeps a value, unless it is empty, which means unset.
    fn keep(&mut self, name: &'static str, value: Raw) {
        if !matches!(&value, Raw::Text(text) if text.trim().is_empty()) {
            self.values.insert(name, value);
        }
    }

    /// The value of a setting and the name under which it was found.
    pub(super) fn get(&self, field: Field) -> Option<(&'static str, &Raw)> {
        let mut names = field.names.iter();
        names.find_map(|name| Some((*name, self.values.get(name)?)))
    }
}

/// The layers, the strongest first.
pub(super) fn all(folder: &Path, vars: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<Layer>> {
    Ok(vec![environment(vars), dotenv(&folder.join(DOTENV))?, file(&folder.join(FILE))?])
}

/// What is wrong with the names of variables: one that is nearly that of a setting, or what other programs call it, while the
/// setting itself is set nowhere. Such a service would start with the default, healthy and in the wrong place.
pub(super) fn misspelt(layers: &[Layer]) -> Vec<String> {
    let is_set =
        |name: &str| layers.iter().any(|layer| layer.mentioned.contains(name) || layer.values.contains_key(name));
    let mut problems = Vec::new();
    for layer in layers {
        for (name, meant) in &layer.misspelt {
            if !field::synonyms(meant).into_iter().any(is_set) {
                problems.push(format!(
                    "{} {} is read by nobody; did you mean {meant}? Rename it, or, if it belongs to another program, set {meant} too: an empty value means the default",
                    name.escape_debug(),
                    layer.place
                ));
            }
        }
    }
    problems.sort();
    problems
}

/// Reads the variables that are settings, and ignores all others.
pub(super) fn environment(vars: impl Iterator<Item = (OsString, OsString)>) -> Layer {
    let mut layer = Layer::new("in the environment");
    for (name, value) in vars {
        let value = value.into_string().map_or(Raw::Unreadable, Raw::Text);
        layer.keep_variable(name.to_string_lossy().into_owned(), value);
    }
    layer
}

/// Reads `.env`, which may hold the variables of other programs too. The environment of the process is not changed.
fn dotenv(path: &Path) -> Result<Layer> {
    let mut layer = Layer::new("in .env");
    let Some(text) = contents(path, DOTENV)? else {
        return Ok(layer);
    };
    for pair in dotenvy::from_read_iter(text.as_bytes()) {
        let (name, value) = pair.map_err(|error| {
            let place = match &error {
                // Its message repeats the line, which may hold a password.
                dotenvy::Error::LineParse(line, _) => line_of(&text, line),
                _ => String::new(),
            };
            bad_file(DOTENV, &format!("{place} is not `NAME=value`; put quotes around values with spaces"))
        })?;
        layer.keep_variable(name, Raw::Text(value));
    }
    Ok(layer)
}

/// The line that could not be read, found by the rest of it.
fn line_of(text: &str, rest: &str) -> String {
    let rest = rest.trim();
    let number = text.lines().position(|line| !rest.is_empty() && line.trim().ends_with(rest));
    number.map_or_else(|| "a line".to_owned(), |number| format!("line {}", number + 1))
}

/// Reads `bloodbank.toml`, which belongs to Bloodbank alone: a name that is no setting is a mistake.
fn file(path: &Path) -> Result<Layer> {
    let mut layer = Layer::new("in bloodbank.toml");
    let Some(text) = contents(path, FILE)? else {
        return Ok(layer);
    };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // Its full text repeats the line, which may hold a password.
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        bad_file(FILE, &format!("line {line}: {}", error.message()))
    })?;
    let mut problems = Vec::new();
    for (key, value) in table {
        let upper = key.to_ascii_uppercase();
        let Some(name) = known(&upper).filter(|_| upper != key) else {
            problems.push(unknown(&key));
            continue;
        };
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(choice) => choice.to_string(),
            // A list, which a variable has with commas.
            toml::Value::Array(items) if !items.is_empty() && items.iter().all(toml::Value::is_str) => {
                items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
            }
            // Tables, which a variable has as JSON.
            toml::Value::Table(table) if field::QUEUE_ARGUMENTS.names.contains(&name) => {
                serde_json::to_string(&table).unwrap_or_default()
            }
            toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => {
                problems.push(format!(
                    "`{key}` is a {}; it must be a text, an integer, a boolean or a list of texts",
                    value.type_str()
                ));
                continue;
            }
        };
        layer.keep(name, Raw::Text(value));
    }
    if problems.is_empty() { Ok(layer) } else { Err(bad_file(FILE, &problems.join("; "))) }
}

fn unknown(key: &str) -> String {
    let names: Vec<String> = field::names().map(str::to_ascii_lowercase).collect();
    match nearest(key, names.iter().map(String::as_str)) {
        Some(name) => format!("unknown setting `{key}`; did you mean `{name}`?"),
        None => format!("unknown setting `{key}`; there are {}", names.join(", ")),
    }
}

fn known(name: &str) -> Option<&'static str> {
    field::names().find(|known| *known == name)
}

/// The text of a file; `None` when there is no such file.
fn contents(path: &Path, name: &str) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad_file(name, "it cannot be read").with_source(error)),
    }
}

fn bad_file(name: &str, problem: &str) -> Error {
    Error::new(ErrorKind::Settings, format!("{name}: {problem}"))
}
