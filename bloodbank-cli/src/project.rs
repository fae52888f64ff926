//! The project that somebody works on.

use std::path::{Path, PathBuf};

/// The project around the working directory, and that directory.
pub(crate) struct Project {
    pub(crate) name: Option<String>,
    pub(crate) folder: Option<PathBuf>,
}

impl Project {
    /// The git repository around the working directory is the project; git itself is not needed.
    pub(crate) fn here() -> Self {
        let folder = std::env::current_dir().ok();
        let name =
            folder.as_deref().and_then(root).and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        Self { name, folder }
    }
}

fn root(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}
