//! `bb new`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use crate::{
    error::{CliError, Result},
    output::{
        self,
        style::{GOOD, KEY, paint},
    },
};

/// Make a service crate that compiles and passes its tests
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb new shipping
  bb new shipping --bloodbank ../bloodbank")]
pub(crate) struct New {
    /// Its name, and that of its folder: lower-case letters, digits, `-` and `_`
    name: String,
    /// Use Bloodbank from this folder; default: the version of this program from crates.io
    #[arg(long, value_name = "FOLDER")]
    bloodbank: Option<PathBuf>,
}

/// The files, with `{…}` to be filled.
const FILES: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("src/main.rs", include_str!("template/main.rs.txt")),
    ("tests/greeting.rs", include_str!("template/greeting.rs.txt")),
    ("README.md", include_str!("template/README.md.txt")),
    (".gitignore", "/target\n.env\n*.db*\n"),
];

/// Words of Rust, folders of cargo, and what the new crate uses.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "bloodbank",
    "bloodbank-cli",
    "bloodbank_cli",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tokio",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "union",
];

impl New {
    pub(crate) fn run(self) -> Result {
        let name = &self.name;
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter));
        if !is_name {
            return Err(CliError::usage(format!(
                "`{name}` is no name of a crate; use lower-case letters, digits, `-` and `_`"
            )));
        }
        if RESERVED.contains(&&**name) {
            return Err(CliError::usage(format!("cargo takes no crate named `{name}`; choose another name")));
        }
        let folder = Path::new(name);
        if folder.exists() {
            return Err(CliError::usage(format!("{} exists already; choose another name", folder.display())));
        }
        let dependency = |package: &str, features: &str| match &self.bloodbank {
            None => format!("{{ version = \"{}\"{features} }}", env!("CARGO_PKG_VERSION")),
            Some(place) => {
                let place = place.canonicalize().unwrap_or_else(|_| place.clone());
                let place = if package.is_empty() { place } else { place.join(package) };
                format!("{{ path = {:?}{features} }}", place.display().to_string())
            }
        };
        let fill = |text: &str| {
            text.replace("{name}", name)
                .replace("{crate}", &name.replace('-', "_"))
                .replace("{domain}", &name.replace('-', "_"))
                .replace("{bloodbank}", &dependency("", ""))
                .replace("{bloodbank-testing}", &dependency("", ", features = [\"testing\"]"))
                .replace("{bloodbank-cli}", &dependency("bloodbank-cli", ""))
        };
        for (file, text) in FILES {
            let path = folder.join(file);
            let failed = |error| CliError::failed(format!("{} cannot be written: {error}", path.display()));
            fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
            fs::write(&path, fill(text)).map_err(failed)?;
        }
        let mut out = output::out();
        writeln!(out, "{} {name}", paint(GOOD, "made"))?;
        writeln!(out, "  {}", paint(KEY, format!("cd {name}")))?;
        for step in ["cargo test", "cargo run -- list-events", "cargo run -- serve"] {
            writeln!(out, "  {}", paint(KEY, step))?;
        }
        Ok(())
    }
}
