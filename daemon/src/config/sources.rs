//! What was written where: the files in their order, then the environment. A later source wins.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::keys::KeyDoc;
use super::rule::Rule;
use super::{CLIENT_SECTIONS, Config};

/// The environment as it was when the program started.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Names of the environment that stand for a key and are not `BLOTTER_<SECTION>_<KEY>`.
const NAMES: [(&str, &str); 4] = [
    ("DATABASE_URL", "database.url"),
    ("ENCRYPTION_KEY", "vault.encryption_key"),
    ("FORCE_MARKET_OPEN", "market.force_open"),
    ("BLOTTER_SOCKET", "daemon.socket"),
];
/// Files in `$CREDENTIALS_DIRECTORY` that stand for a key.
const CREDENTIALS: [(&str, &str); 2] = [("encryption_key", "vault.encryption_key"), ("database_url", "database.url")];

impl Environment {
    /// The process's own.
    #[must_use]
    pub fn of_process() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self(std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect())
    }

    /// A value that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The names under which secrets of the daemon may lie here, however they are spelt.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        let secret: Vec<String> = Config::keys().iter().filter(|key| key.is_secret).map(KeyDoc::path).collect();
        let is_secret = |name: &&str| key_of(name).is_some_and(|key| secret.contains(&key));
        self.0.keys().map(String::as_str).filter(is_secret).collect()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File(PathBuf),
    Variable(String),
    Credential(PathBuf),
    /// In no single place: keys that do not go together.
    Together,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Credential(path) => write!(f, " ({})", path.display()),
            Self::Variable(name) => write!(f, " (environment {name})"),
            Self::Together => Ok(()),
        }
    }
}

/// A value as it was written.
#[derive(Clone)]
pub(super) enum Raw {
    File(toml::Value),
    Text(String),
}

