//! A server address that may be used. We read it ourselves, because tokio-postgres refuses what
//! people write (`sslmode=verify-full`, `sslrootcert`) and accepts what nobody should (a silent
//! fall to plaintext).
//!
//! Invariants:
//! * Only a Unix socket or this machine's own addresses are ever spoken to in plaintext, and a
//!   password goes to no port of this machine that anybody could have taken, unless that is written
//!   out (`sslmode=disable`).
//! * Whoever listens on a socket is root, `postgres`, this user, or who `requirepeer` names.
//! * Where TLS is used, chain and name are verified, whatever the mode is called: stricter than
//!   libpq, whose `require` trusts anybody.
//! * A password is in no message, no `Debug` and no `Display`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use thiserror::Error;
use tokio_postgres::config::{Host, SslMode};

use super::socket_trust;

/// Where a server is and as whom to log in.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: TlsRule,
    sockets: Sockets,
}

/// Whose sockets are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sockets {
    /// In a folder of the daemon's own, where nobody else can have put them.
    Ours,
    /// Of root, `postgres`, this user, or the one who is named.
    Trusted { also: Option<String> },
}

/// How the connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TlsRule {
    /// A socket, or this machine's own address.
    Off,
    /// Chain and name are verified against these roots.
    Verified(Roots),
}

/// Whose signature on a certificate counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    System,
    File(PathBuf),
}

/// Why a text is no usable server address. It never repeats the text: there is a password in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    #[error("the database address cannot be read: {0}")]
    Malformed(String),
    #[error("`{key}={value}` is not known; it may be one of: {allowed}")]
    UnknownValue { key: String, value: String, allowed: &'static str },
    #[error("`{key}` is not supported; {instead}")]
    Unsupported { key: String, instead: &'static str },
    #[error(
        "`sslmode=disable` would send everything to {host} in plaintext; remove it, TLS is then required and verified"
    )]
    Plaintext { host: String },
    #[error(
        "the password would go unprotected to whoever listens on {host}: name the socket (host=/run/postgresql), require \
         TLS (sslmode=verify-full), or write sslmode=disable if it is meant so"
    )]
    ExposedPassword { host: String },
    #[error("the database address names no host")]
    NoHost,
    #[error("the database address names no role (postgres://ROLE@…)")]
    NoRole,
}

/// What we take out of the address before tokio-postgres sees it.
#[derive(Default)]
struct Ours {
    ssl_mode: Option<String>,
    root_cert: Option<String>,
    require_peer: Option<String>,
}

impl Endpoint {
    /// Reads a `postgres://` URL or `key=value` pairs.
    ///
    /// # Errors
    /// When it cannot be read, or asks for something that is not allowed.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let mut ours = Ours::default();
        let rest = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            take_from_url(text, &mut ours)?
        } else {
            take_from_pairs(text, &mut ours)?
        };
        let mut config: tokio_postgres::Config =
            rest.parse().map_err(|error: tokio_postgres::Error| EndpointError::Malformed(reason(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(EndpointError::NoHost);
        }
        if config.get_user().is_none() {
            return Err(EndpointError::NoRole);
        }
        let tls = tls_rule(&config, &ours)?;
        config.ssl_mode(match tls {
            TlsRule::Off => SslMode::Disable,
            TlsRule::Verified(_) => SslMode::Require,
        });
        Ok(Self { config, tls, sockets: Sockets::Trusted { also: ours.require_peer } })
    }

    /// The daemon's own server, by its socket's directory.
    #[must_use]
    pub fn local(directory: &std::path::Path, port: u16, role: &str, database: &str) -> Self {
        let mut config = tokio_postgres::Config::new();
        config.host_path(directory).port(port).user(role).dbname(database).ssl_mode(SslMode::Disable);
        Self { config, tls: TlsRule::Off, sockets: Sockets::Ours }
    }

    /// Whether the address holds a secret.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// Whether the sockets that would be opened now are those of somebody who may be believed.
    /// Anybody can listen in a folder that anybody can write to.
    ///
    /// # Errors
    /// A sentence that says whose they are. One that is not there is none: the server is down.
    pub(super) fn check_sockets(&self) -> Result<(), String> {
        let Sockets::Trusted { also } = &self.sockets else { return Ok(()) };
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let Host::Unix(folder) = host else { continue };
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            socket_trust::check(folder, port, also.as_deref())?;
        }
        Ok(())
    }

    /// The role that logs in.
    #[must_use]
    pub fn role(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// The host names, for messages.
    pub(super) fn hosts(&self) -> String {
        let names: Vec<String> = self.config.get_hosts().iter().map(host_name).collect();
        if names.is_empty() {
            return self.config.get_hostaddrs().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        }
        names.join(", ")
    }
}

