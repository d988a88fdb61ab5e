//! What the environment and the configuration together say about this terminal. Decided once,
//! before the first frame.

use std::io;

use crate::clock::Now;
use crate::config::{Config, Switch};
use crate::environment::Environment;
use crate::model::{Access, Motion, Surroundings};
use crate::theme::glyphs::Glyphs;
use crate::theme::{BUILT_IN, ColorDepth, Theme};

/// Why there can be no screen on this terminal, with what to use instead.
#[must_use]
pub fn refusal(environment: &Environment) -> Option<String> {
    let instead = "For text without a screen: `blotter trades`.";
    match environment.term.as_deref() {
        None => Some(format!("TERM is not set, so this terminal's abilities are unknown. {instead}")),
        Some("dumb") => Some(format!("TERM=dumb cannot show a screen. {instead}")),
        Some(_) => None,
    }
}

/// How many colours to use.
#[must_use]
pub fn depth(environment: &Environment) -> ColorDepth {
    if environment.no_color.is_some() || environment.clicolor.as_deref() == Some("0") {
        return ColorDepth::None;
    }
    if environment
        .term
        .as_deref()
        .is_some_and(|term| term.starts_with("vt") || term.ends_with("-m") || term.ends_with("-mono"))
    {
        return ColorDepth::None;
    }
    match environment.colorterm.as_deref() {
        Some("truecolor" | "24bit") => ColorDepth::Truecolor,
        Some(_) | None => ColorDepth::Ansi,
    }
}

/// Whether box characters, arrows and braille can be shown.
#[must_use]
pub fn glyphs(config: &Config, environment: &Environment) -> Glyphs {
    let is_utf8 = environment.locale.as_deref().is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    match config.unicode {
        Switch::On => Glyphs::Unicode,
        Switch::Off => Glyphs::Ascii,
        Switch::Auto if is_utf8 => Glyphs::Unicode,
        Switch::Auto => Glyphs::Ascii,
    }
}

/// Off over SSH unless asked for, so that the terminal's own selection works.
#[must_use]
pub fn mouse(config: &Config, environment: &Environment) -> bool {
    match config.mouse {
        Switch::On => true,
        Switch::Off => false,
        Switch::Auto => !environment.is_ssh(),
    }
}

/// The console of a bare machine does not understand questions and would show them.
#[must_use]
pub fn answers_questions(environment: &Environment) -> bool {
    environment.term.as_deref().is_some_and(|term| term != "linux" && !term.starts_with("vt"))
}

