//! TLS to a real server, with an authority that the test makes.

use blotter_daemon::clock::Clock;
use blotter_daemon::db::settings::settings_get;
use blotter_daemon::db::{Db, DbState};
use blotter_testkit::Cluster;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::support::{config, reach, user};

/// A name that is not this machine's, so that plaintext is out of the question.
const NAME: &str = "db.blotter.test";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), dir }
    }

    /// `sslrootcert=` of this authority.
    fn root(&self) -> String {
        format!("sslrootcert='{}'", self.dir.path().join("ca.pem").display())
    }

    /// A server whose certificate is for `name`.
    fn server(&self, name: &str) -> Cluster {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Cluster::builder()
            .tcp()
            .setting("ssl", "on")
            .file("server.crt", certificate.pem())
            .file("server.key", key.serialize_pem())
            .file("pg_hba.conf", "local all all trust\nhost all trader 127.0.0.1/32 scram-sha-256\n")
            .start()
            .unwrap()
    }
}

/// Makes the role that comes over TCP.
async fn with_trader(cluster: &Cluster) {
    let admin = crate::support::Raw::connect(&cluster.url()).await;
    admin.batch_execute("CREATE ROLE trader LOGIN SUPERUSER PASSWORD 'geheim'").await.unwrap();
}

fn address(cluster: &Cluster, more: &str) -> String {
    let port = cluster.tcp_port().unwrap();
    format!("host={NAME} hostaddr=127.0.0.1 port={port} user=trader password=geheim dbname=blotter {more}")
}

async fn refusal(address: &str) -> String {
    let db = Db::connect(config(address), &Clock::system());
    let sentence = reach(&db, DbState::Refused).await.detail.unwrap();
    assert!(!sentence.contains("geheim"), "{sentence}");
    sentence
}

#[tokio::test]
async fn a_verified_server_is_trusted_whatever_the_mode_is_called() {
    let authority = Authority::new();
    let cluster = authority.server(NAME);
    with_trader(&cluster).await;
    for mode in ["", "sslmode=prefer", "sslmode=require", "sslmode=verify-full channel_binding=require"] {
        let db = Db::connect(config(&address(&cluster, &format!("{} {mode}", authority.root()))), &Clock::system());
        reach(&db, DbState::Ready).await;
        settings_get(&db.user_tx(&user("alice")).await.unwrap()).await.unwrap();
        let admin = crate::support::Raw::connect(&cluster.url()).await;
        let plain =
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'trader' AND NOT ssl";
        assert_eq!(admin.count(plain).await, 0, "{mode}");
        db.close().await;
    }
}

#[tokio::test]
async fn a_strangers_certificate_is_refused() {
    let cluster = Authority::new().server(NAME);
    with_trader(&cluster).await;
    let other = Authority::new();
    for more in [other.root(), "sslmode=require".to_owned(), "sslmode=prefer".to_owned()] {
        let sentence = refusal(&address(&cluster, &more)).await;
        assert!(
            sentence.contains("no trusted connection") && sentence.contains("invalid peer certificate"),
            "{more}: {sentence}"
        );
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let cluster = authority.server("elsewhere.blotter.test");
    with_trader(&cluster).await;
    // `require` and `verify-ca` would not look at the name, elsewhere.
    for mode in ["require", "verify-ca", "verify-full"] {
        let sentence = refusal(&address(&cluster, &format!("{} sslmode={mode}", authority.root()))).await;
        assert!(
            sentence.contains("no trusted connection") && sentence.contains("not valid for name"),
            "{mode}: {sentence}"
        );
    }
}

#[tokio::test]
async fn a_server_without_tls_is_never_spoken_to_in_plaintext() {
    let cluster = Cluster::builder().tcp().start().unwrap();
    with_trader(&cluster).await;
    for mode in ["", "sslmode=allow", "sslmode=prefer", "sslmode=require"] {
        let sentence = refusal(&address(&cluster, mode)).await;
        assert!(sentence.contains("server does not support TLS"), "{mode}: {sentence}");
    }
    // On this machine it is a matter of choice.
    let port = cluster.tcp_port().unwrap();
    let local = format!("postgres://trader:geheim@127.0.0.1:{port}/blotter?sslmode=disable");
    let db = Db::connect(config(&local), &Clock::system());
    reach(&db, DbState::Ready).await;
}

#[tokio::test]
async fn a_root_that_cannot_be_read_is_named() {
    let cluster = Cluster::builder().tcp().start().unwrap();
    let sentence = refusal(&address(&cluster, "sslrootcert=/nowhere/ca.pem")).await;
    assert!(sentence.contains("sslrootcert /nowhere/ca.pem"), "{sentence}");
}
