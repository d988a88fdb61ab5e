//! The client's part of `config.toml`: `[client]` and `[keys]`. Defaults, then
//! `/etc/blotter/config.toml`, then the user's own file; a later one wins key by key.
//!
//! Every mistake is reported at once, each with file, line, key and rule. The other sections are
//! the daemon's and are left to it; a section that neither knows is a mistake.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::environment::Environment;
use crate::input::keymap::{Keymap, UserKeys};
use crate::sound::QuietHours;

/// When something follows what the surroundings say, and when not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    #[default]
    Auto,
    On,
    Off,
}

/// How a sound reaches the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoundWay {
    /// An audio device here, the bell and a notification over SSH.
    #[default]
    Auto,
    Bell,
    Device,
    Off,
}

/// Everything that the client can be told.
#[derive(Clone, Debug)]
pub struct Config {
    pub socket: Option<PathBuf>,
    /// `auto`, the name of a theme, or a file.
    pub theme: String,
    pub mouse: Switch,
    pub sound: SoundWay,
    /// When only money at risk is heard.
    pub quiet: Option<QuietHours>,
    /// `on` shows box characters whatever the locale says, `off` shows ASCII.
    pub unicode: Switch,
    /// `off` stops the spinner and every flash.
    pub motion: Switch,
    /// How often the client asks whether it missed something.
    pub refresh: Duration,
    /// The name of this device; by default host and SSH client.
    pub device: Option<String>,
    /// Shows mode and open trades in the terminal's title.
    pub title: bool,
    pub keymap: Keymap,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            socket: None,
            theme: "auto".to_owned(),
            mouse: Switch::Auto,
            sound: SoundWay::Auto,
            quiet: None,
            unicode: Switch::Auto,
            motion: Switch::Auto,
            refresh: Duration::from_secs(15),
            device: None,
            title: false,
            keymap: Keymap::defaults(),
        }
    }
}

/// A mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub file: PathBuf,
    pub line: usize,
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Where configuration is looked for, the weakest first.
#[must_use]
pub fn places(environment: &Environment, only: Option<&Path>) -> Vec<PathBuf> {
    if let Some(only) = only {
        return vec![only.to_owned()];
    }
    let user = environment.config_home().map(|home| home.join("blotter/config.toml"));
    std::iter::once(PathBuf::from(SYSTEM_FILE)).chain(user).collect()
}

/// For all users of this machine, and for the daemon. It may be closed to everybody but the daemon,
/// whose secrets it may hold.
const SYSTEM_FILE: &str = "/etc/blotter/config.toml";

/// Whether a file that cannot be read is one that need not be.
fn may_be_absent(file: &Path, why: std::io::ErrorKind) -> bool {
    let is_closed = why == std::io::ErrorKind::PermissionDenied && file == Path::new(SYSTEM_FILE);
    why == std::io::ErrorKind::NotFound || is_closed
}

/// Reads the files that are there.
///
/// # Errors
/// Every mistake in any of them. A file that `--config` names must be there.
pub fn load(environment: &Environment, only: Option<&Path>) -> Result<Config, ConfigErrors> {
    let mut reading = Reading::default();
    for file in places(environment, only) {
        match std::fs::read_to_string(&file) {
            Ok(text) => reading.read(&file, &text),
            Err(error) if only.is_none() && may_be_absent(&file, error.kind()) => {}
            Err(error) => reading.mistake(&file, 1, format!("cannot be read: {error}")),
        }
    }
    reading.finish()
}

/// Reads one text as if it were a file.
///
/// # Errors
/// Every mistake in it.
pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigErrors> {
    let mut reading = Reading::default();
    reading.read(file, text);
    reading.finish()
}

/// Sections that belong to the daemon.
const DAEMON_SECTIONS: &[&str] = &[
    "daemon",
    "database",
    "vault",
    "broker",
    "market",
    "auth",
    "limits",
    "events",
    "log",
    "schedule",
    "backup",
    "risk",
    "alerts",
    "simulator",
    "mcp",
];

#[derive(Default)]
struct Reading {
    config: Config,
    keys: BTreeMap<String, UserKeys>,
    key_files: BTreeMap<String, PathBuf>,
    errors: Vec<ConfigError>,
}

