//! A token is looked at before it is stored, and the other world's token is told apart.

use std::sync::Arc;

use blotter_daemon::broker::factory::{Addresses, BrokerFactory, LiveLock};
use blotter_daemon::broker::rate_limit::{Limiters, Limits, MemoryStore};
use blotter_daemon::broker::tradier::TokenVerdict;
use blotter_daemon::broker::{AuthTrouble, NotSent, OrderId, ReadError, WriteOutcome};
use blotter_daemon::clock::Clock;
use blotter_shared::domain::BrokerMode;

use super::loopback::{Reply, Server};
use super::support::{TOKEN, bracket, entry, fixture, patience, send};

fn factory(server: &Server) -> BrokerFactory {
    let clock = Clock::system();
    let limiters = Limiters::new(Limits::default(), Arc::new(MemoryStore::default()), clock.clone());
    let here = Some(server.url());
    let addresses = Addresses { sim: here.clone(), sandbox: here.clone(), live: here };
    BrokerFactory::new(LiveLock::Locked, addresses, Arc::new(limiters), clock).with_patience(patience())
}

#[tokio::test]
async fn a_token_is_good_refused_or_undecided() {
    for (reply, verdict) in [
        (Reply::new(401, fixture!("wrong_environment.txt")), TokenVerdict::Refused(AuthTrouble::WrongEnvironment)),
        (Reply::new(401, fixture!("fault_token.json")), TokenVerdict::Refused(AuthTrouble::Invalid)),
        (
            Reply::new(503, ""),
            TokenVerdict::Undecided(ReadError::Unavailable { status: 503, reason: "no reason given".to_owned() }),
        ),
    ] {
        let server = Server::always(reply).await;
        assert_eq!(factory(&server).verify(BrokerMode::Sandbox, TOKEN.into()).await, Ok(verdict));
    }
    let server = Server::always(Reply::ok(fixture!("profile_two_accounts.json"))).await;
    let verdict = factory(&server).verify(BrokerMode::Live, TOKEN.into()).await.unwrap();
    let TokenVerdict::Good(profile) = verdict else { panic!("{verdict:?}") };
    assert_eq!(profile.accounts.len(), 2, "looking at a live token is allowed while live trading is locked");
    assert_eq!(server.requests()[0].path, "/v1/user/profile");
    assert_eq!(server.requests()[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
}

#[tokio::test]
async fn a_locked_live_account_buys_nothing_and_keeps_its_stops() {
    let server = Server::always(Reply::ok(fixture!("ack.json"))).await;
    let number = "VA00000001".parse().unwrap();
    let live = factory(&server).open(BrokerMode::Live, number, TOKEN.into()).await.unwrap();
    let bought = live.broker.place(&entry(), send()).await;
    assert_eq!(bought, WriteOutcome::NotSent { proof: NotSent::Locked });
    assert_eq!(server.requests().len(), 0);
    let protected = live.broker.place(&bracket(), send()).await;
    assert!(matches!(protected, WriteOutcome::Accepted { .. }), "{protected:?}");
    let canceled = live.broker.cancel(OrderId::new(38_467_959).unwrap(), send()).await;
    assert!(matches!(canceled, WriteOutcome::Accepted { .. }), "{canceled:?}");
}
