//! The loop: keys, messages of the bus and seconds in, pictures and effects out.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use bloodbank_core::{Registry, Settings, app::StopSignals};
use chrono::Utc;
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use tokio::{
    sync::mpsc::{self, Receiver, UnboundedSender},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use crate::{
    bus, files,
    message::{Effect, Message},
    options::Options,
    state::State,
    terminal::{Screen, edit},
    update::update,
};

/// The time between two pictures: at most twenty a second.
const FRAME: Duration = Duration::from_millis(50);
/// The messages of the bus that wait at a time.
const WAITING: usize = 64;
/// How long the bus may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// The exit code of a program whose terminal is gone: 128 and the number of SIGHUP.
const HUNG_UP: i32 = 129;

/// Shows the bus of these settings in the terminal until the user quits, or a signal ends the process.
///
/// A bus that does not answer is no error: it is shown, and tried again and again.
///
/// # Errors
/// When input or output is no terminal, or the terminal goes away.
pub async fn run(settings: Settings, options: Options) -> io::Result<()> {
    let mut screen = Screen::open()?;
    let mut state = State::new(Registry::global(), options.clone(), Utc::now());
    (state.width, state.height) = screen.size()?;
    let watch = tokio::spawn(end_without_terminal());
    // The first picture does not wait for the bus.
    screen.draw(&state)?;
    let (effects, received) = mpsc::unbounded_channel();
    let (sender, messages) = mpsc::channel(WAITING);
    let bus = tokio::spawn(bus::run(settings, options, received, sender));
    let mut session = Session { screen, state, messages, effects, bus };
    let ended = session.run().await;
    session.close().await;
    watch.abort();
    ended
}

/// Ends the process when its terminal is gone. The reader of keys does not say so: it reads the end of the input for ever, and
/// nothing else of the loop has its turn.
async fn end_without_terminal() {
    let mut looks = interval(Duration::from_secs(1));
    while io::stdin().is_terminal() {
        looks.tick().await;
    }
    // What was sent may still be confirmed.
    sleep(CLOSE_TIMEOUT).await;
    std::process::exit(HUNG_UP);
}

struct Session {
    screen: Screen,
    state: State,
    messages: Receiver<Message>,
    effects: UnboundedSender<Effect>,
    bus: JoinHandle<()>,
}

impl Session {
    async fn run(&mut self) -> io::Result<()> {
        let mut input = Some(EventStream::new());
        let mut signals = Signals::listen()?;
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut next_frame = Instant::now();
        loop {
            let message = tokio::select! {
                event = next(&mut input) => match event {
                    Some(event) => of_terminal(event?),
                    None => return Ok(()),
                },
                message = self.messages.recv(), if !self.bus.is_finished() => message,
                _ = seconds.tick() => Some(Message::Tick(Utc::now())),
                () = signals.next() => return Ok(()),
                () = sleep_until(next_frame), if self.state.is_changed => None,
            };
            for effect in message.map(|message| update(&mut self.state, message)).unwrap_or_default() {
                match effect {
                    Effect::Quit => return Ok(()),
                    Effect::EditExternally(text) => {
                        // Whoever reads keys would take them from the editor.
                        drop(input.take());
                        self.edit(&text).await?;
                        input = Some(EventStream::new());
                        // A Ctrl-C in the editor was for the editor.
                        signals = Signals::listen()?;
                    }
                    effect => self.carry_out(effect),
                }
            }
            if self.state.is_changed && Instant::now() >= next_frame {
                self.screen.draw(&self.state)?;
                self.state.is_changed = false;
                next_frame = Instant::now() + FRAME;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let folder = &self.state.options.mocks;
        let message = match effect {
            Effect::Save { key, text } => Message::Saved(files::save(folder, &key, &text)),
            Effect::Load { key } => Message::Loaded(files::load(folder, &key)),
            effect => {
                if self.effects.send(effect).is_err() {
                    self.state.complain("what talks to the bus has ended; quit and start again");
                }
                return;
            }
        };
        update(&mut self.state, message);
    }

    async fn edit(&mut self, text: &str) -> io::Result<()> {
        self.screen.suspend();
        let edited = edit(text).await;
        self.screen.resume()?;
        let (width, height) = self.screen.size()?;
        update(&mut self.state, Message::Resize { width, height });
        update(&mut self.state, Message::Edited(edited));
        Ok(())
    }

    /// Gives the terminal back at once, then closes the bus.
    async fn close(self) {
        let Self { screen, effects, messages, bus, .. } = self;
        drop((effects, messages));
        let is_hung_up = !io::stdin().is_terminal();
        // A terminal that is gone is given back to nobody, and ratatui would panic when it cannot say that it failed.
        if is_hung_up {
            std::mem::forget(screen)
        } else {
            drop(screen)
        }
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, bus).await;
        if is_hung_up {
            std::process::exit(HUNG_UP);
        }
    }
}

async fn next(input: &mut Option<EventStream>) -> Option<io::Result<Event>> {
    match input {
        Some(input) => input.next().await,
        None => std::future::pending().await,
    }
}

fn of_terminal(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) => Some(Message::Key(key)),
        Event::Mouse(mouse) => Some(Message::Mouse(mouse)),
        Event::Paste(text) => Some(Message::Paste(text)),
        Event::Resize(width, height) => Some(Message::Resize { width, height }),
        Event::FocusGained | Event::FocusLost => None,
    }
}

/// The signals that end the program in order: the terminal is given back.
struct Signals {
    stop: StopSignals,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            stop: StopSignals::listen().map_err(io::Error::other)?,
            #[cfg(unix)]
            hang_up: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            () = self.stop.next() => {}
            _ = self.hang_up.recv() => {}
        }
        #[cfg(not(unix))]
        self.stop.next().await;
    }
}
