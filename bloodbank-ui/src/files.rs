//! Payloads in files: `mocks/<key>.json`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Saves a payload, and gives back where.
pub(crate) fn save(folder: &Path, key: &str, text: &str) -> Result<String, String> {
    let path = path(folder, key);
    let saved = fs::create_dir_all(folder).and_then(|()| fs::write(&path, format!("{text}\n")));
    saved.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(path.display().to_string())
}

/// Loads the payload that was saved last.
pub(crate) fn load(folder: &Path, key: &str) -> Result<String, String> {
    let path = path(folder, key);
    fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}; Ctrl-S saves one", path.display()))
}

/// Keys have lower-case words, dots and placeholders in braces: good names for files.
fn path(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.json"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let mocks = folder.path().join("mocks");
        let missing = super::load(&mocks, "orders.order.placed").unwrap_err();
        assert!(missing.contains("orders.order.placed.json") && missing.contains("Ctrl-S"), "{missing}");
        let path = super::save(&mocks, "orders.order.placed", "{}").unwrap();
        assert!(path.ends_with("mocks/orders.order.placed.json"));
        assert_eq!(super::load(&mocks, "orders.order.placed").unwrap(), "{}\n");
    }
}
