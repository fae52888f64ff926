//! The screen of the terminal.

use std::{
    io::{self, IsTerminal, Stdout, stdout},
    panic,
    sync::Once,
    thread,
};

use crossterm::{
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
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
        restore_on_panic();
        enter()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()));
        match terminal {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
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

    pub(crate) fn resume(&mut self) -> io::Result<()> {
        enter()?;
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
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

/// A panic of the thread that draws is shown on a terminal that can show it. One of another thread ends up as an error of
/// its task: printed, it would only spoil the screen.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let this = thread::current().id();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            if thread::current().id() == this {
                leave();
                before(what);
            }
        }));
    });
}