impl Raw {
    /// The text, when it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::File(value) => value.as_str(),
            Self::Text(text) => Some(text),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::File(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A key with what was written for it.
pub(super) struct Entry {
    key: String,
    raw: Raw,
    origin: Origin,
    /// The mode of the file it was written in, when others may read that.
    exposed: Option<u32>,
}

/// Everything that was written, later sources last.
pub(super) fn gather(file: Option<&Path>, environment: &Environment, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let mut entries = Vec::new();
    match file {
        Some(path) => gather_file(path, Presence::Required, &mut entries, faults),
        None => {
            for path in usual_files(environment) {
                gather_file(&path, Presence::Optional, &mut entries, faults);
            }
        }
    }
    gather_credentials(environment, &mut entries, faults);
    gather_variables(environment, &mut entries);
    entries
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

fn usual_files(environment: &Environment) -> Vec<PathBuf> {
    let home = environment
        .get("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| environment.get("HOME").map(|home| Path::new(home).join(".config")));
    let mut files = vec![PathBuf::from("/etc/blotter/config.toml")];
    files.extend(home.map(|home| home.join("blotter/config.toml")));
    files
}

fn gather_file(path: &Path, presence: Presence, entries: &mut Vec<Entry>, faults: &mut Vec<Fault>) {
    let origin = Origin::File(path.to_owned());
    let (text, exposed) = match read_with_mode(path) {
        Ok((text, mode)) => (text, Some(mode).filter(|mode| mode & OTHERS != 0)),
        Err(error) if error.kind() == ErrorKind::NotFound && presence == Presence::Optional => return,
        Err(error) => {
            faults.push(Fault::new("config file", None, format!("cannot be read: {error}"), origin));
            return;
        }
    };
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            // Only the place and the reason: the line itself may hold a secret.
            let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
            let why = format!("is not TOML: {} in line {line}", error.message());
            faults.push(Fault::new("config file", None, why.replace('\n', " "), origin));
            return;
        }
    };
    let first = entries.len();
    for (section, value) in table {
        gather_section(&section, value, &origin, entries, faults);
    }
    entries.iter_mut().skip(first).for_each(|entry| entry.exposed = exposed);
}

/// What group and others may do.
const OTHERS: u32 = 0o077;

/// The text and the mode of one and the same file.
fn read_with_mode(path: &Path) -> std::io::Result<(String, u32)> {
    let mut file = File::open(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((text, file.metadata()?.mode() & 0o7777))
}

fn gather_section(
    section: &str,
    value: toml::Value,
    origin: &Origin,
    entries: &mut Vec<Entry>,
    faults: &mut Vec<Fault>,
) {
    if CLIENT_SECTIONS.contains(&section) {
        return;
    }
    let known: Vec<_> = Config::sections().into_iter().map(|(name, _)| name).collect();
    if !known.contains(&section) {
        let all: Vec<_> = known.iter().chain(CLIENT_SECTIONS).map(|name| (*name).to_owned()).collect();
        let rule = format!("is no section{}", did_you_mean(section, &all));
        faults.push(Fault::new(format!("[{section}]"), None, rule, origin.clone()));
        return;
    }
    let toml::Value::Table(table) = value else {
        faults.push(Fault::new(section, Some(value.to_string()), "is a section, not a value", origin.clone()));
        return;
    };
    entries.extend(table.into_iter().map(|(key, value)| Entry {
        key: format!("{section}.{key}"),
        raw: Raw::File(value),
        origin: origin.clone(),
        exposed: None,
    }));
}

fn gather_credentials(environment: &Environment, entries: &mut Vec<Entry>, faults: &mut Vec<Fault>) {
    let Some(folder) = environment.get("CREDENTIALS_DIRECTORY") else { return };
    for (name, key) in CREDENTIALS {
        let path = Path::new(folder).join(name);
        let origin = Origin::Credential(path.clone());
        match fs::read_to_string(&path) {
            Ok(text) => {
                let raw = Raw::Text(text.trim().to_owned());
                entries.push(Entry { key: key.to_owned(), raw, origin, exposed: None });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => faults.push(Fault::new(key, None, format!("credential cannot be read: {error}"), origin)),
        }
    }
}

/// `BLOTTER_<SECTION>_<KEY>` and the names with a meaning of their own. Other names that begin
/// with `BLOTTER_` belong to the client.
fn gather_variables(environment: &Environment, entries: &mut Vec<Entry>) {
    for (name, value) in &environment.0 {
        let Some(key) = key_of(name) else { continue };
        if value.is_empty() {
            continue;
        }
        let origin = Origin::Variable(name.clone());
        entries.push(Entry { key, raw: Raw::Text(value.clone()), origin, exposed: None });
    }
}

/// The key that a variable stands for.
fn key_of(name: &str) -> Option<String> {
    let named = NAMES.iter().find(|(variable, _)| *variable == name).map(|(_, key)| (*key).to_owned());
    named.or_else(|| {
        let rest = name.strip_prefix("BLOTTER_")?.to_ascii_lowercase();
        let sections = Config::sections();
        let (section, _) = sections.iter().find(|(section, _)| rest.starts_with(&format!("{section}_")))?;
        Some(format!("{section}.{}", rest.get(section.len() + 1..)?))
    })
}

/// Hands out what was written, key by key, and complains about what nobody asked for.
pub(super) struct Reader<'a> {
    entries: Vec<Entry>,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(entries: Vec<Entry>, faults: &'a mut Vec<Fault>) -> Self {
        Self { entries, faults }
    }

    /// The newest value for `key`, or else `default`. Older ones are checked as well: a fault that
    /// is hidden today shows when the newer source goes away.
    pub(super) fn take<T>(&mut self, key: &str, rule: &impl Rule<T>, default: T) -> T {
        let (mine, rest) = std::mem::take(&mut self.entries).into_iter().partition(|entry| entry.key == key);
        self.entries = rest;
        let mine: Vec<Entry> = mine;
        mine.iter().fold(default, |value, entry| match readable(entry, rule) {
            Ok(newer) => newer,
            Err(broken) => {
                let shown = (!rule.is_secret()).then(|| entry.raw.shown());
                self.faults.push(Fault::new(key, shown, broken, entry.origin.clone()));
                value
            }
        })
    }

    /// What is left is unknown.
    pub(super) fn finish(self, keys: &[KeyDoc]) {
        let known: Vec<_> = keys.iter().map(KeyDoc::path).collect();
        for entry in self.entries {
            let rule = format!("is no key{}", did_you_mean(&entry.key, &known));
            self.faults.push(Fault::new(entry.key, None, rule, entry.origin));
        }
    }
}

/// The value, or the rule that it breaks. A secret must be written where nobody else may read it.
fn readable<T>(entry: &Entry, rule: &impl Rule<T>) -> Result<T, String> {
    let value = rule.read(&entry.raw)?;
    match entry.exposed {
        Some(mode) if rule.holds_secret(&entry.raw) => Err(format!(
            "is a secret in a file that others may read (mode {mode:o}): make the file 0600, or give the secret as a \
             systemd credential{}",
            if entry.key == "vault.encryption_key" { " or in vault.key_file" } else { "" }
        )),
        _ => Ok(value),
    }
}

/// Least likeness (0 to 1) at which a name is worth proposing.
const LIKE: f64 = 0.6;

fn did_you_mean(word: &str, known: &[String]) -> String {
    let likeness = |name: &String| strsim::normalized_damerau_levenshtein(word, name);
    known
        .iter()
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}
