//! `bb ui`.

use bloodbank_core::Settings;
use bloodbank_ui::{Options, Theme};
use clap::ValueEnum;

use crate::{app::AppFactories, args::Via, error::Result, program_name::program_name, runtime};

/// The bus in a terminal: events, schemas, an editor, the live stream, traces, dead letters
///
/// The keys are on the screen; F1 shows all of them. Payloads are saved in `mocks/`, one file per routing key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb ui
  bb ui --theme light
  RABBIT_URL=amqp://localhost bb ui")]
pub(crate) struct Ui {
    /// The colours; without it those for a light background where COLORFGBG names one, none with NO_COLOR
    #[arg(long, value_name = "THEME")]
    theme: Option<ThemeName>,
    /// Which way to the bus
    #[arg(long, value_name = "WAY", default_value = "auto")]
    via: Via,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ThemeName {
    /// For a dark background
    Dark,
    /// For a light background
    Light,
    /// No colours
    Plain,
}

impl Ui {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        let theme = match self.theme {
            Some(ThemeName::Dark) => Theme::dark(),
            Some(ThemeName::Light) => Theme::light(),
            Some(ThemeName::Plain) => Theme::plain(),
            None => Theme::detected(),
        };
        runtime::block_on_quietly(async {
            let settings = Settings::load()?;
            let topology = apps.topology().await?;
            let queues = topology.queues.iter().filter_map(|queue| queue.name.strip_suffix(".dlq"));
            let options = Options::new(program_name()).queues(queues).theme(theme).via(self.via.into());
            Ok(bloodbank_ui::run(settings, options).await?)
        })
    }
}
