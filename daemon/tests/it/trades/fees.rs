//! What the broker charged, told to the trades that it was charged for.

use blotter_daemon::accounts::NewToken;
use blotter_daemon::app;
use blotter_daemon::clock::Clock;
use blotter_daemon::config::Config;
use blotter_daemon::db::secrets::TokenColumn;
use blotter_daemon::db::timeline::story_rows;
use blotter_daemon::db::trades::trade_get;
use blotter_daemon::fees::Fees;
use blotter_daemon::trades::commands::{Close, Command};
use blotter_daemon::trades::facts::Trade;
use blotter_daemon::trades::story;
use blotter_shared::domain::{BrokerMode, Cash, TradeId, TradeStatus};
use blotter_shared::protocol::trades;
use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde_json::json;

use super::rig::Rig;
use crate::chores::hub;
use crate::support::Raw;

/// The morning after: Friday, before the exchange opens.
const MORNING: &str = "2026-09-11T06:30:00";

/// Asks for the fees of the rig's account, as the daemon does at night.
async fn desk(rig: &Rig, clock: &Clock) -> Fees {
    let db = rig.ledger.db.clone();
    let mut settings = Config::defaults();
    settings.broker.sim_url = Some(rig.url());
    settings.vault.encryption_key = Some(blotter_daemon::vault::keygen().unwrap());
    let accounts = app::accounts(&settings, &db, clock).unwrap();
    let tx = db.user_tx(&rig.ledger.user).await.unwrap();
    let account = Some(rig.ledger.account.number.parse().unwrap());
    let column = TokenColumn::Broker(BrokerMode::Sim);
    accounts.store(&tx, &NewToken { column, token: "live-token".into(), account }, "d").await.unwrap();
    tx.commit().await.unwrap();
    Fees { hub: hub(&db, clock), db, accounts, clock: clock.clone() }
}

fn is_booked(trade: &Trade) -> bool {
    let contracts: u32 = trade.fills.iter().map(|fill| fill.quantity).sum();
    trade.marks.status == TradeStatus::Closed && contracts == 4
}

/// A trade of two contracts, from its entry to its end.
async fn round_trip(rig: &mut Rig) -> TradeId {
    let id = rig.hold().await;
    sell(rig, id, (1, None)).await;
    rig.until("it is closed", id, is_booked).await;
    id
}

async fn sell(rig: &Rig, id: TradeId, (version, contracts): (i64, Option<u32>)) {
    let quantity = contracts.map(|contracts| contracts.try_into().unwrap());
    let close = Close { version, quantity, limit: None, at_open: false };
    rig.command(Command::Close(id, close)).await.unwrap();
}

/// As a client sees it.
async fn seen(rig: &Rig, id: TradeId) -> trades::Close {
    let tx = rig.ledger.db.user_tx(&rig.ledger.user).await.unwrap();
    trade_get(&tx, id).await.unwrap().close.unwrap()
}

async fn told(rig: &Rig, id: TradeId) -> Vec<String> {
    let tx = rig.ledger.db.user_tx(&rig.ledger.user).await.unwrap();
    let moments = story::told(story_rows(&tx, id).await.unwrap());
    moments.into_iter().map(|moment| moment.what).filter(|what| what.starts_with("fees")).collect()
}

async fn say(rig: &Rig, sql: &str) {
    Raw::connect(&rig.cluster.url()).await.batch_execute(sql).await.unwrap();
}

fn cents(cents: i64) -> Cash {
    Cash(Decimal::new(cents, 2))
}

