//! The user's own editor.

use std::{env, fs, io::Write};

use tokio::process::Command;

/// Opens a text in `$VISUAL`, otherwise `$EDITOR`, otherwise vi, and gives back what it was saved as.
pub(crate) async fn edit(text: &str) -> Result<String, String> {
    let chosen =
        ["VISUAL", "EDITOR"].iter().find_map(|name| env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let chosen = chosen.unwrap_or_else(|| "vi".to_owned());
    let words = shlex::split(&chosen).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| format!("$EDITOR is no command: {chosen:?}"))?;
    let temporary = |error: std::io::Error| format!("a file for the editor cannot be written: {error}");
    let mut file = tempfile::Builder::new().prefix("payload-").suffix(".json").tempfile().map_err(temporary)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(temporary)?;
    let path = file.into_temp_path();
    let status = Command::new(&words[0]).args(&words[1..]).arg(&path).status().await;
    let status = status.map_err(|error| format!("{} does not start: {error}; set EDITOR", words[0]))?;
    if !status.success() {
        return Err(format!("{} ended with {status}; nothing was changed", words[0]));
    }
    fs::read_to_string(&path).map_err(|error| format!("what the editor saved cannot be read: {error}"))
}
