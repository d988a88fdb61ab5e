//! What a value may be: how it is read from a file or from the environment, the words for the rule,
//! and how a value is written in the example.

use std::fmt::Display;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use tracing_subscriber::filter::{LevelFilter, Targets};
use zeroize::Zeroizing;

use super::sources::Raw;
use crate::db::Endpoint;

/// A rule for values of type `T`.
pub(super) trait Rule<T> {
    /// The rule as words that follow the key: `a whole number between 1 and 10`.
    fn words(&self) -> String;
    /// The value, or the rule that it breaks.
    fn read(&self, raw: &Raw) -> Result<T, String>;
    /// The value as TOML.
    fn show(&self, value: &T) -> String;
    /// Whether a fault may not repeat what was written.
    fn is_secret(&self) -> bool {
        false
    }
    /// Whether nobody else may read this value; an address without a password is no secret.
    fn holds_secret(&self, _raw: &Raw) -> bool {
        self.is_secret()
    }
}

/// A whole number within bounds.
pub(super) struct Whole(pub(super) RangeInclusive<u32>);

impl Rule<u32> for Whole {
    fn words(&self) -> String {
        format!("a whole number between {} and {}", self.0.start(), self.0.end())
    }

    fn read(&self, raw: &Raw) -> Result<u32, String> {
        let number = match raw {
            Raw::File(toml::Value::Integer(number)) => u32::try_from(*number).ok(),
            Raw::File(_) => None,
            Raw::Text(text) => text.trim().parse().ok(),
        };
        number.filter(|number| self.0.contains(number)).ok_or_else(|| self.words())
    }

    fn show(&self, value: &u32) -> String {
        value.to_string()
    }
}

/// A time in whole seconds within bounds; the key's name ends in `_s`.
pub(super) struct Seconds(pub(super) RangeInclusive<u32>);

impl Rule<Duration> for Seconds {
    fn words(&self) -> String {
        format!("whole seconds between {} and {}", self.0.start(), self.0.end())
    }

    fn read(&self, raw: &Raw) -> Result<Duration, String> {
        let seconds = Whole(self.0.clone()).read(raw).map_err(|_| self.words())?;
        Ok(Duration::from_secs(seconds.into()))
    }

    fn show(&self, value: &Duration) -> String {
        value.as_secs().to_string()
    }
}

/// Yes or no.
pub(super) struct Flag;

impl Rule<bool> for Flag {
    fn words(&self) -> String {
        "true or false".to_owned()
    }

    fn read(&self, raw: &Raw) -> Result<bool, String> {
        match raw {
            Raw::File(toml::Value::Boolean(flag)) => Ok(*flag),
            Raw::File(_) => Err(self.words()),
            Raw::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(true),
                "false" | "0" | "no" | "off" | "" => Ok(false),
                _ => Err(self.words()),
            },
        }
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// An absolute path.
pub(super) struct AbsolutePath;

impl Rule<PathBuf> for AbsolutePath {
    fn words(&self) -> String {
        "an absolute path".to_owned()
    }

    fn read(&self, raw: &Raw) -> Result<PathBuf, String> {
        let path = PathBuf::from(raw.text().ok_or_else(|| self.words())?);
        if path.is_absolute() { Ok(path) } else { Err(self.words()) }
    }

    fn show(&self, value: &PathBuf) -> String {
        quoted(value.display())
    }
}

/// The name of a user or a group.
pub(super) struct Name;

impl Rule<String> for Name {
    fn words(&self) -> String {
        "a name without white space".to_owned()
    }

    fn read(&self, raw: &Raw) -> Result<String, String> {
        let name = raw.text().ok_or_else(|| self.words())?;
        let is_name = !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control());
        if is_name { Ok(name.to_owned()) } else { Err(self.words()) }
    }

    fn show(&self, value: &String) -> String {
        quoted(value)
    }
}

/// Several names; in the environment with commas between them.
pub(super) struct Names;

impl Rule<Vec<String>> for Names {
    fn words(&self) -> String {
        "a list of names without white space".to_owned()
    }

    fn read(&self, raw: &Raw) -> Result<Vec<String>, String> {
        let parts: Vec<Raw> = match raw {
            Raw::File(toml::Value::Array(values)) => values.iter().cloned().map(Raw::File).collect(),
            Raw::File(_) => return Err(self.words()),
            Raw::Text(text) => {
                let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                names.map(|name| Raw::Text(name.to_owned())).collect()
            }
        };
        parts.iter().map(|part| Name.read(part).map_err(|_| self.words())).collect()
    }

    fn show(&self, value: &Vec<String>) -> String {
        format!("[{}]", value.iter().map(quoted).collect::<Vec<_>>().join(", "))
    }
}

/// Which messages are logged: a level, or levels by module.
pub(super) struct LogFilter;

impl Rule<String> for LogFilter {
    fn words(&self) -> String {
        "off, error, warn, info, debug or trace, also by module as in `info,blotter_daemon::db=debug`".to_owned()
    }

    fn read(&self, raw: &Raw) -> Result<String, String> {
        let text = raw.text().ok_or_else(|| self.words())?;
        // A word alone must be a level: `loud` would be taken for a module of that name.
        // And nothing at all is no level.
        let is_level = |part: &str| {
            let part = part.trim();
            part.contains('=') || (!part.is_empty() && part.parse::<LevelFilter>().is_ok())
        };
        match text.parse::<Targets>() {
            Ok(_) if text.split(',').all(is_level) => Ok(text.to_owned()),
            Ok(_) | Err(_) => Err(self.words()),
        }
    }

    fn show(&self, value: &String) -> String {
        quoted(value)
    }
}

/// Where the log goes and how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal when systemd started us, else text.
    Auto,
    Text,
    Json,
    Journald,
}

