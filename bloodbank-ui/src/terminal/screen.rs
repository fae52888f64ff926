//! The screen of the terminal.

use std::{
    io::{self, IsTerminal, Stdout, stdout},
    panic,
    sync::Once,
};

use crossterm::{
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use parking_lot::Mutex;
use ratatui::{Terminal, backend::CrosstermBackend};

use crate::{state::State, view::view};

/// The screen of the terminal, which belongs to this program until it is dropped.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over.
    pub(crate) fn open() -> io::Result<Self> {
        if !stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(io::Error::other("this needs a terminal, for its input and its output"));
        }
        keep_panics();
        // From here on dropping it restores the terminal.
        let screen = Self { terminal: Terminal::new(CrosstermBackend::new(stdout()))? };
        *PANICS.lock() = Some(Vec::new());
        enter()?;
        Ok(screen)
    }

    pub(crate) fn draw(&mut self, state: &State) -> io::Result<()> {
        self.terminal.draw(|frame| view(state, frame)).map(drop)
    }

    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Gives the terminal back for a while.
    pub(crate) fn suspend(&self) {
        leave();
    }

    /// Takes the terminal over again, and draws everything anew. A new `Terminal` does, where `clear` would ask for the
    /// position of the cursor, which not every terminal tells.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        enter()?;
        self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
        for panic in PANICS.lock().take().into_iter().flatten() {
            eprintln!("{panic}");
        }
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableMouseCapture)
}

/// What fails here cannot be helped: the terminal is gone.
fn leave() {
    let _ =
        execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, crossterm::cursor::Show);
    let _ = disable_raw_mode();
}

/// What panics have said while the screen was open; `None`: it is closed.
static PANICS: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Keeps what panics say until the terminal can show it: printed at once, it would be lost with the screen. Where a panic
/// does not unwind, nothing is dropped, and the terminal is restored right here.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            let mut kept = PANICS.lock();
            match &mut *kept {
                Some(panics) if cfg!(panic = "unwind") => panics.push(what.to_string()),
                Some(_) => {
                    leave();
                    before(what);
                }
                None => before(what),
            }
        }));
    });
}
