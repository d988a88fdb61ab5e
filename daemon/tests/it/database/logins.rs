//! An external server: which login roles can prepare it, and what is said to those that cannot.

use std::io::ErrorKind;
use std::os::unix::net::UnixListener;

use blotter_daemon::clock::Clock;
use blotter_daemon::db::settings::settings_get;
use blotter_daemon::db::{Db, DbState, Endpoint, Setup};
use blotter_testkit::Cluster;

use crate::support::{Raw, config, reach, user};

#[tokio::test]
async fn a_role_that_may_create_roles_prepares_everything() {
    let cluster = Cluster::start().unwrap();
    let admin = Raw::connect(&cluster.url()).await;
    admin
        .batch_execute("CREATE ROLE trader LOGIN CREATEROLE; GRANT CREATE ON DATABASE blotter TO trader")
        .await
        .unwrap();
    let db = Db::connect(config(&cluster.url_as("trader")), &Clock::system());
    reach(&db, DbState::Ready).await;
    settings_get(&db.user_tx(&user("alice")).await.unwrap()).await.unwrap();
    let owned = admin.count("SELECT count(*) FROM pg_class WHERE relnamespace = 'blotter'::regnamespace AND relowner <> 'blotter_owner'::regrole").await;
    assert_eq!(owned, 0, "whoever prepares it, blotter_owner owns it");
}

#[tokio::test]
async fn a_role_that_may_not_is_told_what_to_do_and_a_second_login_helps() {
    let cluster = Cluster::start().unwrap();
    let admin = Raw::connect(&cluster.url()).await;
    admin.batch_execute("CREATE ROLE trader LOGIN").await.unwrap();
    let poor = config(&cluster.url_as("trader"));
    let db = Db::connect(poor.clone(), &Clock::system());
    let sentence = reach(&db, DbState::Refused).await.detail.unwrap();
    assert!(sentence.contains("database.migrate_url"), "{sentence}");
    db.close().await;

    let mut helped = poor;
    helped.setup = Setup::Apart(Box::new(Endpoint::parse(&cluster.url()).unwrap()));
    let db = Db::connect(helped, &Clock::system());
    reach(&db, DbState::Ready).await;
    settings_get(&db.user_tx(&user("alice")).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_role_or_a_database_that_is_not_there_is_named() {
    let cluster = Cluster::start().unwrap();
    for (url, named) in [
        (cluster.url_as("nobody_here"), "role \"nobody_here\" does not exist"),
        (cluster.url().replace("/blotter?", "/elsewhere?"), "database \"elsewhere\" does not exist"),
    ] {
        let db = Db::connect(config(&url), &Clock::system());
        let sentence = reach(&db, DbState::Refused).await.detail.unwrap();
        assert!(sentence.contains(named), "{sentence}");
    }
}

/// In a folder that everybody may write to, anybody can wait in the server's place.
#[tokio::test]
async fn a_socket_of_somebody_else_is_not_even_spoken_to() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can make a socket somebody else's for the test.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join(".s.PGSQL.5432");
    let stranger = UnixListener::bind(&socket).unwrap();
    stranger.set_nonblocking(true).unwrap();
    std::os::unix::fs::chown(&socket, Some(12345), None).unwrap();
    let url = format!("host={} user=trader password=geheim dbname=blotter", folder.path().display());
    let db = Db::connect(config(&url), &Clock::system());
    let sentence = reach(&db, DbState::Refused).await.detail.unwrap();
    assert!(sentence.contains("belongs to user 12345"), "{sentence}");
    let heard = stranger.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(heard, Err(ErrorKind::WouldBlock), "it was spoken to");
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let cluster = Cluster::builder()
        .file("pg_hba.conf", "local all postgres trust\nlocal all all scram-sha-256\n")
        .start()
        .unwrap();
    let admin = Raw::connect(&cluster.url()).await;
    admin.batch_execute("CREATE ROLE trader LOGIN SUPERUSER PASSWORD 'right'").await.unwrap();
    let with = |password: &str| cluster.url_as(&format!("trader:{password}"));
    let db = Db::connect(config(&with("right")), &Clock::system());
    reach(&db, DbState::Ready).await;
    assert!(!format!("{db:?}").contains("right"), "{db:?}");
    let db = Db::connect(config(&with("geheim")), &Clock::system());
    let sentence = reach(&db, DbState::Refused).await.detail.unwrap();
    assert!(sentence.contains("password authentication failed") && !sentence.contains("geheim"), "{sentence}");
}
