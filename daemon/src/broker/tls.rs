//! One TLS configuration for everything that leaves the machine: `ring`, the system's roots,
//! nothing else. It names its provider, so that no process-wide default is needed or trusted.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// Why there is no TLS.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    #[error("the system has no root certificates; install the package ca-certificates")]
    NoRoots,
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// The configuration with the system's roots.
///
/// # Errors
/// When the system has no usable root certificate.
pub fn system() -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    with_roots(roots)
}

/// The configuration with given roots.
///
/// # Errors
/// When the provider and the protocol versions do not fit.
pub fn with_roots(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// For addresses of this machine, which speak plain HTTP: trusts nobody.
///
/// # Errors
/// As [`with_roots`].
pub fn none() -> Result<ClientConfig, TlsError> {
    with_roots(RootCertStore::empty())
}
