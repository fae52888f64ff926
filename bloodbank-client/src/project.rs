//! The project that somebody works on.

use std::path::{Path, PathBuf};

/// The working directory, and the name of the git repository around it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Project {
    /// The name of the repository's folder; `None` outside of a repository.
    pub name: Option<String>,
    /// The working directory; `None` when it is gone.
    pub working_directory: Option<PathBuf>,
}

impl Project {
    /// The project around the working directory of this process. Git itself is not needed.
    #[must_use]
    pub fn current() -> Self {
        let working_directory = std::env::current_dir().ok();
        let root = working_directory.as_deref().and_then(repository).and_then(Path::file_name);
        Self { name: root.map(|name| name.to_string_lossy().into_owned()), working_directory }
    }
}

fn repository(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}