impl Reading {
    fn mistake(&mut self, file: &Path, line: usize, message: String) {
        self.errors.push(ConfigError { file: file.to_owned(), line, message });
    }

    fn read(&mut self, file: &Path, text: &str) {
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let line = line_of(text, error.span().map_or(0, |span| span.start));
                return self.mistake(file, line, error.message().to_owned());
            }
        };
        for (name, section) in table.get_ref() {
            let line = line_of(text, name.span().start);
            match (name.get_ref().as_ref(), section.get_ref()) {
                ("client", DeValue::Table(client)) => self.read_client(file, text, client),
                ("keys", DeValue::Table(keys)) => self.read_keys(file, text, keys),
                (section, DeValue::Table(_)) if DAEMON_SECTIONS.contains(&section) => {}
                (section, DeValue::Table(_)) => {
                    let known = DAEMON_SECTIONS.iter().copied().chain(["client", "keys"]);
                    self.mistake(file, line, unknown("section", section, known));
                }
                (name, _) => self.mistake(file, line, format!("`{name}` stands outside of a [section]")),
            }
        }
    }

    fn read_client(&mut self, file: &Path, text: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let line = line_of(text, name.span().start);
            let result = set_client_key(&mut self.config, name.get_ref(), value.get_ref());
            if let Err(rule) = result {
                self.mistake(file, line, format!("client.{}: {rule}", name.get_ref()));
            }
        }
    }

    fn read_keys(&mut self, file: &Path, text: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let line = line_of(text, name.span().start);
            match chord_texts(value.get_ref()) {
                Some(chords) => {
                    self.key_files.insert(name.get_ref().to_string(), file.to_owned());
                    self.keys.insert(name.get_ref().to_string(), UserKeys { line, chords });
                }
                None => {
                    self.mistake(file, line, format!("keys.{}: a key such as \"q\" or a list of keys", name.get_ref()));
                }
            }
        }
    }

    fn finish(mut self) -> Result<Config, ConfigErrors> {
        match Keymap::with(&self.keys) {
            Ok(keymap) => self.config.keymap = keymap,
            Err(errors) => {
                for error in errors {
                    let owner = self.keys.iter().find(|(_, keys)| keys.line == error.line).map(|(name, _)| name);
                    let file = owner.and_then(|name| self.key_files.get(name)).cloned().unwrap_or_default();
                    self.errors.push(ConfigError {
                        file,
                        line: error.line,
                        message: format!("keys: {}", error.message),
                    });
                }
            }
        }
        self.errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        if self.errors.is_empty() { Ok(self.config) } else { Err(ConfigErrors(self.errors)) }
    }
}

const CLIENT_KEYS: &[&str] =
    &["socket", "theme", "mouse", "sound", "quiet_hours", "unicode", "motion", "refresh_s", "device", "title"];

/// Refresh intervals that are neither a flood nor a museum.
const REFRESH_S: std::ops::RangeInclusive<u64> = 2..=3600;

fn set_client_key(config: &mut Config, name: &str, value: &DeValue<'_>) -> Result<(), String> {
    match name {
        "socket" => config.socket = Some(PathBuf::from(string(value, "a path")?)),
        "theme" => config.theme = string(value, "auto, the name of a theme, or a file")?,
        "mouse" => config.mouse = switch(value)?,
        "unicode" => config.unicode = switch(value)?,
        "motion" => config.motion = switch(value)?,
        "sound" => config.sound = sound_way(value)?,
        "quiet_hours" => config.quiet = Some(quiet_hours(value)?),
        "device" => config.device = Some(device(value)?),
        "title" => config.title = value.as_bool().ok_or("true or false")?,
        "refresh_s" => {
            let rule = "seconds, between 2 and 3600";
            let seconds =
                value.as_integer().and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
            let seconds = seconds.filter(|seconds| REFRESH_S.contains(seconds)).ok_or(rule)?;
            config.refresh = Duration::from_secs(seconds);
        }
        other => return Err(unknown("key", other, CLIENT_KEYS.iter().copied())),
    }
    Ok(())
}

