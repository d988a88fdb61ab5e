//! What the operator decided: defaults, then files, then the environment. Read once, at start.
//!
//! `keys` is the one table: from each line of it follow the typed field, its parsing, its default,
//! its rule, and its entry in `config.toml.example`. `rule` says what a value may be, `sources`
//! gathers what was written where, `places` works out the paths that depend on who runs us.
//!
//! Invariants:
//! * All faults are reported at once, one line each: key, value, rule, where it was written.
//! * An unknown key is a fault; the nearest known one is named.
//! * A secret is never shown, neither in a fault nor by `Debug`.

mod example;
mod fault;
mod keys;
mod places;
mod rule;
mod sources;

pub use example::example;
pub use fault::{Fault, Faults};
pub use keys::{
    AuthConfig, BackupConfig, BrokerConfig, Config, DaemonConfig, DatabaseSection, EventsConfig, KeyDoc, LimitsConfig,
    LogConfig, MarketConfig, VaultConfig,
};
pub use places::Places;
pub use rule::LogFormat;
pub use sources::{Environment, Origin};

use std::path::Path;

use sources::{Reader, gather};

/// The sections that belong to the client: their keys are the client's business.
pub const CLIENT_SECTIONS: &[&str] = &["client", "keys"];

impl Config {
    /// Reads the configuration: `file` if one is named, else the usual two places; then the
    /// environment.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let entries = gather(file, environment, &mut faults);
        let mut reader = Reader::new(entries, &mut faults);
        let config = Self::read(&mut reader);
        reader.finish(&Self::keys());
        config.check_together(&mut faults);
        if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
    }

    /// Everything as it is when nobody decided anything.
    #[must_use]
    pub fn defaults() -> Self {
        let mut faults = Vec::new();
        let mut reader = Reader::new(Vec::new(), &mut faults);
        Self::read(&mut reader)
    }

    /// Rules over more than one key.
    fn check_together(&self, faults: &mut Vec<Fault>) {
        if self.market.force_open && self.broker.allow_live {
            faults.push(Fault::new(
                "market.force_open",
                Some("true".to_owned()),
                "is for tests and demos: not together with broker.allow_live = true",
                Origin::Together,
            ));
        }
        if self.limits.connections_per_user > self.limits.connections {
            faults.push(Fault::new(
                "limits.connections_per_user",
                Some(self.limits.connections_per_user.to_string()),
                "at most limits.connections, which are all connections together",
                Origin::Together,
            ));
        }
    }
}

#[cfg(test)]
mod tests;
