//! Generation of the crates that are measured.

use std::{fmt::Write, fs, path::Path};

/// The kind of structs in a generated library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Structs {
    /// Structs that derive from serde and schemars and are not used: the compiler generates no code for them.
    Alone,
    /// Structs that are each read from JSON, written as JSON, and asked for their schema once.
    Used,
    /// Events.
    Events,
}

/// Generates a library of structs like those of a real service.
pub(crate) fn structs(folder: &Path, root: &Path, count: usize, structs: Structs) {
    let mut source = String::from("#![allow(dead_code)]\nuse bloodbank::prelude::*;\n");
    for number in 0..count {
        let (derive, attribute) = if structs == Structs::Events {
            (", Event", format!("#[event(routing_key = \"bench.thing{number}.happened\", id(id))]\n"))
        } else {
            ("", String::new())
        };
        write!(
            source,
            "/// Something happened.\n#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema{derive})]\n{attribute}\
             pub struct Happened{number} {{\n    pub id: String,\n    pub count: u64,\n    pub title: Option<String>,\n    \
             pub tags: Vec<String>,\n    pub seconds: f64,\n}}\n"
        )
        .unwrap();
        if structs == Structs::Used {
            write!(
                source,
                "pub fn use{number}(text: &str) -> serde_json::Result<(String, schemars::Schema)> {{\n    \
                 let happened: Happened{number} = serde_json::from_str(text)?;\n    \
                 Ok((serde_json::to_string(&happened)?, schemars::schema_for!(Happened{number})))\n}}\n"
            )
            .unwrap();
        }
    }
    write(folder, root, "lib.rs", &source, "");
}

/// Generates a program with this number of events, which prints the nanoseconds that the first use of the registry takes.
/// The implementations of serde and schemars are short ones, because only the registry is measured.
pub(crate) fn program(folder: &Path, root: &Path, count: usize) {
    let mut source = String::from(
        "#![allow(unused, reason = \"without events nothing of it is used\")]\n\
         use bloodbank::prelude::*;\n\
         use bloodbank::Registry;\n\
         macro_rules! data { ($name:ident) => {\n    \
         impl serde::Serialize for $name { fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> { to.serialize_unit() } }\n    \
         impl<'de> serde::Deserialize<'de> for $name { fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> { <()>::deserialize(from).map(|()| Self) } }\n    \
         impl schemars::JsonSchema for $name {\n        \
         fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }\n        \
         fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema { schemars::Schema::default() }\n    }\n\
         } }\n",
    );
    for number in 0..count {
        write!(
            source,
            "#[derive(Event)]\n#[event(routing_key = \"bench.thing{number}.happened\")]\nstruct E{number};\ndata!(E{number});\n"
        )
        .unwrap();
    }
    write!(
        source,
        "fn main() {{\n    let start = std::time::Instant::now();\n    let events = Registry::global().events().len();\n    \
         let nanos = start.elapsed().as_nanos();\n    assert_eq!(events, {count});\n    println!(\"{{nanos}}\");\n}}\n"
    )
    .unwrap();
    // As in a release, what the registry does is optimised; what the declarations compile to does not matter here.
    let profile =
        ["bloodbank-core", "bloodbank-routing"].map(|name| format!("\n[profile.dev.package.{name}]\nopt-level = 3\n"));
    write(folder, root, "main.rs", &source, &profile.concat());
}

fn write(folder: &Path, root: &Path, file: &str, source: &str, profile: &str) {
    fs::create_dir_all(folder.join("src")).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         bloodbank = {{ path = {root:?}, default-features = false }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\
         serde_json = \"1\"\nschemars = \"1\"\n{profile}"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src").join(file), source).unwrap();
    // The same versions as ours.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}
