//! What a thing means decides how it looks: [`Role`]s, and the theme files that give each a style.
//!
//! A theme is a TOML file. `[ansi]` styles every role with the terminal's own sixteen colours;
//! `[truecolor]` may refine roles where the terminal says that it can. A style is words:
//! `"green bold"`, `"white on blue"`, `"#7fd88f"`, `"reverse"`.
//!
//! No meaning is told by colour alone: what must be seen without colour carries a sign, a word or
//! `reverse`, and the built-in `mono` theme shows it.

pub mod glyphs;

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What a piece of the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role {
            $($(#[$doc])* $variant,)*
        }

        impl Role {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in a theme file.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

roles! {
    Text = "text",
    /// Of less weight: labels, units, what is long past.
    Muted = "muted",
    Strong = "strong",
    /// Column headings.
    Heading = "heading",
    TabActive = "tab_active",
    Tab = "tab",
    /// A key in the hint line and in sentences.
    Key = "key",
    Rule = "rule",
    /// Rules and borders of a session in LIVE mode.
    RuleLive = "rule_live",
    Selected = "selected",
    Profit = "profit",
    Loss = "loss",
    Good = "good",
    Warn = "warn",
    Danger = "danger",
    Accent = "accent",
    /// An unprotected position and whatever is as serious.
    Alarm = "alarm",
    BadgeSim = "badge_sim",
    BadgeSandbox = "badge_sandbox",
    BadgeLive = "badge_live",
    BannerInfo = "banner_info",
    BannerWarn = "banner_warn",
    BannerDanger = "banner_danger",
    ToastInfo = "toast_info",
    ToastWarn = "toast_warn",
    ToastDanger = "toast_danger",
    Dialog = "dialog",
    DialogTitle = "dialog_title",
    Button = "button",
    ButtonFocus = "button_focus",
    Input = "input",
    InputError = "input_error",
    /// The part of a row that a search found.
    Found = "found",
}

/// How many colours the terminal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorDepth {
    None,
    Ansi,
    Truecolor,
}

/// Which background a theme is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    #[default]
    Dark,
    Light,
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ThemeError {
    #[error("{0}")]
    Toml(String),
    #[error("no style for: {0}")]
    Missing(String),
    #[error("`{0}` is no role; did you mean `{1}`?")]
    UnknownRole(String, &'static str),
    #[error("{role}: `{word}` is neither a colour nor one of bold dim italic underline reverse")]
    UnknownWord { role: String, word: String },
    #[error("{0}: `[ansi]` takes the sixteen colours of the terminal; put #rrggbb under `[truecolor]`")]
    NotAnsi(String),
}

/// A style for every role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    pub name: String,
    pub background: Background,
    styles: Vec<Style>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeFile {
    name: String,
    #[serde(default)]
    background: Background,
    ansi: BTreeMap<String, String>,
    #[serde(default)]
    truecolor: BTreeMap<String, String>,
}

/// The themes that are built in, by name.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../../assets/themes/dark.toml")),
    ("light", include_str!("../../../assets/themes/light.toml")),
    ("high-contrast", include_str!("../../../assets/themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../../assets/themes/colour-blind.toml")),
    ("mono", include_str!("../../../assets/themes/mono.toml")),
];

impl Theme {
    /// Reads a theme file for a terminal of this depth.
    ///
    /// # Errors
    /// When it is not TOML, a role has no style, or a style has a word that means nothing.
    pub fn parse(text: &str, depth: ColorDepth) -> Result<Self, ThemeError> {
        let file: ThemeFile = toml::from_str(text).map_err(|error| ThemeError::Toml(error.message().to_owned()))?;
        check_roles(file.ansi.keys().chain(file.truecolor.keys()))?;
        let missing: Vec<_> =
            Role::ALL.iter().filter(|role| !file.ansi.contains_key(role.name())).map(|role| role.name()).collect();
        if !missing.is_empty() {
            return Err(ThemeError::Missing(missing.join(", ")));
        }
        let mut styles = Vec::with_capacity(Role::ALL.len());
        for role in Role::ALL {
            styles.push(role_style(&file, *role, depth)?);
        }
        Ok(Self { name: file.name, background: file.background, styles })
    }

    /// A built-in theme; the name of one that does not exist gives the plain terminal.
    #[must_use]
    pub fn built_in(name: &str, depth: ColorDepth) -> Self {
        let text = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        text.and_then(|text| Self::parse(text, depth).ok()).unwrap_or_else(Self::plain)
    }

    fn plain() -> Self {
        Self { name: "plain".to_owned(), background: Background::Any, styles: vec![Style::new(); Role::ALL.len()] }
    }

    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }
}

fn check_roles<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), ThemeError> {
    for name in names {
        if !Role::ALL.iter().any(|role| role.name() == name) {
            let nearest = Role::ALL.iter().map(|role| (strsim::jaro_winkler(role.name(), name), role.name()));
            let nearest = nearest.max_by(|a, b| a.0.total_cmp(&b.0)).map_or("text", |(_, name)| name);
            return Err(ThemeError::UnknownRole(name.clone(), nearest));
        }
    }
    Ok(())
}