/// `ROLE@HOST:PORT/DATABASE`, without the password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.role(), self.hosts())?;
        for port in self.config.get_ports() {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or(self.role()))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("at", &self.to_string()).field("tls", &self.tls).finish_non_exhaustive()
    }
}

fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

/// The parser's complaint without its source, which could quote the address.
fn reason(error: &tokio_postgres::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    // `invalid value for option `port`` names the key alone; anything else stays general.
    if source.starts_with("invalid value for option") || source.starts_with("unknown option") {
        source
    } else {
        "it is neither a postgres:// URL nor key=value pairs".to_owned()
    }
}

fn take_from_url(url: &str, ours: &mut Ours) -> Result<String, EndpointError> {
    let Some((head, query)) = url.split_once('?') else { return Ok(url.to_owned()) };
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !ours.take(key, &percent_decoded(value))? {
            kept.push(pair);
        }
    }
    Ok(if kept.is_empty() { head.to_owned() } else { format!("{head}?{}", kept.join("&")) })
}

fn take_from_pairs(text: &str, ours: &mut Ours) -> Result<String, EndpointError> {
    let mut kept = String::new();
    for (key, value) in pairs(text)? {
        if !ours.take(&key, &value)? {
            let escaped = value.replace('\\', r"\\").replace('\'', r"\'");
            kept.push_str(&format!("{key}='{escaped}' "));
        }
    }
    Ok(kept)
}

