//! Colours: the sixteen of the terminal, which fit its palette, or none.

use ratatui::style::{Color, Modifier, Style};

/// The colours of the terminal interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    palette: Palette,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Palette {
    Dark,
    Light,
    Plain,
}

impl Theme {
    /// Colours for a dark background.
    #[must_use]
    pub fn dark() -> Self {
        Self { palette: Palette::Dark }
    }

    /// Colours for a light background.
    #[must_use]
    pub fn light() -> Self {
        Self { palette: Palette::Light }
    }

    /// No colours: bold, dim, underlined and reversed text alone.
    #[must_use]
    pub fn plain() -> Self {
        Self { palette: Palette::Plain }
    }

    /// The colours that the environment asks for: none with `NO_COLOR`, those for a light background where `COLORFGBG` names
    /// one, otherwise those for a dark one.
    #[must_use]
    pub fn detected() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if is_set("NO_COLOR") {
            return Self::plain();
        }
        Self::for_background(std::env::var("COLORFGBG").ok().as_deref())
    }

    /// `COLORFGBG` is `foreground;background`, in numbers of the palette.
    fn for_background(colours: Option<&str>) -> Self {
        let background = colours.and_then(|colours| colours.rsplit(';').next()?.parse::<u8>().ok());
        if matches!(background, Some(7 | 9..=15)) { Self::light() } else { Self::dark() }
    }

    fn colour(self, dark: Color, light: Color, plain: Modifier) -> Style {
        match self.palette {
            Palette::Dark => Style::new().fg(dark),
            Palette::Light => Style::new().fg(light),
            Palette::Plain => Style::new().add_modifier(plain),
        }
    }

    /// A routing key, or a name in JSON.
    pub(crate) fn key(self) -> Style {
        self.colour(Color::Cyan, Color::Blue, Modifier::empty())
    }

    /// A text in JSON.
    pub(crate) fn text(self) -> Style {
        self.colour(Color::Green, Color::Green, Modifier::empty())
    }

    /// A number, `true`, `false`, `null`; the type of a field.
    pub(crate) fn value(self) -> Style {
        self.colour(Color::Yellow, Color::Magenta, Modifier::empty())
    }

    /// A command.
    pub(crate) fn command(self) -> Style {
        self.colour(Color::Magenta, Color::Magenta, Modifier::BOLD)
    }

    /// It is as it should be.
    pub(crate) fn good(self) -> Style {
        self.colour(Color::Green, Color::Green, Modifier::empty())
    }

    /// Somebody should look.
    pub(crate) fn warning(self) -> Style {
        self.colour(Color::Yellow, Color::Red, Modifier::BOLD)
    }

    /// It is wrong, or a failure.
    pub(crate) fn bad(self) -> Style {
        self.colour(Color::LightRed, Color::Red, Modifier::UNDERLINED)
    }

    /// What matters less.
    pub(crate) fn dim(self) -> Style {
        self.colour(Color::DarkGray, Color::DarkGray, Modifier::DIM)
    }

    /// The head of a part.
    pub(crate) fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The border of the part that keys go to.
    pub(crate) fn focused(self) -> Style {
        self.colour(Color::Cyan, Color::Blue, Modifier::BOLD)
    }

    /// What is selected.
    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_chooses_the_colours() {
        for light in ["0;15", "0;default;15", "0;7"] {
            assert_eq!(Theme::for_background(Some(light)), Theme::light(), "{light}");
        }
        for dark in [Some("15;0"), Some("7;8"), Some("nonsense"), None] {
            assert_eq!(Theme::for_background(dark), Theme::dark(), "{dark:?}");
        }
    }

    #[test]
    fn without_colours_there_are_none() {
        let plain = Theme::plain();
        for style in [plain.key(), plain.text(), plain.command(), plain.bad(), plain.dim(), plain.focused()] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }
}
