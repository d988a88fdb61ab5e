//! Two worlds that must never be confused, and a third on this machine. A token belongs to one of
//! them by type, and so does the address that it may be sent to:
//!
//! ```compile_fail
//! use blotter_daemon::broker::world::{BaseUrl, Live, Sandbox, Token};
//! struct Session<W> { base: BaseUrl<W>, token: Token<W> }
//! fn mixed(base: BaseUrl<Live>, token: Token<Sandbox>) {
//!     let _ = Session { base, token };
//! }
//! ```
//!
//! The addresses are constants. A program that is told to talk to another host with a real token
//! has been told by an attacker; only this machine itself may stand in for the broker.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use blotter_shared::domain::BrokerMode;
use reqwest::Url;
use reqwest::header::HeaderValue;
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// A world of accounts: where it is, and what it is called.
pub trait World: Copy + fmt::Debug + Send + Sync + 'static {
    const MODE: BrokerMode;
    /// The broker's own address; `None` for the simulator, which is wherever it was started.
    const BASE: Option<&'static str>;
}

/// Real money.
#[derive(Clone, Copy, Debug)]
pub struct Live;

/// The broker's paper trading.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox;

/// The simulator on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Sim;

impl World for Live {
    const MODE: BrokerMode = BrokerMode::Live;
    const BASE: Option<&'static str> = Some("https://api.tradier.com/v1/");
}

impl World for Sandbox {
    const MODE: BrokerMode = BrokerMode::Sandbox;
    const BASE: Option<&'static str> = Some("https://sandbox.tradier.com/v1/");
}

impl World for Sim {
    const MODE: BrokerMode = BrokerMode::Sim;
    const BASE: Option<&'static str> = None;
}

/// Why an address may not be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BaseUrlError {
    #[error("it is not an http or https address")]
    Shape,
    #[error("only an address of this machine (127.0.0.0/8, ::1, localhost) may stand in for the broker")]
    NotLoopback,
    #[error("the simulator has no fixed address; say where it listens")]
    NoStandard,
}

/// Where the requests of a world go. Ends in a slash.
pub struct BaseUrl<W> {
    url: Url,
    world: PhantomData<W>,
}

impl<W: World> BaseUrl<W> {
    /// The broker's own address.
    ///
    /// # Errors
    /// For the simulator, which has none.
    pub fn standard() -> Result<Self, BaseUrlError> {
        let text = W::BASE.ok_or(BaseUrlError::NoStandard)?;
        Ok(Self { url: text.parse().map_err(|_| BaseUrlError::Shape)?, world: PhantomData })
    }

    /// An address on this machine in place of the broker's.
    ///
    /// # Errors
    /// When it is any other machine's, or no HTTP address.
    pub fn loopback(text: &str) -> Result<Self, BaseUrlError> {
        Ok(Self { url: loopback_url(text)?, world: PhantomData })
    }

    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl<W> Clone for BaseUrl<W> {
    fn clone(&self) -> Self {
        Self { url: self.url.clone(), world: PhantomData }
    }
}

impl<W> fmt::Debug for BaseUrl<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({})", self.url)
    }
}

/// An address on this machine, as a folder that paths are joined to.
pub(crate) fn loopback_url(text: &str) -> Result<Url, BaseUrlError> {
    let folder = if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
    let url: Url = folder.parse().map_err(|_| BaseUrlError::Shape)?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(BaseUrlError::Shape);
    }
    if is_loopback(&url) { Ok(url) } else { Err(BaseUrlError::NotLoopback) }
}

/// Whether an address names this machine: by number, or by the one name that always does.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    if host == "localhost" {
        return true;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A text that cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a token is 8 to 512 printable characters without spaces")]
pub struct NoToken;

/// The key to an account, in one world. It shows itself to nobody: no `Display`, a blind `Debug`,
/// no serialization; memory is wiped when it goes.
pub struct Token<W> {
    secret: SecretString,
    world: PhantomData<W>,
}

impl<W> Token<W> {
    /// # Errors
    /// When the text cannot be a token. The text is not repeated.
    pub fn new(secret: SecretString) -> Result<Self, NoToken> {
        let text = secret.expose_secret();
        let valid = (8..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if valid { Ok(Self { secret, world: PhantomData }) } else { Err(NoToken) }
    }

    /// The `Authorization` header, marked as sensitive for every library that looks at headers.
    pub(crate) fn bearer(&self) -> Result<HeaderValue, NoToken> {
        let text = SecretString::from(format!("Bearer {}", self.secret.expose_secret()));
        let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| NoToken)?;
        value.set_sensitive(true);
        Ok(value)
    }

    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// A name for the token that tells nothing about it: all users of one token share its limits.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let hash = digest::digest(&digest::SHA256, self.secret.expose_secret().as_bytes());
        Fingerprint(hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl<W> Clone for Token<W> {
    fn clone(&self) -> Self {
        Self { secret: self.secret.clone(), world: PhantomData }
    }
}

impl<W> fmt::Debug for Token<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Sixteen hexadecimal digits of a token's hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_stand_in() {
        for good in ["http://127.0.0.1:9", "http://127.3.4.5:1/v1", "https://[::1]:1/", "http://localhost:80/v1/"] {
            assert!(BaseUrl::<Live>::loopback(good).is_ok(), "{good}");
        }
        for bad in [
            "http://127.0.0.1.evil.example/",
            "http://localhost.evil.example/",
            "https://api.tradier.com/v1/",
            "http://[fd00::1]/",
            // 10.0.0.1, as one number.
            "http://167772161/",
            "http://0.0.0.0/",
        ] {
            assert_eq!(BaseUrl::<Live>::loopback(bad).unwrap_err(), BaseUrlError::NotLoopback, "{bad}");
        }
        for bad in ["", "ftp://127.0.0.1/", "127.0.0.1:80", "http://me:secret@127.0.0.1/"] {
            assert_eq!(BaseUrl::<Sim>::loopback(bad).unwrap_err(), BaseUrlError::Shape, "{bad}");
        }
    }

    #[test]
    fn the_worlds_have_their_addresses_and_the_simulator_has_none() {
        assert_eq!(BaseUrl::<Live>::standard().unwrap().url().as_str(), "https://api.tradier.com/v1/");
        assert_eq!(BaseUrl::<Sandbox>::standard().unwrap().url().as_str(), "https://sandbox.tradier.com/v1/");
        assert_eq!(BaseUrl::<Sim>::standard().unwrap_err(), BaseUrlError::NoStandard);
    }

    #[test]
    fn a_token_shows_itself_nowhere() {
        let token = Token::<Sandbox>::new("hunter2hunter2".into()).unwrap();
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(!format!("{:?}", token.bearer().unwrap()).contains("hunter2"));
        assert!(!format!("{:?}", token.fingerprint()).contains("hunter2"));
        assert_eq!(Token::<Sandbox>::new("with space".into()).unwrap_err(), NoToken);
        assert_eq!(Token::<Sandbox>::new("line\nbreak".into()).unwrap_err(), NoToken);
    }
}