fn string(value: &DeValue<'_>, rule: &str) -> Result<String, String> {
    value.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned).ok_or_else(|| rule.to_owned())
}

fn switch(value: &DeValue<'_>) -> Result<Switch, String> {
    match value.as_str() {
        Some("auto") => Ok(Switch::Auto),
        Some("on") => Ok(Switch::On),
        Some("off") => Ok(Switch::Off),
        _ => Err("\"auto\", \"on\" or \"off\"".to_owned()),
    }
}

fn sound_way(value: &DeValue<'_>) -> Result<SoundWay, String> {
    match value.as_str() {
        Some("auto") => Ok(SoundWay::Auto),
        Some("bell") => Ok(SoundWay::Bell),
        Some("device") => Ok(SoundWay::Device),
        Some("off") => Ok(SoundWay::Off),
        _ => Err("\"auto\", \"bell\", \"device\" or \"off\"".to_owned()),
    }
}

fn quiet_hours(value: &DeValue<'_>) -> Result<QuietHours, String> {
    let time = |text: &str| chrono::NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
    let hours =
        value.as_str().and_then(|text| text.split_once('-')).and_then(|(from, to)| Some((time(from)?, time(to)?)));
    let (from, to) = hours.ok_or("two times in New York, as in \"22:00-07:00\"")?;
    Ok(QuietHours { from, to })
}

fn device(value: &DeValue<'_>) -> Result<String, String> {
    let max = blotter_shared::protocol::headers::DEVICE_MAX_CHARS;
    let rule = format!("1 to {max} printable ASCII characters");
    let name = string(value, &rule)?;
    let fits = name.len() <= max && name.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if fits { Ok(name) } else { Err(rule) }
}

fn chord_texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    if let Some(text) = value.as_str() {
        return Some(vec![text.to_owned()]);
    }
    let texts =
        value.as_array()?.iter().map(|item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(ToOwned::to_owned));
    texts.collect()
}

fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let nearest = known.map(|known| (strsim::jaro_winkler(known, name), known));
    match nearest.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness > 0.7) {
        Some((_, nearest)) => format!("unknown {what} `{name}`; did you mean `{nearest}`?"),
        None => format!("unknown {what} `{name}`"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The whole configuration as a file, every key with its present value and what it is for.
#[must_use]
pub fn dump(config: &Config) -> String {
    let switch = |switch: Switch| match switch {
        Switch::Auto => "auto",
        Switch::On => "on",
        Switch::Off => "off",
    };
    let sound = match config.sound {
        SoundWay::Auto => "auto",
        SoundWay::Bell => "bell",
        SoundWay::Device => "device",
        SoundWay::Off => "off",
    };
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let optional = |key: &str, value: Option<String>| match value {
        Some(value) => format!("{key} = {}", quoted(&value)),
        None => format!("# {key} ="),
    };
    let clock = |time: chrono::NaiveTime| time.format("%H:%M").to_string();
    let quiet = optional("quiet_hours", config.quiet.map(|quiet| format!("{}-{}", clock(quiet.from), clock(quiet.to))));
    let mut out = format!(
        "[client]\n# Where blotterd listens; by default found in its usual places.\n{}\n\
         # auto, dark, light, high-contrast, colour-blind, mono, or a theme file.\ntheme = {}\n\
         # auto is off over SSH, so that the terminal's own selection works.\nmouse = \"{}\"\n\
         # auto, bell, device or off.\nsound = \"{sound}\"\n\
         # Hours in New York in which only positions at risk are heard, as in \"22:00-07:00\".\n{quiet}\n\
         # auto follows the locale; off draws with ASCII.\nunicode = \"{}\"\n\
         # off (or NO_MOTION) stops spinners and flashes.\nmotion = \"{}\"\n\
         # Seconds between two questions whether anything was missed.\nrefresh_s = {}\n\
         # This device, as other devices see it.\n{}\n\
         # Mode and number of open trades in the terminal's title.\ntitle = {}\n\n[keys]\n",
        optional("socket", config.socket.as_ref().map(|path| path.display().to_string())),
        quoted(&config.theme),
        switch(config.mouse),
        switch(config.unicode),
        switch(config.motion),
        config.refresh.as_secs(),
        optional("device", config.device.clone()),
        config.title,
    );
    for (entry, chords) in config.keymap.entries() {
        let chords: Vec<_> = chords.iter().map(|chord| quoted(&chord.spelled())).collect();
        out.push_str(&format!("{} = [{}] # {}\n", entry.name, chords.join(", "), entry.help));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::keymap::Action;

    fn errors(text: &str) -> Vec<String> {
        let errors = parse(Path::new("c.toml"), text).unwrap_err();
        errors.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_dumped_reads_back_to_the_same() {
        let text = "[client]\nsocket = \"/tmp/x \\\"y\"\ntheme = \"light\"\nmouse = \"off\"\nsound = \"bell\"\n\
                    refresh_s = 30\ndevice = \"desk\"\ntitle = true\n[keys]\nquit = [\"ctrl-q\", \"Q\"]\n";
        let config = parse(Path::new("c.toml"), text).unwrap();
        let again = parse(Path::new("d.toml"), &dump(&config)).unwrap();
        assert_eq!(dump(&config), dump(&again));
        assert_eq!(again.refresh, Duration::from_secs(30));
        assert_eq!(again.socket, Some(PathBuf::from("/tmp/x \"y")));
        assert_eq!(again.keymap.key_of(Action::Quit).unwrap().spelled(), "ctrl-q");
        let defaults = parse(Path::new("e.toml"), &dump(&Config::default())).unwrap();
        assert_eq!(dump(&defaults), dump(&Config::default()));
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let text = "lonely = 1\n[client]\nthem = \"dark\"\nmouse = \"maybe\"\nrefresh_s = 1\ntitle = \"yes\"\n\
                    device = \"\"\n[keys]\nqiut = \"x\"\nsync = 7\nauto_refresh = \"r\"\n[clinet]\n";
        assert_eq!(
            errors(text),
            [
                "c.toml:1: `lonely` stands outside of a [section]",
                "c.toml:3: client.them: unknown key `them`; did you mean `theme`?",
                "c.toml:4: client.mouse: \"auto\", \"on\" or \"off\"",
                "c.toml:5: client.refresh_s: seconds, between 2 and 3600",
                "c.toml:6: client.title: true or false",
                "c.toml:7: client.device: 1 to 64 printable ASCII characters",
                "c.toml:9: keys: `qiut` is no action; did you mean `quit`?",
                "c.toml:10: keys.sync: a key such as \"q\" or a list of keys",
                "c.toml:11: keys: `r` is both `sync` and `auto_refresh`",
                "c.toml:12: unknown section `clinet`; did you mean `client`?",
            ]
        );
    }

    #[test]
    fn a_file_that_is_not_toml_names_the_line() {
        assert!(errors("[client]\ntheme = \n")[0].starts_with("c.toml:2: "), "{:?}", errors("[client]\ntheme = \n"));
    }

    #[test]
    fn the_systems_file_may_be_closed_to_us_and_our_own_may_not() {
        use std::io::ErrorKind;
        let ours = Path::new("/home/ann/.config/blotter/config.toml");
        for (file, why, expected) in [
            (Path::new(SYSTEM_FILE), ErrorKind::PermissionDenied, true),
            (ours, ErrorKind::PermissionDenied, false),
            (ours, ErrorKind::NotFound, true),
            (Path::new(SYSTEM_FILE), ErrorKind::InvalidData, false),
        ] {
            assert_eq!(may_be_absent(file, why), expected, "{} {why}", file.display());
        }
    }

    #[test]
    fn the_users_file_wins_key_by_key() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment { xdg_config_home: Some(folder.path().to_owned()), ..Environment::default() };
        assert_eq!(load(&environment, None).unwrap().theme, "auto");
        let file = folder.path().join("blotter/config.toml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "[client]\ntheme = \"light\"\n[daemon]\nanything = 1\n").unwrap();
        assert_eq!(load(&environment, None).unwrap().theme, "light");
        let missing = load(&environment, Some(Path::new("/nonexistent/c.toml"))).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/c.toml:1: cannot be read"));
    }
}
