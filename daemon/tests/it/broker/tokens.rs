//! Tokens through the socket: asked about first, sealed then, looked at for as long as they are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blotter_daemon::config::Config;
use blotter_shared::domain::{BrokerMode, Cash};
use blotter_shared::protocol::accounts::{AccountList, AccountReport, AccountState};
use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::problem::ProblemCode;
use blotter_shared::protocol::settings::Settings;
use http::StatusCode;
use secrecy::SecretString;

use super::loopback::{Reply, Server};
use super::support::fixture;
use crate::api::daemon::{Client, Daemon};
use crate::support::{DEADLINE, TestDb, insert_trade, looks};

const TOKEN: &str = "s3cr3t-token-0123456789";

struct Rig {
    db: TestDb,
    broker: Server,
    daemon: Daemon,
}

async fn rig(broker: Server, change: impl FnOnce(&mut Config)) -> Rig {
    let db = TestDb::start().await;
    let url = broker.url();
    let daemon = Daemon::start(&db.cluster.url(), |config| {
        config.broker.sim_url = Some(url);
        config.vault.encryption_key = Some(blotter_daemon::vault::keygen().unwrap());
        change(config);
    })
    .await;
    Rig { db, broker, daemon }
}

fn body(account: &str) -> String {
    format!(r#"{{"mode":"SIM","token":"{TOKEN}"{account}}}"#)
}

async fn stored(client: &mut Client) -> bool {
    client.get("/v1/settings").await.json::<Settings>().tokens.sim
}

/// Waits until the one account is in `state`.
async fn reach(client: &mut Client, state: AccountState) -> AccountReport {
    until(client, state.as_str(), |account| account.state == state).await
}

/// Waits until the one account is as wanted.
async fn until(client: &mut Client, what: &str, is_so: impl Fn(&AccountReport) -> bool) -> AccountReport {
    let (mut last, mut looks) = (AccountList::default(), looks());
    let reached = tokio::time::timeout(DEADLINE, async {
        loop {
            looks.tick().await;
            last = client.get("/v1/accounts").await.json();
            if let [account] = last.accounts.as_slice()
                && is_so(account)
            {
                return account.clone();
            }
        }
    });
    match reached.await {
        Ok(account) => account,
        Err(_) => panic!("waited for {what}, the accounts are {last:#?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_token_is_sealed_and_its_account_is_looked_at() {
    let rig = rig(Server::always(Reply::ok(fixture!("profile_one_account.json"))).await, |_| ()).await;
    let mut client = rig.daemon.client().await;
    assert_eq!(client.get("/v1/accounts").await.json::<AccountList>(), AccountList::default());
    let answer = client.act("PUT", "/v1/tokens", "k1", &body("")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let settings: Settings = answer.json();
    assert!(settings.tokens.sim && !settings.tokens.sandbox);
    assert_eq!(settings.sim_account_id.as_deref(), Some("VA00000001"));
    let account = reach(&mut client, AccountState::Ok).await;
    assert!(account.may_send);
    assert_eq!((account.account_id.as_deref(), account.detail), (Some("VA00000001"), None));
    rig.daemon.wait_for_health(|health| health.broker.state == ComponentState::Ok).await;
    let requests = rig.broker.requests();
    assert_eq!(requests[0].path, "/v1/user/profile");
    // From then on the trade engine may look at the account, too; nobody acts.
    let acts = requests.iter().filter(|request| request.method != "GET" && !request.path.ends_with("/events/session"));
    assert_eq!(acts.count(), 0, "{requests:#?}");
    let raw = rig.db.admin().await;
    let row = raw.query_one("SELECT user_settings::text || (SELECT json_agg(a)::text FROM audit_log a) || (SELECT json_agg(c)::text FROM commands c) FROM user_settings", &[]).await.unwrap();
    let text: String = row.get(0);
    assert!(text.contains("tokens.set") && !text.contains(TOKEN), "{text}");
    let again = client.act("PUT", "/v1/tokens", "k1", &body("")).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json::<Settings>().version, settings.version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_is_worth_is_told_once_the_broker_says_it_and_until_then_nothing_is_wrong() {
    let says = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&says);
    let broker = Server::start(move |_, request| match request.path.ends_with("/balances") {
        true if told.load(Ordering::SeqCst) => Reply::ok(fixture!("balances_cash.json")),
        true => Reply::new(500, "maintenance"),
        false => Reply::ok(fixture!("profile_one_account.json")),
    });
    let rig = rig(broker.await, |_| ()).await;
    let mut client = rig.daemon.client().await;
    assert_eq!(client.act("PUT", "/v1/tokens", "k1", &body("")).await.status, StatusCode::OK);
    assert_eq!(reach(&mut client, AccountState::Ok).await.equity, None);
    rig.broker.wait_for_path("/balances").await;
    assert_eq!(reach(&mut client, AccountState::Ok).await.equity, None, "an account that is not weighed is all right");

    says.store(true, Ordering::SeqCst);
    // A token that is stored is looked at.
    assert_eq!(client.act("PUT", "/v1/tokens", "k2", &body("")).await.status, StatusCode::OK);
    let is_weighed = |account: &AccountReport| account.equity.is_some();
    assert_eq!(until(&mut client, "its worth", is_weighed).await.equity, Some(Cash(100_000.into())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_two_accounts_asks_which_one() {
    let rig = rig(Server::always(Reply::ok(fixture!("profile_two_accounts.json"))).await, |_| ()).await;
    let mut client = rig.daemon.client().await;
    for account in ["", r#","account_id":"VA00000003""#] {
        let problem = client.act("PUT", "/v1/tokens", "k1", &body(account)).await.problem();
        assert_eq!((problem.code, problem.errors[0].field.as_str()), (ProblemCode::Invalid, "account_id"));
        assert_eq!(problem.errors[0].rule, "one of the token's accounts: VA00000001, VA00000002");
    }
    assert!(!stored(&mut client).await);
    let answer = client.act("PUT", "/v1/tokens", "k1", &body(r#","account_id":"VA00000002""#)).await;
    assert_eq!(answer.json::<Settings>().sim_account_id.as_deref(), Some("VA00000002"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_trades_is_not_exchanged_for_another() {
    let rig = rig(Server::always(Reply::ok(fixture!("profile_two_accounts.json"))).await, |_| ()).await;
    let mut client = rig.daemon.client().await;
    let (first, second) = (body(r#","account_id":"VA00000001""#), body(r#","account_id":"VA00000002""#));
    assert_eq!(client.act("PUT", "/v1/tokens", "k1", &second).await.status, StatusCode::OK);
    let raw = rig.db.admin().await;
    let user: String = raw.query_one("SELECT username FROM user_settings", &[]).await.unwrap().get(0);
    let trade = "0192f0c1-2c3d-7a4b-8c5d-6e7f8091a2b3";
    raw.batch_execute(&insert_trade(&user, trade, &[("account_id", "'VA00000002'")])).await.unwrap();
    let problem = client.act("PUT", "/v1/tokens", "k2", &first).await.problem();
    assert_eq!((problem.code, problem.errors[0].field.as_str()), (ProblemCode::Invalid, "account_id"));
    assert!(problem.errors[0].rule.contains("1 trade is open in another"), "{problem:?}");
    let settings: Settings = client.get("/v1/settings").await.json();
    assert_eq!(settings.sim_account_id.as_deref(), Some("VA00000002"), "nothing was stored");
    let renewed = client.act("PUT", "/v1/tokens", "k3", &second).await;
    assert_eq!(renewed.status, StatusCode::OK, "another token of the same account is welcome");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_the_broker_does_not_accept_is_not_stored() {
    for (reply, code, told) in [
        (Reply::new(401, fixture!("wrong_environment.txt")), ProblemCode::Invalid, "other environment"),
        (Reply::new(401, fixture!("fault_token.json")), ProblemCode::Invalid, "expired, revoked or mistyped"),
        (Reply::new(503, fixture!("maintenance.html")), ProblemCode::BrokerUnavailable, "was not stored"),
        (Reply::Close, ProblemCode::BrokerUnavailable, "was not stored"),
    ] {
        let rig = rig(Server::always(reply).await, |_| ()).await;
        let mut client = rig.daemon.client().await;
        let problem = client.act("PUT", "/v1/tokens", "k1", &body("")).await.problem();
        assert_eq!(problem.code, code);
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.contains(told) && !text.contains(TOKEN), "{text}");
        assert!(!stored(&mut client).await);
        assert_eq!(rig.broker.requests().len(), 1, "asked once");
    }
}

/// Whoever sends the same request again is told the same, whatever the broker says by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_answered_without_asking_the_broker() {
    let good = Reply::ok(fixture!("profile_one_account.json"));
    let rig = rig(Server::always(good).await, |_| ()).await;
    let mut client = rig.daemon.client().await;
    let first = client.act("PUT", "/v1/tokens", "k1", &body("")).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    reach(&mut client, AccountState::Ok).await;
    // Beyond what a minute allows: a repeat is no look.
    for _ in 0..6 {
        let again = client.act("PUT", "/v1/tokens", "k1", &body("")).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.body, first.body);
    }
    let other = client.act("PUT", "/v1/tokens", "k1", &body(r#","account_id":"VA00000001""#)).await.problem();
    assert_eq!(other.code, ProblemCode::KeyReused);
}

/// A user who tries tokens is slowed down before the broker, and what was tried leaves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_tried_five_times_a_minute_and_leave_nothing() {
    let broker = Server::always(Reply::new(401, fixture!("fault_token.json"))).await;
    let data = tempfile::tempdir().unwrap();
    let rates = data.path().join("rates");
    let rig = rig(broker, |config| config.daemon.data_dir = Some(data.path().to_owned())).await;
    let mut client = rig.daemon.client().await;
    for n in 0..5 {
        let body = format!(r#"{{"mode":"SIM","token":"guess-{n:016}"}}"#);
        let problem = client.act("PUT", "/v1/tokens", &format!("k{n}"), &body).await.problem();
        assert_eq!(problem.code, ProblemCode::Invalid, "{problem:?}");
    }
    let problem = client.act("PUT", "/v1/tokens", "k6", &body("")).await.problem();
    assert_eq!(problem.code, ProblemCode::TooMany, "{problem:?}");
    assert!(problem.retry_after_s.is_some_and(|seconds| (1..=60).contains(&seconds)), "{problem:?}");
    assert_eq!(rig.broker.requests().len(), 5);
    assert_eq!(std::fs::read_dir(rates).unwrap().count(), 0, "a file for a token that nobody has");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_nothing_is_asked_and_nothing_is_stored() {
    let broker = Server::always(Reply::ok(fixture!("profile_one_account.json"))).await;
    let rig = rig(broker, |config| config.vault.encryption_key = None).await;
    let mut client = rig.daemon.client().await;
    let problem = client.act("PUT", "/v1/tokens", "k1", &body("")).await.problem();
    assert_eq!(problem.code, ProblemCode::Forbidden);
    assert!(problem.detail.contains("blotterd vault keygen"), "{}", problem.detail);
    assert_eq!(rig.broker.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_asks_for_another_and_degrades_the_health() {
    let replies = vec![Reply::ok(fixture!("profile_one_account.json")), Reply::new(401, fixture!("fault_token.json"))];
    let rig = rig(Server::in_order(replies).await, |_| ()).await;
    let mut client = rig.daemon.client().await;
    assert_eq!(client.act("PUT", "/v1/tokens", "k1", &body("")).await.status, StatusCode::OK);
    let account = reach(&mut client, AccountState::Reauthenticate).await;
    assert!(!account.may_send && account.since.is_some());
    assert!(account.detail.unwrap().starts_with("Re-authenticate"));
    let health = rig.daemon.wait_for_health(|health| health.broker.state == ComponentState::Degraded).await;
    assert_eq!(health.broker.detail.as_deref(), Some("the account needs attention"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_the_key_does_not_open_is_said_to_be_so() {
    let broker = Server::always(Reply::ok(fixture!("profile_one_account.json"))).await;
    let first = rig(broker, |_| ()).await;
    let mut client = first.daemon.client().await;
    assert_eq!(client.act("PUT", "/v1/tokens", "k1", &body("")).await.status, StatusCode::OK);
    let Rig { db, broker, daemon } = first;
    daemon.stop().await.unwrap();
    let url = broker.url();
    let second = Daemon::launch(&db.cluster.url(), |config| {
        config.broker.sim_url = Some(url);
        let key = secrecy::ExposeSecret::expose_secret(&blotter_daemon::vault::keygen().unwrap()).to_owned();
        config.vault.encryption_key = Some(SecretString::from(format!("v1:{key}")));
    });
    second.wait_for_health(|health| health.database.state == ComponentState::Ok).await;
    let account = reach(&mut second.client().await, AccountState::NotOpened).await;
    assert!(account.detail.unwrap().contains("version 1 of the key did not seal it"));
    assert!(!account.may_send);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_money_wants_the_number_of_its_account_typed() {
    let rig = rig(Server::always(Reply::Close).await, |config| config.broker.allow_live = true).await;
    let mut client = rig.daemon.client().await;
    let version = client.get("/v1/settings").await.json::<Settings>().version;
    let live = |typed: &str| format!(r#"{{"version":{version},"broker_mode":"LIVE"{typed}}}"#);
    let number = r#","typed_live_account":"6YA00001""#;
    let refused = async |client: &mut Client, typed: &str| {
        let problem = client.act("PUT", "/v1/settings", "k1", &live(typed)).await.problem();
        assert_eq!(problem.code, ProblemCode::Invalid, "{typed}");
        let mode = client.get("/v1/settings").await.json::<Settings>().broker_mode;
        assert_ne!(mode, BrokerMode::Live, "{typed}");
        problem.errors[0].field.clone()
    };
    assert_eq!(refused(&mut client, number).await, "broker_mode", "there is no live account yet");
    let stored = "UPDATE user_settings SET tradier_live_account_id = '6YA00001'";
    assert_eq!(rig.db.admin().await.execute(stored, &[]).await.unwrap(), 1);
    for wrong in ["", r#","typed_live_account":"LIVE""#, r#","typed_live_account":"6YA00002""#] {
        assert_eq!(refused(&mut client, wrong).await, "typed_live_account");
    }
    let answer = client.act("PUT", "/v1/settings", "k1", &live(number)).await;
    assert_eq!(answer.json::<Settings>().broker_mode, BrokerMode::Live, "a refusal leaves the key free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_forgotten_with_its_account_and_not_while_trades_need_it() {
    let rig = rig(Server::always(Reply::ok(fixture!("profile_one_account.json"))).await, |_| ()).await;
    let mut client = rig.daemon.client().await;
    assert_eq!(client.act("PUT", "/v1/tokens", "k1", &body("")).await.status, StatusCode::OK);
    reach(&mut client, AccountState::Ok).await;
    let raw = rig.db.admin().await;
    let user: String = raw.query_one("SELECT username FROM user_settings", &[]).await.unwrap().get(0);
    let trade = "0192f0c1-2c3d-7a4b-8c5d-6e7f8091a2b3";
    raw.batch_execute(&insert_trade(&user, trade, &[])).await.unwrap();
    let problem = client.act("DELETE", "/v1/tokens/sim", "k2", "").await.problem();
    assert_eq!((problem.code, problem.errors[0].field.as_str()), (ProblemCode::Invalid, "which"));
    assert!(problem.errors[0].rule.contains("1 trade is open in SIM"), "{problem:?}");
    assert!(stored(&mut client).await);
    let gone = format!(
        "SET session_replication_role = replica; DELETE FROM paper_trades WHERE id = '{trade}'; RESET session_replication_role"
    );
    raw.batch_execute(&gone).await.unwrap();
    let answer = client.act("DELETE", "/v1/tokens/sim", "k2", "").await;
    let settings: Settings = answer.json();
    assert_eq!((settings.tokens.sim, settings.sim_account_id), (false, None), "a refusal leaves the key free");
    assert_eq!(client.get("/v1/accounts").await.json::<AccountList>(), AccountList::default());
    rig.daemon.wait_for_health(|health| health.broker.state == ComponentState::NotConfigured).await;
    let again = client.act("DELETE", "/v1/tokens/sim", "k2", "").await;
    assert_eq!((again.headers["idempotency-replayed"].to_str().unwrap(), again.status), ("true", StatusCode::OK));
    assert_eq!(client.act("DELETE", "/v1/tokens/sim", "k3", "").await.problem().code, ProblemCode::NotFound);
    let unknown = client.act("DELETE", "/v1/tokens/paper", "k4", "").await.problem();
    assert_eq!(unknown.errors[0].rule, "one of SIM SANDBOX LIVE ORATS");
    let row = raw.query_one("SELECT count(*) FROM audit_log WHERE action = 'tokens.remove'", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orats_token_is_asked_about_at_orats_stored_sealed_and_forgotten() {
    let orats = Server::always(Reply::ok(r#"{"data":[{"ticker":"SPY","expirDate":"2026-09-18"}]}"#)).await;
    let url = format!("http://{}/datav2", orats.address);
    let rig = rig(Server::always(Reply::Close).await, |config| config.broker.orats_url = Some(url)).await;
    let mut client = rig.daemon.client().await;
    let body = |more: &str| format!(r#"{{"mode":"ORATS","token":"{TOKEN}"{more}}}"#);
    let named = client.act("PUT", "/v1/tokens", "k1", &body(r#","account_id":"VA1""#)).await.problem();
    assert_eq!((named.code, named.errors[0].field.as_str()), (ProblemCode::Invalid, "account_id"));
    assert_eq!(orats.requests().len(), 0);
    let answer = client.act("PUT", "/v1/tokens", "k1", &body("")).await;
    assert!(answer.json::<Settings>().tokens.orats, "{answer:?}");
    let requests = orats.requests();
    assert_eq!((requests.len(), requests[0].path.as_str()), (1, "/datav2/live/expirations"));
    assert_eq!(requests[0].query, format!("ticker=SPY&token={TOKEN}"));
    assert_eq!(client.get("/v1/accounts").await.json::<AccountList>(), AccountList::default(), "it is no account");
    let row = rig.db.admin().await;
    let text: String = row.query_one("SELECT user_settings::text || (SELECT json_agg(a)::text FROM audit_log a) || (SELECT json_agg(c)::text FROM commands c) FROM user_settings", &[]).await.unwrap().get(0);
    assert!(text.contains("orats_token") && !text.contains(TOKEN), "{text}");
    let removed = client.act("DELETE", "/v1/tokens/orats", "k2", "").await;
    assert!(!removed.json::<Settings>().tokens.orats);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orats_token_that_is_not_accepted_is_not_stored_and_not_shown() {
    for (reply, code, told) in [
        (Reply::ok("<!DOCTYPE html><p>Sign in</p>"), ProblemCode::Invalid, "expired, revoked or mistyped"),
        (Reply::new(403, TOKEN), ProblemCode::Invalid, "expired, revoked or mistyped"),
        (Reply::new(500, TOKEN), ProblemCode::BrokerUnavailable, "was not stored"),
        (Reply::Reset, ProblemCode::BrokerUnavailable, "was not stored"),
    ] {
        let orats = Server::always(reply).await;
        let url = format!("http://{}/datav2", orats.address);
        let rig = rig(Server::always(Reply::Close).await, |config| config.broker.orats_url = Some(url)).await;
        let mut client = rig.daemon.client().await;
        let body = format!(r#"{{"mode":"ORATS","token":"{TOKEN}"}}"#);
        let problem = client.act("PUT", "/v1/tokens", "k1", &body).await.problem();
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(problem.code, code, "{text}");
        assert!(text.contains(told) && !text.contains(TOKEN) && !text.contains("token="), "{text}");
        assert!(!client.get("/v1/settings").await.json::<Settings>().tokens.orats);
    }
}
