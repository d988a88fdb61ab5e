//! Sealed tokens in the database, and the commands that care for their keys.

use std::process::{Command, Output};

use blotter_daemon::auth::Username;
use blotter_daemon::db::secrets::{SealedToken, TokenColumn, secret_lock, secret_replace, secret_set, secrets_of};
use blotter_daemon::vault::{Sealed, Vault, place};
use blotter_shared::domain::BrokerMode;
use secrecy::{ExposeSecret, SecretString};

use super::{key, vault};
use crate::support::{TestDb, user};

const SANDBOX: TokenColumn = TokenColumn::Broker(BrokerMode::Sandbox);

async fn store(rig: &TestDb, vault: &Vault, who: &Username, column: TokenColumn, secret: &str) {
    let sealed = vault.seal(&place(who, column), 1, &SecretString::from(secret)).unwrap();
    let tx = rig.db.user_tx(who).await.unwrap();
    let token = SealedToken { column, bytes: sealed.to_bytes(), account_id: Some("VA00000001".to_owned()) };
    secret_lock(&tx, column).await.unwrap();
    secret_set(&tx, &token, "test").await.unwrap();
    tx.commit().await.unwrap();
}

async fn stored(rig: &TestDb, who: &Username) -> Vec<SealedToken> {
    let tx = rig.db.user_tx(who).await.unwrap();
    secrets_of(&tx).await.unwrap()
}

fn blotterd(url: &str, keys: &str, command: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_blotterd"));
    program.env_clear().env("DATABASE_URL", url).env("ENCRYPTION_KEY", keys).args(["vault", command]);
    program.output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_token_goes_to_its_column_and_shows_in_the_settings_only_as_there() {
    let rig = TestDb::start().await;
    let (ann, vault) = (user("ann"), vault(&[&key(1)]));
    for (index, column) in TokenColumn::ALL.into_iter().enumerate() {
        store(&rig, &vault, &ann, column, &format!("token-{index}")).await;
    }
    let tokens = stored(&rig, &ann).await;
    assert_eq!(tokens.iter().map(|token| token.column).collect::<Vec<_>>(), TokenColumn::ALL);
    for (index, token) in tokens.iter().enumerate() {
        let opened = vault.open(&place(&ann, token.column), &Sealed::from_bytes(&token.bytes).unwrap()).unwrap();
        assert_eq!(opened.secret.expose_secret(), format!("token-{index}"));
    }
    assert_eq!(tokens[3].account_id, None, "ORATS has no account");
    let tx = rig.db.user_tx(&ann).await.unwrap();
    let settings = blotter_daemon::db::settings::settings_get(&tx).await.unwrap();
    assert!(settings.tokens.sim && settings.tokens.sandbox && settings.tokens.live && settings.tokens.orats);
    assert_eq!(settings.version, 5);
    assert_eq!(stored(&rig, &user("bob")).await, []);
}

#[tokio::test]
async fn a_wrap_is_replaced_only_where_it_still_is() {
    let rig = TestDb::start().await;
    let (ann, vault) = (user("ann"), vault(&[&key(1)]));
    store(&rig, &vault, &ann, SANDBOX, "first-token").await;
    let old = stored(&rig, &ann).await.remove(0);
    store(&rig, &vault, &ann, SANDBOX, "second-token").await;
    let tx = rig.db.user_tx(&ann).await.unwrap();
    assert!(!secret_replace(&tx, &old, b"x").await.unwrap(), "the token was changed meanwhile");
    let now = secrets_of(&tx).await.unwrap().remove(0);
    assert!(secret_replace(&tx, &now, b"x").await.unwrap());
    assert_eq!(secrets_of(&tx).await.unwrap()[0].bytes, b"x");
}

#[tokio::test]
async fn rotate_wraps_everybodys_tokens_and_says_when_a_key_may_go() {
    let rig = TestDb::start().await;
    let (first, second) = (key(1), key(2));
    let old = vault(&[&first]);
    let users = ["ann", "bob", "cyd"].map(user);
    for who in &users {
        store(&rig, &old, who, SANDBOX, &format!("token-of-{who}")).await;
    }
    let url = rig.cluster.url();
    let done = blotterd(&url, &format!("{second}{first}"), "rotate");
    assert!(done.status.success(), "{}", text(&done));
    assert_eq!(
        text(&done),
        "wrapped under version 2: 3\nwere so already: 0\nversion 1 seals nothing: it may be destroyed\n"
    );
    let new = vault(&[&second]);
    for who in &users {
        let token = stored(&rig, who).await.remove(0);
        let opened = new.open(&place(who, SANDBOX), &Sealed::from_bytes(&token.bytes).unwrap()).unwrap();
        assert_eq!(opened.secret.expose_secret(), format!("token-of-{who}"));
    }
    let again = blotterd(&url, &format!("{second}{first}"), "rotate");
    assert!(text(&again).starts_with("wrapped under version 2: 0\nwere so already: 3\n"), "{}", text(&again));
}

#[tokio::test]
async fn a_token_whose_key_is_lost_is_named_and_left() {
    let rig = TestDb::start().await;
    let ann = user("ann");
    store(&rig, &vault(&[&key(1)]), &ann, SANDBOX, "a-token-of-ann").await;
    let before = stored(&rig, &ann).await;
    let failed = blotterd(&rig.cluster.url(), &key(2), "rotate");
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed).contains("FAILED tradier_sandbox_token of ann: it is sealed with version 1"), "{failed:?}");
    assert_eq!(stored(&rig, &ann).await, before);
}

#[test]
fn keygen_prints_the_next_version_and_never_the_one_that_is_there() {
    let fresh = blotterd("", "", "keygen");
    assert!(fresh.status.success() && text(&fresh).starts_with("v1:"), "{}", text(&fresh));
    let first = text(&fresh);
    let next = text(&blotterd("", first.trim(), "keygen"));
    assert!(next.starts_with("v2:"), "{next}");
    assert_ne!(next[3..], first[3..]);
    let both = text(&blotterd("", &format!("{next}{first}"), "keygen"));
    assert!(both.starts_with("v3:"), "{both}");
}
