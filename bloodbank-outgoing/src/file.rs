//! The file with the webhooks, which people and programs change.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use bloodbank_core::{Error, ErrorKind, Result, settings::Reader};
use secrecy::ExposeSecret;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use crate::{
    declared,
    entry::{Entry, new_secret},
};

const SETTING: &str = "BLOODBANK_WEBHOOKS_FILE";
/// The secrets that are kept when a new one is made: the old one, until the receiver has taken the new one.
const MOST_SECRETS: usize = 2;

/// The file with the webhooks. What is changed in it keeps its comments and its order.
#[derive(Debug, Clone)]
pub struct WebhooksFile(PathBuf);

impl WebhooksFile {
    /// The file that `BLOODBANK_WEBHOOKS_FILE` names.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the settings cannot be read.
    pub fn from_env() -> Result<Option<Self>> {
        let mut reader = Reader::load()?;
        let path = reader.get(SETTING, |path| Ok(PathBuf::from(path)));
        reader.finish()?;
        Ok(path.map(Self))
    }

    /// A file at this place, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The place of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn text(&self) -> Result<String> {
        fs::read_to_string(&self.0).map_err(|error| self.fault(format!("cannot be read: {error}")))
    }

    fn fault(&self, what: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Settings, format!("{SETTING}: {} {what}", self.0.display()))
    }

    /// Adds a webhook; makes the file where there is none, readable for its owner alone.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the name is taken, the declaration has a fault, or the file cannot be written.
    pub fn add(&self, entry: &Entry) -> Result<()> {
        entry.check().map_err(|fault| Error::new(ErrorKind::Settings, fault.to_string()))?;
        self.edit(|webhooks| {
            if place(webhooks, &entry.name).is_some() {
                return Err(format!(
                    "has a webhook `{}` already; choose another name, or remove that one first",
                    entry.name
                ));
            }
            let mut table = Table::new();
            table["name"] = value(&entry.name);
            table["url"] = value(entry.url.as_str());
            table["events"] = value(&entry.events);
            table["secrets"] = value(secrets(entry.secrets.iter().map(|secret| secret.expose_secret())));
            if entry.allow_private {
                table["allow_private"] = value(true);
            }
            webhooks.push(table);
            Ok(())
        })
    }

    /// Removes a webhook. Its queue stays, with what waits in it.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when there is none of this name, or the file cannot be written.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.edit(|webhooks| {
            let place = place(webhooks, name).ok_or_else(|| missing(name))?;
            webhooks.remove(place);
            Ok(())
        })
    }

    /// Switches a webhook on or off.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when there is none of this name, or the file cannot be written.
    pub fn set_enabled(&self, name: &str, is_enabled: bool) -> Result<()> {
        self.edit(|webhooks| {
            let table = table(webhooks, name)?;
            if is_enabled {
                table.remove("enabled");
            } else {
                table["enabled"] = value(false);
            }
            Ok(())
        })
    }

    /// Gives a webhook a new secret, and keeps the newest of the old ones, with which requests are signed as well. Returns the new one.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when there is none of this name, or the file cannot be written.
    pub fn rotate(&self, name: &str) -> Result<String> {
        let new = new_secret();
        self.edit(|webhooks| {
            let table = table(webhooks, name)?;
            let old = table
                .get("secrets")
                .and_then(Item::as_array)
                .into_iter()
                .flatten()
                .filter_map(|secret| secret.as_str());
            let all: Vec<_> =
                std::iter::once(new.expose_secret()).chain(old).take(MOST_SECRETS).map(str::to_owned).collect();
            table["secrets"] = value(secrets(all.iter().map(String::as_str)));
            Ok(())
        })?;
        Ok(new.expose_secret().to_owned())
    }

    /// Changes the webhooks of the file; nothing is written that could not be read again.
    fn edit(&self, change: impl FnOnce(&mut ArrayOfTables) -> Result<(), String>) -> Result<()> {
        let text = match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(self.fault(format!("cannot be read: {error}"))),
            Ok(text) => text,
        };
        let mut document = text.parse::<DocumentMut>().map_err(|error| self.fault(error))?;
        let outgoing = document.entry("outgoing").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let Some(webhooks) = outgoing.as_array_of_tables_mut() else {
            return Err(self.fault("has `outgoing`, but not as `[[outgoing]]`"));
        };
        change(webhooks).map_err(|what| self.fault(what))?;
        let text = document.to_string();
        declared::read(&text).map_err(|error| self.fault(error))?;
        self.write(&text).map_err(|error| self.fault(format!("cannot be written: {error}")))
    }

    /// Writes the file whole or not at all.
    fn write(&self, text: &str) -> io::Result<()> {
        let new = self.0.with_extension("toml.new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        if let Ok(old) = fs::metadata(&self.0) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.0)
    }
}

fn place(webhooks: &ArrayOfTables, name: &str) -> Option<usize> {
    webhooks.iter().position(|table| table.get("name").and_then(Item::as_str) == Some(name))
}

fn table<'a>(webhooks: &'a mut ArrayOfTables, name: &str) -> Result<&'a mut Table, String> {
    let place = place(webhooks, name).ok_or_else(|| missing(name))?;
    webhooks.get_mut(place).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> String {
    format!("has no webhook `{name}`; `bb webhooks list` shows all")
}

fn secrets<'a>(all: impl Iterator<Item = &'a str>) -> Array {
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Who is told of what.\n\n[[webhook]]\nname = \"stripe\"\n\n[[outgoing]]\nname = \"n8n\" # the one in the cellar\nurl = \"https://n8n.example.org/hook\"\nevents = \"orders.#\"\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\n";

    #[test]
    fn what_is_changed_keeps_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let file = WebhooksFile::at(folder.path().join("webhooks.toml"));
        fs::write(file.path(), TEXT).unwrap();
        file.set_enabled("n8n", false).unwrap();
        assert_eq!(file.text().unwrap(), format!("{TEXT}enabled = false\n"));
        file.set_enabled("n8n", true).unwrap();
        assert_eq!(file.text().unwrap(), TEXT);

        let entry = Entry::new("crm", "https://crm.example.org/", "#").unwrap();
        file.add(&entry).unwrap();
        assert!(file.text().unwrap().starts_with(TEXT));
        let read = || declared::read(&file.text().unwrap()).unwrap();
        assert_eq!(read().len(), 2);
        let error = file.add(&entry).unwrap_err().to_string();
        assert!(error.contains("has a webhook `crm` already"), "{error}");

        // The newest secret is the first, and one of the old ones stays.
        let first = entry.secrets[0].expose_secret().to_owned();
        let second = file.rotate("crm").unwrap();
        let third = file.rotate("crm").unwrap();
        let crm = read().remove(1);
        let kept: Vec<_> = crm.secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect();
        assert_eq!(kept, [third, second]);
        assert!(!kept.contains(&first));

        file.remove("crm").unwrap();
        assert_eq!(file.text().unwrap(), TEXT);
        assert!(file.remove("crm").unwrap_err().to_string().contains("no webhook `crm`; `bb webhooks list`"));
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = WebhooksFile::at(folder.path().join("webhooks.toml"));
        file.add(&Entry::new("crm", "https://crm.example.org/", "#").unwrap()).unwrap();
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = WebhooksFile::at(folder.path().join("webhooks.toml"));
        fs::write(file.path(), TEXT).unwrap();
        let private = Entry::new("crm", "http://10.0.0.1/", "#").unwrap();
        assert!(file.add(&private).unwrap_err().to_string().contains("allow_private"));
        assert_eq!(file.text().unwrap(), TEXT);
    }
}