/// Everything that the model is told.
#[must_use]
pub fn of(config: &Config, environment: &Environment, access: Access) -> Surroundings {
    let depth = depth(environment);
    let moves = match config.motion {
        Switch::On => true,
        Switch::Off => false,
        Switch::Auto => environment.no_motion.is_none(),
    };
    Surroundings {
        depth,
        glyphs: glyphs(config, environment),
        motion: if moves { Motion::Full } else { Motion::Still },
        quiet: config.quiet,
        theme_follows: config.theme == "auto" && depth != ColorDepth::None,
        access,
        shows_title: config.title,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// The theme that the session begins with.
///
/// # Errors
/// When the configuration names one that is not there or has a mistake.
pub fn theme(config: &Config, environment: &Environment) -> io::Result<Theme> {
    let depth = depth(environment);
    let name = config.theme.as_str();
    if depth == ColorDepth::None {
        return Ok(Theme::built_in("mono", depth));
    }
    if name == "auto" {
        return Ok(Theme::built_in(if looks_light(environment) { "light" } else { "dark" }, depth));
    }
    if BUILT_IN.iter().any(|(known, _)| *known == name) {
        return Ok(Theme::built_in(name, depth));
    }
    let file = theme_file(name, environment);
    let text = std::fs::read_to_string(&file).map_err(|error| {
        let known: Vec<_> = BUILT_IN.iter().map(|(known, _)| *known).collect();
        let file = file.display();
        io::Error::other(format!("theme `{name}`: {file}: {error}. Built in are: auto, {}", known.join(", ")))
    })?;
    Theme::parse(&text, depth).map_err(|error| io::Error::other(format!("theme {}: {error}", file.display())))
}

fn theme_file(name: &str, environment: &Environment) -> std::path::PathBuf {
    if name.contains('/') {
        return name.into();
    }
    let themes = environment.config_home().unwrap_or_default().join("blotter/themes");
    themes.join(format!("{name}.toml"))
}

/// `COLORFGBG` ends in the background's number: 7 and 15 are light.
fn looks_light(environment: &Environment) -> bool {
    let background = environment.colorfgbg.as_deref().and_then(|text| text.rsplit(';').next());
    matches!(background, Some("7" | "15"))
}

/// The client's only randomness: this moment and this process.
#[must_use]
pub fn seed(now: Now) -> u64 {
    let nanos = now.wall.timestamp_nanos_opt().unwrap_or_default().unsigned_abs();
    nanos ^ (u64::from(std::process::id()) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_lookup(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn colours_follow_the_environment() {
        for (pairs, expected) in [
            (&[("TERM", "xterm-256color")][..], ColorDepth::Ansi),
            (&[("TERM", "xterm"), ("COLORTERM", "truecolor")], ColorDepth::Truecolor),
            (&[("TERM", "xterm"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")], ColorDepth::None),
            (&[("TERM", "xterm"), ("CLICOLOR", "0")], ColorDepth::None),
            (&[("TERM", "vt100")], ColorDepth::None),
        ] {
            assert_eq!(depth(&environment(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_terminal_that_can_show_nothing_is_refused_with_the_way_out() {
        assert!(refusal(&environment(&[])).unwrap().contains("blotter trades"));
        assert!(refusal(&environment(&[("TERM", "dumb")])).unwrap().contains("blotter trades"));
        assert_eq!(refusal(&environment(&[("TERM", "screen")])), None);
    }

    #[test]
    fn without_utf8_the_glyphs_are_ascii() {
        let config = Config::default();
        for (pairs, expected) in [
            (&[("LANG", "C.UTF-8")][..], Glyphs::Unicode),
            (&[("LANG", "en_US.utf8")], Glyphs::Unicode),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], Glyphs::Ascii),
            (&[], Glyphs::Ascii),
        ] {
            assert_eq!(glyphs(&config, &environment(pairs)), expected, "{pairs:?}");
        }
        let forced = Config { unicode: Switch::On, ..Config::default() };
        assert_eq!(glyphs(&forced, &environment(&[])), Glyphs::Unicode);
    }

    #[test]
    fn the_mouse_is_off_over_ssh_unless_asked_for() {
        let remote = environment(&[("SSH_TTY", "/dev/pts/0")]);
        assert!(!mouse(&Config::default(), &remote));
        assert!(mouse(&Config::default(), &environment(&[])));
        assert!(mouse(&Config { mouse: Switch::On, ..Config::default() }, &remote));
    }

    #[test]
    fn the_first_theme_follows_what_the_terminal_says_of_its_background() {
        for (pairs, expected) in [
            (&[("TERM", "xterm")][..], "dark"),
            (&[("TERM", "xterm"), ("COLORFGBG", "0;15")], "light"),
            (&[("TERM", "xterm"), ("COLORFGBG", "0;default;7")], "light"),
            (&[("TERM", "xterm"), ("COLORFGBG", "15;0")], "dark"),
            (&[("TERM", "xterm"), ("COLORFGBG", "7;default")], "dark"),
            (&[("TERM", "xterm"), ("COLORFGBG", "")], "dark"),
            (&[("TERM", "xterm"), ("COLORFGBG", "0;15"), ("NO_COLOR", "1")], "mono"),
        ] {
            assert_eq!(theme(&Config::default(), &environment(pairs)).unwrap().name, expected, "{pairs:?}");
        }
        let light = environment(&[("TERM", "xterm"), ("COLORFGBG", "0;15")]);
        let chosen = Config { theme: "dark".to_owned(), ..Config::default() };
        assert_eq!(theme(&chosen, &light).unwrap().name, "dark", "a theme that was chosen stays");
        assert!(of(&Config::default(), &light, Access::Full).theme_follows);
        assert!(!of(&chosen, &light, Access::Full).theme_follows);
    }

    #[test]
    fn a_theme_of_ones_own_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = environment(&[("TERM", "xterm")]);
        environment.xdg_config_home = Some(folder.path().to_owned());
        let mine = Config { theme: "mine".to_owned(), ..Config::default() };
        assert!(theme(&mine, &environment).unwrap_err().to_string().contains("Built in are: auto, dark"));
        let file = folder.path().join("blotter/themes/mine.toml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, BUILT_IN[1].1).unwrap();
        assert_eq!(theme(&mine, &environment).unwrap().name, "light");
    }
}
