//! Where a new service takes Bloodbank from.

use std::path::{Path, PathBuf};

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The place of the crates of Bloodbank.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A release on crates.io.
    Release(&'static str),
    /// A commit of the repository, or its newest one.
    Git { commit: Option<String> },
    /// A folder with the sources.
    Folder(PathBuf),
}

impl Source {
    /// Where this program itself comes from.
    pub(super) fn of_this_program() -> Self {
        Self::of(Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    /// Where a program comes from whose crate `bloodbank-cli` was compiled in this folder. Cargo compiles a release and a commit
    /// in folders of its own.
    fn of(compiled_in: &Path) -> Self {
        let folders: Vec<_> = compiled_in.iter().map(|folder| folder.to_string_lossy()).collect();
        let below = |one: &str, two: &str| folders.windows(2).position(|pair| pair[0] == one && pair[1] == two);
        if below("registry", "src").is_some() {
            return Self::Release(env!("CARGO_PKG_VERSION"));
        }
        if let Some(at) = below("git", "checkouts") {
            // git/checkouts/bloodbank-0123456789abcdef/89abcde
            return Self::Git { commit: folders.get(at + 3).map(ToString::to_string) };
        }
        match compiled_in.parent() {
            Some(sources) if sources.join("bloodbank-core").is_dir() => Self::Folder(sources.to_owned()),
            _ => Self::Git { commit: None },
        }
    }

    /// The dependency on a crate as it stands in `Cargo.toml`; the folder of the facade is the root.
    pub(super) fn dependency(&self, package: &str, features: &str) -> String {
        match self {
            Self::Release(version) => format!("{{ version = {version:?}{features} }}"),
            Self::Git { commit: None } => format!("{{ git = {REPOSITORY:?}{features} }}"),
            Self::Git { commit: Some(commit) } => format!("{{ git = {REPOSITORY:?}, rev = {commit:?}{features} }}"),
            Self::Folder(folder) => {
                let folder = if package == "bloodbank" { folder.clone() } else { folder.join(package) };
                format!("{{ path = {:?}{features} }}", folder.display().to_string())
            }
        }
    }

    /// The folder with the sources, which an image and a continuous integration do not have by themselves.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Release(_) | Self::Git { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_knows_where_it_comes_from() {
        let of = |place: &str| Source::of(Path::new(place));
        let crates_io = of("/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/bloodbank-cli-0.1.0");
        assert_eq!(crates_io, Source::Release(env!("CARGO_PKG_VERSION")));
        let git = of("/home/me/.cargo/git/checkouts/bloodbank-8a1b2c3d4e5f6789/f8851bd/bloodbank-cli");
        assert_eq!(git, Source::Git { commit: Some("f8851bd".to_owned()) });
        assert_eq!(git.dependency("bloodbank", ""), format!("{{ git = {REPOSITORY:?}, rev = \"f8851bd\" }}"));
        assert_eq!(of("/gone/bloodbank/bloodbank-cli"), Source::Git { commit: None });
        assert!(Source::of_this_program().folder().is_some_and(|folder| folder.join("bloodbank-core").is_dir()));
    }
}