/// One of the words of [`LogFormat`].
pub(super) struct Format;

const FORMATS: [(&str, LogFormat); 4] = [
    ("auto", LogFormat::Auto),
    ("text", LogFormat::Text),
    ("json", LogFormat::Json),
    ("journald", LogFormat::Journald),
];

impl Rule<LogFormat> for Format {
    fn words(&self) -> String {
        format!("one of: {}", FORMATS.map(|(word, _)| word).join(" "))
    }

    fn read(&self, raw: &Raw) -> Result<LogFormat, String> {
        let text = raw.text().ok_or_else(|| self.words())?;
        FORMATS.iter().find(|(word, _)| *word == text).map(|(_, format)| *format).ok_or_else(|| self.words())
    }

    fn show(&self, value: &LogFormat) -> String {
        FORMATS.iter().find(|(_, format)| format == value).map(|(word, _)| quoted(word)).unwrap_or_default()
    }
}

/// A server address, which may hold a password.
pub(super) struct DatabaseAddress;

impl Rule<SecretString> for DatabaseAddress {
    fn words(&self) -> String {
        "an address as postgres://user:password@host/database".to_owned()
    }

    fn read(&self, raw: &Raw) -> Result<SecretString, String> {
        let text = raw.text().ok_or_else(|| self.words())?;
        Endpoint::parse(text).map_err(|error| error.to_string())?;
        Ok(SecretString::from(text))
    }

    fn show(&self, _value: &SecretString) -> String {
        quoted("<secret>")
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn holds_secret(&self, raw: &Raw) -> bool {
        let address = raw.text().and_then(|text| Endpoint::parse(text).ok());
        address.is_none_or(|address| address.has_password())
    }
}

/// 32 bytes in base64.
pub(super) struct Keys;

impl Rule<SecretString> for Keys {
    fn words(&self) -> String {
        "32 bytes in base64, as `blotterd vault keygen` makes them; several keys are one line each, `v2:` and the key above `v1:` and the key".to_owned()
    }

    fn read(&self, raw: &Raw) -> Result<SecretString, String> {
        let text = raw.text().ok_or_else(|| self.words())?.trim();
        let mut lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
        if lines.peek().is_some() && lines.all(is_key) { Ok(SecretString::from(text)) } else { Err(self.words()) }
    }

    fn show(&self, _value: &SecretString) -> String {
        quoted("<secret>")
    }

    fn is_secret(&self) -> bool {
        true
    }
}

/// `v<number>:` and a key, or a key alone.
fn is_key(line: &str) -> bool {
    let text = match line.split_once(':') {
        Some((version, text)) => {
            let number = version.trim().strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
            number.filter(|number| *number > 0).map(|_| text.trim())
        }
        None => Some(line),
    };
    let bytes = text.and_then(|text| STANDARD.decode(text).ok()).map(Zeroizing::new);
    bytes.is_some_and(|bytes| bytes.len() == 32)
}

/// An HTTP address of this machine: a token must not leave it by a slip of the configuration.
pub(super) struct LocalAddress;

impl Rule<String> for LocalAddress {
    fn words(&self) -> String {
        "an http or https address of this machine (127.0.0.0/8, ::1, localhost)".to_owned()
    }

    fn read(&self, raw: &Raw) -> Result<String, String> {
        let text = raw.text().ok_or_else(|| self.words())?;
        let address: http::Uri = text.parse().map_err(|_| self.words())?;
        let host = address.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let is_http = matches!(address.scheme_str(), Some("http" | "https"));
        if is_here && is_http { Ok(text.to_owned()) } else { Err(self.words()) }
    }

    fn show(&self, value: &String) -> String {
        quoted(value)
    }
}

/// A connection as `psql` takes it, of which every user of the machine may read every word.
pub(super) struct OpenConnection;

impl Rule<String> for OpenConnection {
    fn words(&self) -> String {
        "what `psql` takes for a connection, without a password (name a service, or a file in PGPASSFILE)".to_owned()
    }

    fn read(&self, raw: &Raw) -> Result<String, String> {
        let text = raw.text().ok_or_else(|| self.words())?;
        let is_text = !text.is_empty() && !text.starts_with('-') && !text.chars().any(char::is_control);
        // `user:password@` of an address; `password=` anywhere.
        let authority = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next());
        let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
        let is_open = !text.to_ascii_lowercase().contains("password") && user.is_none_or(|user| !user.contains(':'));
        if is_text && is_open { Ok(text.to_owned()) } else { Err(self.words()) }
    }

    fn show(&self, value: &String) -> String {
        quoted(value)
    }

    /// What breaks the rule may be a password.
    fn is_secret(&self) -> bool {
        true
    }

    fn holds_secret(&self, _raw: &Raw) -> bool {
        false
    }
}

/// A value that may be absent; `shown` stands for it in the example.
pub(super) struct Maybe<T, R> {
    rule: R,
    shown: &'static str,
    value: PhantomData<T>,
}

pub(super) fn maybe<T, R: Rule<T>>(rule: R, shown: &'static str) -> Maybe<T, R> {
    Maybe { rule, shown, value: PhantomData }
}

impl<T, R: Rule<T>> Rule<Option<T>> for Maybe<T, R> {
    fn words(&self) -> String {
        self.rule.words()
    }

    fn read(&self, raw: &Raw) -> Result<Option<T>, String> {
        self.rule.read(raw).map(Some)
    }

    fn show(&self, value: &Option<T>) -> String {
        value.as_ref().map_or_else(|| quoted(self.shown), |value| self.rule.show(value))
    }

    fn holds_secret(&self, raw: &Raw) -> bool {
        self.rule.holds_secret(raw)
    }

    fn is_secret(&self) -> bool {
        self.rule.is_secret()
    }
}

fn quoted(text: impl Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}