impl Ours {
    /// Keeps what is ours to decide; false means that tokio-postgres reads it.
    fn take(&mut self, key: &str, value: &str) -> Result<bool, EndpointError> {
        match key {
            "sslmode" => self.ssl_mode = Some(value.to_owned()),
            "sslrootcert" => self.root_cert = Some(value.to_owned()),
            "gssencmode" if value == "disable" || value == "prefer" => {}
            "sslcert" | "sslkey" | "sslpassword" | "sslcrl" | "sslcrldir" => {
                return unsupported(key, "clients log in with a password or by the socket");
            }
            "gssencmode" | "krbsrvname" | "gsslib" => return unsupported(key, "connections are protected by TLS"),
            "requirepeer" => self.require_peer = Some(value.to_owned()),
            "service" | "passfile" | "require_auth" => {
                return unsupported(key, "give host, role, password and database in the address itself");
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn unsupported(key: &str, instead: &'static str) -> Result<bool, EndpointError> {
    Err(EndpointError::Unsupported { key: key.to_owned(), instead })
}

fn tls_rule(config: &tokio_postgres::Config, ours: &Ours) -> Result<TlsRule, EndpointError> {
    let roots = match ours.root_cert.as_deref() {
        None | Some("" | "system") => Roots::System,
        Some(path) => Roots::File(path.into()),
    };
    let far = first_far_host(config);
    match (ours.ssl_mode.as_deref(), far) {
        (Some("disable"), Some(host)) => Err(EndpointError::Plaintext { host }),
        (Some("require" | "verify-ca" | "verify-full"), _) if !all_sockets(config) => Ok(TlsRule::Verified(roots)),
        (None | Some("allow" | "prefer"), None) if config.get_password().is_some() && !all_sockets(config) => {
            let host = config.get_hosts().iter().find(|host| matches!(host, Host::Tcp(_))).map(host_name);
            let address = || config.get_hostaddrs().first().map(ToString::to_string);
            Err(EndpointError::ExposedPassword { host: host.or_else(address).unwrap_or_default() })
        }
        (None | Some("disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full"), None) => {
            Ok(TlsRule::Off)
        }
        (None | Some("allow" | "prefer" | "require" | "verify-ca" | "verify-full"), Some(_)) => {
            Ok(TlsRule::Verified(roots))
        }
        (Some(other), _) => Err(EndpointError::UnknownValue {
            key: "sslmode".to_owned(),
            value: other.to_owned(),
            allowed: "disable allow prefer require verify-ca verify-full",
        }),
    }
}

/// The first host that is not this machine. A name counts by what it says, not by the address it
/// is given: a tunnel on loopback to a far database is still verified.
fn first_far_host(config: &tokio_postgres::Config) -> Option<String> {
    let far_address = config.get_hostaddrs().iter().find(|address| !address.is_loopback());
    let far_name = config.get_hosts().iter().find(|host| match host {
        Host::Unix(_) => false,
        Host::Tcp(name) => name != "localhost" && !name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    });
    far_name.map(host_name).or_else(|| far_address.map(ToString::to_string))
}

fn all_sockets(config: &tokio_postgres::Config) -> bool {
    config.get_hostaddrs().is_empty() && config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = (byte == b'%').then(|| hex_pair(rest.clone())).flatten();
        if let Some(decoded) = escaped {
            rest.nth(1);
            bytes.push(decoded);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_pair(mut rest: std::str::Bytes<'_>) -> Option<u8> {
    let digits = [rest.next()?, rest.next()?];
    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
}

/// Splits `key=value key='quoted value'`, with libpq's backslash escapes.
fn pairs(text: &str) -> Result<Vec<(String, String)>, EndpointError> {
    let malformed = || EndpointError::Malformed("it is neither a postgres:// URL nor key=value pairs".to_owned());
    let mut rest = text.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(malformed)?;
        let (value, after) = value(after.trim_start()).ok_or_else(malformed)?;
        found.push((key.trim().to_owned(), value));
        rest = after.trim_start();
    }
    Ok(found)
}

/// One value and what follows it; `None` when a quote is not closed.
fn value(text: &str) -> Option<(String, &str)> {
    let (quoted, body) = text.strip_prefix('\'').map_or((false, text), |body| (true, body));
    let mut out = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?.1),
            '\'' if quoted => return Some((out, body.get(at + 1..)?)),
            c if !quoted && c.is_whitespace() => return Some((out, body.get(at..)?)),
            c => out.push(c),
        }
    }
    (!quoted).then_some((out, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<TlsRule, EndpointError> {
        Endpoint::parse(text).map(|endpoint| endpoint.tls)
    }

    #[test]
    fn another_machine_is_never_spoken_to_in_plaintext() {
        for mode in
            ["", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-ca", "?sslmode=verify-full"]
        {
            let url = format!("postgres://trader:geheim@db.example.com/blotter{mode}");
            assert_eq!(rule(&url), Ok(TlsRule::Verified(Roots::System)), "{url}");
        }
        let plain = rule("postgres://trader@db.example.com/blotter?sslmode=disable");
        assert_eq!(plain, Err(EndpointError::Plaintext { host: "db.example.com".to_owned() }));
        let tunnel = rule("host=db.example.com hostaddr=127.0.0.1 user=trader sslmode=prefer");
        assert_eq!(tunnel, Ok(TlsRule::Verified(Roots::System)));
        let one_far = rule("postgres://trader@localhost,db.example.com/blotter?sslmode=disable");
        assert!(matches!(one_far, Err(EndpointError::Plaintext { .. })), "{one_far:?}");
        let by_address = rule("hostaddr=192.0.2.7 user=trader sslmode=disable");
        assert_eq!(by_address, Err(EndpointError::Plaintext { host: "192.0.2.7".to_owned() }));
    }

    #[test]
    fn this_machine_is_plain_unless_tls_is_asked_for() {
        for url in ["postgres://t@localhost/b", "postgres://t@127.0.0.1/b?sslmode=prefer", "postgres://t@[::1]/b"] {
            assert_eq!(rule(url), Ok(TlsRule::Off), "{url}");
        }
        assert_eq!(rule("postgres://t@localhost/b?sslmode=require"), Ok(TlsRule::Verified(Roots::System)));
        assert_eq!(rule("postgres://t@/b?host=/run/postgresql&sslmode=require"), Ok(TlsRule::Off));
        let own_roots = rule("postgres://t@localhost/b?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem");
        assert_eq!(own_roots, Ok(TlsRule::Verified(Roots::File("/etc/ca.pem".into()))));
    }

    /// A port of this machine is whoever's came first, also while the server is down.
    #[test]
    fn a_password_goes_to_no_port_of_this_machine_by_accident() {
        for url in [
            "postgres://t:geheim@localhost/b",
            "postgres://t:geheim@127.0.0.1:5433/b?sslmode=prefer",
            "hostaddr=127.0.0.1 user=t password=geheim sslmode=allow",
            "postgres://t:geheim@%2Frun%2Fpostgresql,localhost/b",
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert!(matches!(error, EndpointError::ExposedPassword { .. }), "{url}: {error}");
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
        for (url, tls) in [
            ("postgres://t:geheim@localhost/b?sslmode=disable", TlsRule::Off),
            ("postgres://t:geheim@localhost/b?sslmode=require", TlsRule::Verified(Roots::System)),
            ("postgres://t:geheim@/b?host=/run/postgresql", TlsRule::Off),
        ] {
            assert_eq!(rule(url), Ok(tls), "{url}");
        }
    }

    #[test]
    fn a_socket_is_believed_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let told =
            |more: &str| Endpoint::parse(&format!("host={at} port=6543 user=t {more}")).unwrap().check_sockets().err();
        assert_eq!(told(""), None, "there is none");
        let socket = folder.path().join(".s.PGSQL.6543");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(told(""), None, "ours");
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&socket, Some(12345), None).unwrap();
            let sentence = told("").unwrap();
            assert!(sentence.contains("belongs to user 12345") && sentence.contains("requirepeer"), "{sentence}");
            std::os::unix::fs::chown(folder.path(), Some(12345), None).unwrap();
            std::os::unix::fs::chown(&socket, Some(0), None).unwrap();
            assert!(
                told("").is_some_and(|sentence| sentence.contains("belongs to user 12345")),
                "the folder counts too"
            );
            assert_eq!(Endpoint::local(folder.path(), 6543, "t", "b").check_sockets(), Ok(()));
        }
        let sentence = told("requirepeer=nobody-of-this-name").unwrap();
        assert!(sentence.contains("no user nobody-of-this-name"), "{sentence}");
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let texts = [
            "postgres://trader:geheim@db.example.com:5433/blotter?channel_binding=require",
            "host=db.example.com user=trader password='ge\\'heim' dbname=blotter port=5433",
        ];
        for text in texts {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.to_string(), "trader@db.example.com:5433/blotter");
            assert!(!format!("{endpoint:?}").contains("heim"), "{endpoint:?}");
        }
        for text in
            ["postgres://t:geheim@h/b?sslmode=geheimer", "password=geheim port=geheim", "geheim", "user='geheim"]
        {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(!error.contains("geheim") || error.contains("sslmode=geheimer"), "{error}");
        }
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for key in ["sslcert=a", "service=b", "passfile=c", "gssencmode=require"] {
            let error = Endpoint::parse(&format!("host=h user=u {key}")).unwrap_err();
            assert!(matches!(error, EndpointError::Unsupported { .. }), "{key}: {error}");
        }
        assert_eq!(rule("user=u"), Err(EndpointError::NoHost));
        assert_eq!(rule("host=h"), Err(EndpointError::NoRole));
    }
}