fn role_style(file: &ThemeFile, role: Role, depth: ColorDepth) -> Result<Style, ThemeError> {
    let ansi = parse_style(role, file.ansi.get(role.name()).map_or("", String::as_str))?;
    if [ansi.fg, ansi.bg].iter().flatten().any(|color| matches!(color, Color::Rgb(..))) {
        return Err(ThemeError::NotAnsi(role.name().to_owned()));
    }
    let full = match file.truecolor.get(role.name()) {
        Some(words) => parse_style(role, words)?,
        None => ansi,
    };
    Ok(match depth {
        ColorDepth::None => Style { fg: None, bg: None, ..ansi },
        ColorDepth::Ansi => ansi,
        ColorDepth::Truecolor => full,
    })
}

fn parse_style(role: Role, words: &str) -> Result<Style, ThemeError> {
    let mut style = Style::new();
    let mut is_background = false;
    for word in words.split_whitespace() {
        if word == "on" {
            is_background = true;
        } else if let Some(modifier) = modifier(word) {
            style = style.add_modifier(modifier);
        } else if let Some(color) = color(word) {
            style = if std::mem::take(&mut is_background) { style.bg(color) } else { style.fg(color) };
        } else {
            return Err(ThemeError::UnknownWord { role: role.name().to_owned(), word: word.to_owned() });
        }
    }
    Ok(style)
}

fn modifier(word: &str) -> Option<Modifier> {
    Some(match word {
        "bold" => Modifier::BOLD,
        "dim" => Modifier::DIM,
        "italic" => Modifier::ITALIC,
        "underline" => Modifier::UNDERLINED,
        "reverse" => Modifier::REVERSED,
        _ => return None,
    })
}

fn color(word: &str) -> Option<Color> {
    Some(match word {
        "default" => Color::Reset,
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "white" => Color::Gray,
        "bright-black" => Color::DarkGray,
        "bright-red" => Color::LightRed,
        "bright-green" => Color::LightGreen,
        "bright-yellow" => Color::LightYellow,
        "bright-blue" => Color::LightBlue,
        "bright-magenta" => Color::LightMagenta,
        "bright-cyan" => Color::LightCyan,
        "bright-white" => Color::White,
        _ => return rgb(word),
    })
}

fn rgb(word: &str) -> Option<Color> {
    let hex = word.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.is_ascii())?;
    let part = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    Some(Color::Rgb(part(0)?, part(2)?, part(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_is_whole_at_every_depth() {
        for (name, text) in BUILT_IN {
            for depth in [ColorDepth::None, ColorDepth::Ansi, ColorDepth::Truecolor] {
                let theme = Theme::parse(text, depth).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(theme.name, *name);
            }
        }
    }

    #[test]
    fn without_colour_the_gravest_things_stand_out_by_shape() {
        for (name, text) in BUILT_IN {
            let theme = Theme::parse(text, ColorDepth::None).unwrap();
            for role in [Role::Alarm, Role::BadgeLive, Role::BannerDanger, Role::ButtonFocus] {
                let style = theme.style(role);
                assert!(style.add_modifier.contains(Modifier::REVERSED), "{name}: {role:?} is reversed");
            }
            for role in Role::ALL {
                assert_eq!((theme.style(*role).fg, theme.style(*role).bg), (None, None), "{name}: {role:?}");
            }
        }
    }

    #[test]
    fn truecolor_is_used_only_where_it_is_known() {
        let text = BUILT_IN[0].1;
        let colors = |depth| {
            let theme = Theme::parse(text, depth).unwrap();
            Role::ALL.iter().filter(|role| matches!(theme.style(**role).fg, Some(Color::Rgb(..)))).count()
        };
        assert_eq!(colors(ColorDepth::Ansi), 0);
        assert!(colors(ColorDepth::Truecolor) > 0);
    }

    #[test]
    fn a_bad_theme_says_what_is_wrong() {
        let with =
            |from: &str, to: &str| Theme::parse(&BUILT_IN[0].1.replacen(from, to, 1), ColorDepth::Ansi).unwrap_err();
        assert!(matches!(with("profit =", "proffit ="), ThemeError::UnknownRole(name, "profit") if name == "proffit"));
        assert!(matches!(with("[ansi]", "[ansi]\nbogus"), ThemeError::Toml(_)));
        let no_text = BUILT_IN[0].1.replacen("text = \"\"\n", "", 1);
        assert_eq!(Theme::parse(&no_text, ColorDepth::Ansi), Err(ThemeError::Missing("text".to_owned())));
        let shout = BUILT_IN[0].1.replacen("text = \"\"", "text = \"loud\"", 1);
        assert!(
            matches!(Theme::parse(&shout, ColorDepth::Ansi), Err(ThemeError::UnknownWord { word, .. }) if word == "loud")
        );
        let deep = BUILT_IN[0].1.replacen("text = \"\"", "text = \"#ffffff\"", 1);
        assert_eq!(Theme::parse(&deep, ColorDepth::Ansi), Err(ThemeError::NotAnsi("text".to_owned())));
    }
}
