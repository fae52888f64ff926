use std::{
    env,
    fs::{self, DirBuilder},
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{HarnessError, unique};

/// The shell script that kills the processes and removes the folder when its input ends.
///
/// The input ends when the owner closes the pipe or dies in any way. `run` is moved away first, so that a child that is just
/// being started either has its entry in `run` already, or finds no `run` to put it in and exits.
const REAPER: &str = r#"
trap '' HUP INT QUIT TERM
while read -r line; do :; done
mv "$1/run" "$1/ended"
for entry in "$1"/ended/*; do kill -9 "${entry##*/}"; done
tries=0
until rm -rf "$1" || [ "$tries" -ge 200 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
"#;

/// The shell script that records its process id as a folder (creating one is atomic) and then becomes the program.
const ENTER: &str = r#"mkdir "$1/run/$$" && shift && exec "$@""#;

/// A private folder and the processes that are started in it; a shell removes both when the owner is gone.
#[derive(Debug)]
pub(crate) struct Sandbox {
    folder: PathBuf,
    reaper: Child,
}

impl Sandbox {
    pub(crate) fn new(prefix: &str) -> Result<Self, HarnessError> {
        let folder = env::temp_dir().join(unique(prefix));
        let create = |path: &Path| {
            DirBuilder::new().mode(0o700).create(path).map_err(HarnessError::io(format!("create {}", path.display())))
        };
        create(&folder)?;
        create(&folder.join("run"))?;
        let reaper = Command::new("/bin/sh")
            .args(["-c", REAPER, "bloodbank-reaper"])
            .arg(&folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of Ctrl-C and of a test runner that kills its process group.
            .process_group(0)
            .spawn()
            .map_err(|source| {
                // Nobody watches yet, so nobody else would remove it; its own error says nothing new.
                let _ = fs::remove_dir_all(&folder);
                HarnessError::Io { operation: "start /bin/sh".to_owned(), source }
            })?;
        Ok(Self { folder, reaper })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Opens a file in the folder for the output of a process.
    pub(crate) fn output(&self, name: &str) -> Result<Stdio, HarnessError> {
        let path = self.path(name);
        let file = fs::File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(HarnessError::io(format!("open {}", path.display())))?;
        Ok(file.into())
    }

    /// Makes a command for a program that is killed when the sandbox is dropped. The program inherits nothing but `PATH`, so
    /// that the caller's own `RABBITMQ_…` variables cannot reach it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", ENTER, "bloodbank-enter"])
            .arg(&self.folder)
            .arg(program)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Forgets a process that has been waited for, so that its number is not killed later.
    pub(crate) fn forget(&self, pid: u32) {
        // Absent when the process never got as far as writing it; nothing to forget then.
        let _ = fs::remove_dir(self.path("run").join(pid.to_string()));
    }
}

impl Drop for Sandbox {
    /// Waits until everything is killed and the folder is gone.
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        // Nowhere to report to; the shell goes on removing even if it cannot be waited for.
        let _ = self.reaper.wait();
    }
}

/// Finds the first program of this name on `PATH`, or where Debian keeps daemons.
pub(crate) fn find(name: &str) -> Result<PathBuf, HarnessError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| HarnessError::ProgramNotFound { program: name.to_owned() })
}

/// The last lines of a log; empty when there is no log.
pub(crate) fn tail(log: &Path) -> String {
    // Erlang says why it ends first and then how, at length.
    const LINES: usize = 150;
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
