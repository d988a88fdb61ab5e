//! TLS to a database on another machine: rustls with ring, chain and name always verified.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::endpoint::Roots;

/// A connector that trusts `roots`.
///
/// # Errors
/// A sentence, when there is no root to trust.
pub(super) fn connector(roots: &Roots) -> Result<MakeRustlsConnect, String> {
    let store = load(roots)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn load(roots: &Roots) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                return Err("this system has no root certificates to verify the database's with: \
                            install ca-certificates, or name a file with sslrootcert="
                    .to_owned());
            }
        }
        Roots::File(path) => {
            let unreadable = |error: &dyn std::fmt::Display| format!("sslrootcert {}: {error}", path.display());
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                store.add(certificate).map_err(|error| unreadable(&error))?;
            }
            if store.is_empty() {
                return Err(unreadable(&"there is no certificate in it"));
            }
        }
    }
    Ok(store)
}