const EVENTS: &str = "SELECT count(*) FROM change_feed WHERE entity = 'TRADE'";
const GROSS: &str = "SELECT (sum(CASE side WHEN 'SELL' THEN inc_value ELSE -inc_value END) * 10000)::bigint FROM fills";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fees_are_told_once_the_broker_tells_them_and_once() {
    let mut rig = Rig::start().await;
    let id = round_trip(&mut rig).await;
    let before = seen(&rig, id).await;
    let gross = cents(rig.count(GROSS).await);
    assert_eq!((before.fees, before.realized_pnl), (None, Some(gross)), "before fees, and it says so");

    // The same day there is nothing to ask, and the morning after the list may still be behind.
    let fees = desk(&rig, &rig.clock()).await;
    let waits = Ok(Some("fees told: 0 ($0.00), not told yet: 1".to_owned()));
    assert_eq!(fees.nightly().await, waits);
    let clock = rig.clock();
    let ahead = Clock::from_fn(move || clock.now() + TimeDelta::days(1));
    assert_eq!(Fees { clock: ahead, ..fees.clone() }.nightly().await, waits);
    rig.go_to(MORNING).await;
    rig.act(json!({ "do": "fault", "fault": { "kind": "unavailable" } })).await;
    let failed = fees.nightly().await.unwrap_err();
    assert!(failed.starts_with("SIM: the broker is unavailable"), "{failed}");
    rig.act(json!({ "do": "clear_faults" })).await;
    assert_eq!(seen(&rig, id).await, before, "nothing was booked by any of them");
    assert_eq!(rig.count("SELECT count(fee) FROM fills").await, 0);

    let events = rig.count(EVENTS).await;
    assert_eq!(fees.nightly().await, Ok(Some("fees told: 1 ($1.40), not told yet: 0".to_owned())));
    let after = seen(&rig, id).await;
    assert_eq!((after.fees, after.realized_pnl), (Some(cents(140)), Some(gross - cents(140))));
    let cost = rig.count("SELECT (sum(inc_value) FILTER (WHERE side = 'BUY') * 10000)::bigint FROM fills").await;
    let percent = (gross - cents(140)).0 * Decimal::ONE_HUNDRED / cents(cost).0;
    assert_eq!(after.realized_pnl_pct, Some(percent.round_dp(4)));
    let risk = cents(cost).0 - Decimal::from(800);
    assert_eq!(after.r_multiple, Some(((gross - cents(140)).0 / risk).round_dp(4)), "of a stop at 4.00");
    assert_eq!(rig.count("SELECT (sum(fee) * 100)::bigint FROM fills").await, 140);
    assert_eq!(rig.count("SELECT fees_e4 FROM closed_trades").await, 14_000);
    assert_eq!(rig.count(EVENTS).await, events + 1, "clients hear of it");
    assert_eq!(told(&rig, id).await, ["fees told: $1.40"]);

    assert_eq!(fees.nightly().await, Ok(None), "there is nothing more to ask");
    assert_eq!((seen(&rig, id).await, rig.count(EVENTS).await), (after, events + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_of_one_contract_share_its_day_with_each_other_and_with_somebody_else() {
    let mut rig = Rig::start().await;
    let first = round_trip(&mut rig).await;
    let second = round_trip(&mut rig).await;
    // Dearer contracts of somebody else: 4 x 0.35 + 3 x 0.65 are 3.35 for 7, of which 4 are ours.
    rig.act(json!({ "do": "settings", "settings": { "option_commission": "0.65" } })).await;
    for side in ["buy_to_open", "sell_to_close"] {
        let (account, symbol) = (&rig.ledger.account.number, rig.contract.occ());
        rig.act(json!({ "do": "outside_trade", "account": account, "symbol": symbol, "side": side, "quantity": 3 }))
            .await;
    }
    rig.go_to(MORNING).await;
    let fees = desk(&rig, &rig.clock()).await;
    assert_eq!(fees.nightly().await, Ok(Some("fees told: 2 ($3.82), not told yet: 0".to_owned())));
    let [one, other] = [seen(&rig, first).await.fees.unwrap(), seen(&rig, second).await.fees.unwrap()];
    assert_eq!(one + other, cents(382));
    assert!((one - other).0.abs() <= Decimal::new(2, 2), "{one} and {other}: a cent a side at most");
    let sums = "SELECT count(*) FROM (SELECT side FROM fills GROUP BY side HAVING sum(fee) = 1.91) AS sides";
    assert_eq!(rig.count(sums).await, 2, "each side by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_left_on_two_days_are_added_up_at_the_end() {
    let mut rig = Rig::start().await;
    rig.pin_for_good("5.00", "5.10").await;
    let id = rig.hold().await;
    sell(&rig, id, (1, Some(1))).await;
    let is_halved = |trade: &Trade| {
        let sold: u32 = trade.fills.iter().map(|fill| fill.quantity).sum();
        let covered = trade.marks.protection == blotter_shared::domain::Protection::Confirmed;
        trade.marks.held == 1 && sold == 3 && covered
    };
    rig.until("one is sold and the other protected", id, is_halved).await;
    rig.go_to("2026-09-11T11:00:00").await;
    let fees = desk(&rig, &rig.clock()).await;
    assert_eq!(fees.nightly().await, Ok(Some("fees told: 0 ($0.00), not told yet: 0".to_owned())));
    assert_eq!(rig.count("SELECT (sum(fee) * 100)::bigint FROM fills").await, 105, "what is told is booked");

    sell(&rig, id, (2, None)).await;
    rig.until("it is closed", id, is_booked).await;
    assert_eq!(fees.nightly().await, Ok(Some("fees told: 0 ($0.00), not told yet: 1".to_owned())));
    assert_eq!(seen(&rig, id).await.fees, None, "the second day's are not told");
    rig.go_to("2026-09-12T06:30:00").await;
    assert_eq!(fees.nightly().await, Ok(Some("fees told: 1 ($1.40), not told yet: 0".to_owned())));
    assert_eq!(seen(&rig, id).await.fees, Some(cents(140)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_charges_nothing_says_so() {
    let mut rig = Rig::start().await;
    rig.act(json!({ "do": "settings", "settings": { "option_commission": "0" } })).await;
    let id = round_trip(&mut rig).await;
    let gross = seen(&rig, id).await.realized_pnl;
    rig.go_to(MORNING).await;
    desk(&rig, &rig.clock()).await.nightly().await.unwrap();
    let close = seen(&rig, id).await;
    assert_eq!((close.fees, close.realized_pnl), (Some(Cash::ZERO), gross));
    assert_eq!(told(&rig, id).await, ["fees told: $0.00"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_by_somebody_else_is_charged_to_the_trade_that_it_ended() {
    let mut rig = Rig::start().await;
    let id = round_trip(&mut rig).await;
    // The sale of ours stands for one that was typed at the broker: two contracts that no order of ours sold.
    let typed = "SET session_replication_role = replica;
        UPDATE trade_facts SET marks = marks || '{\"outside\": 2, \"outside_value\": \"10.00\", \"outside_reason\": \"EXTERNAL\"}';
        DELETE FROM fills WHERE side = 'SELL';
        SET session_replication_role = origin";
    say(&rig, typed).await;
    rig.go_to(MORNING).await;
    let said = desk(&rig, &rig.clock()).await.nightly().await;
    assert_eq!(said, Ok(Some("fees told: 1 ($1.40), not told yet: 0".to_owned())));
    assert_eq!(rig.count("SELECT (sum(fee) * 100)::bigint FROM fills").await, 70, "our own part of it");
    assert_eq!(told(&rig, id).await, ["fees told: $1.40"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_history_or_with_another_accounts_token_nobody_is_charged_and_it_is_said_why() {
    let mut rig = Rig::start().await;
    let id = round_trip(&mut rig).await;
    rig.go_to(MORNING).await;
    let fees = desk(&rig, &rig.clock()).await;
    let elsewhere = |columns: &str| {
        format!(
            "SET session_replication_role = replica; UPDATE paper_trades SET {columns}; SET session_replication_role = origin"
        )
    };
    say(&rig, &elsewhere("account_id = '6YA00099'")).await;
    assert_eq!(fees.nightly().await, Err("the token of SIM is another account's by now".to_owned()));
    say(&rig, &elsewhere("account_id = '6YA00001', broker_mode = 'SANDBOX'")).await;
    assert_eq!(fees.nightly().await, Ok(Some("SANDBOX has no history".to_owned())));
    assert_eq!(seen(&rig, id).await.fees, None);
    // The same account in its own world.
    say(&rig, &elsewhere("broker_mode = 'SIM'")).await;
    assert_eq!(fees.nightly().await, Ok(Some("fees told: 1 ($1.40), not told yet: 0".to_owned())));
}
