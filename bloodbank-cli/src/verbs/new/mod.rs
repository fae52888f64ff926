//! `bb new`.

mod source;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use self::source::Source;
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
    /// Use Bloodbank from this folder; default: where this program comes from: a release, a commit, or a folder with its sources
    #[arg(long, value_name = "FOLDER")]
    bloodbank: Option<PathBuf>,
}

/// The files, with `{…}` to be filled.
const FILES: [(&str, &str); 10] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("src/main.rs", include_str!("template/main.rs.txt")),
    ("tests/greeting.rs", include_str!("template/greeting.rs.txt")),
    ("README.md", include_str!("template/README.md.txt")),
    ("Dockerfile", include_str!("template/Dockerfile.txt")),
    (".dockerignore", "target\n.git\n.env\n*.db*\n"),
    ("compose.yaml", include_str!("template/compose.yaml.txt")),
    (".github/workflows/ci.yml", include_str!("template/ci.yml.txt")),
    (".gitignore", "/target\n.env\n*.db*\n"),
];

/// What stands in a file (the first of three) where Bloodbank is a release or a commit, which cargo fetches.
const WITHOUT_FOLDER: &[(&str, &str, &str)] = &[
    ("Dockerfile", "{how-to-build}", "# docker build -t {name} ."),
    ("Dockerfile", "{sources}", ""),
    ("compose.yaml", "{build}", "."),
    (".github/workflows/ci.yml", "{sources}", ""),
];

/// What stands there where Bloodbank is a folder: it has to be brought to where `Cargo.toml` says that it is.
const WITH_FOLDER: &[(&str, &str, &str)] = &[
    (
        "Dockerfile",
        "{how-to-build}",
        "# docker build -t {name} --build-context bloodbank={folder} .\n# Bloodbank is brought to where Cargo.toml says that it is; with a release or a commit of it this is not needed.",
    ),
    ("Dockerfile", "{sources}", "COPY --from=bloodbank . {folder}\n"),
    ("compose.yaml", "{build}", "\n      context: .\n      additional_contexts: { bloodbank: {folder} }"),
    (
        ".github/workflows/ci.yml",
        "{sources}",
        "      # The folder that Cargo.toml names is not here.\n      - run: sed -i -E 's|path = \"{folder}[^\"]*\"|git = \"{repository}\"|' Cargo.toml\n",
    ),
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
        let source = self.source()?;
        let fill = |file: &str, text: &str| {
            let places = source.folder().map_or(WITHOUT_FOLDER, |_| WITH_FOLDER);
            places
                .iter()
                .filter(|(of, ..)| *of == file)
                .fold(text.to_owned(), |text, (_, place, filled)| text.replace(place, filled))
                .replace("{folder}", &source.folder().map(|folder| folder.display().to_string()).unwrap_or_default())
                .replace("{repository}", env!("CARGO_PKG_REPOSITORY"))
                .replace("{name}", name)
                .replace("{crate}", &name.replace('-', "_"))
                .replace("{domain}", &name.replace('-', "_"))
                .replace("{bloodbank}", &source.dependency("bloodbank", ""))
                .replace("{bloodbank-testing}", &source.dependency("bloodbank", ", features = [\"testing\"]"))
                .replace("{bloodbank-cli}", &source.dependency("bloodbank-cli", ""))
        };
        for (file, text) in FILES {
            let path = folder.join(file);
            let failed = |error| CliError::failed(format!("{} cannot be written: {error}", path.display()));
            fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
            fs::write(&path, fill(file, text)).map_err(failed)?;
        }
        let mut out = output::out();
        writeln!(out, "{} {name}", paint(GOOD, "made"))?;
        writeln!(out, "  {}", paint(KEY, format!("cd {name}")))?;
        if let Some(folder) = source.folder() {
            output::note(&format!("Bloodbank is taken from {}", folder.display()));
        }
        for step in ["cargo test", "cargo run -- list-events", "cargo run -- serve"] {
            writeln!(out, "  {}", paint(KEY, step))?;
        }
        Ok(())
    }

    fn source(&self) -> Result<Source> {
        let Some(place) = &self.bloodbank else { return Ok(Source::of_this_program()) };
        if !place.join("bloodbank-core").is_dir() {
            return Err(CliError::usage(format!(
                "{} does not hold Bloodbank; name the folder of its repository",
                place.display()
            )));
        }
        Ok(Source::Folder(place.canonicalize().unwrap_or_else(|_| place.clone())))
    }
}
