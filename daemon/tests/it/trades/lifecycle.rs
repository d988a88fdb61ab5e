//! Lives of trades: in, protected, and out by each door.

use blotter_daemon::trades::commands::adjust::Side;
use blotter_daemon::trades::commands::{Adjust, Close, Command, RefusalCode, Versioned};
use blotter_daemon::trades::facts::Trade;
use blotter_shared::domain::{CloseReason, OptionType, Protection, TradeStatus};
use serde_json::json;

use super::rig::{Rig, is_confirmed};
use crate::support::Raw;

fn is_closed(trade: &Trade) -> bool {
    trade.marks.status == TradeStatus::Closed
}

/// Whether every execution has its price.
fn is_booked(trade: &Trade) -> bool {
    trade.fills.iter().map(|fill| fill.quantity).sum::<u32>() == 4
}

fn close(version: i64) -> Close {
    Close { version, quantity: None, limit: None, at_open: false }
}

/// Checks what must hold of every closed trade: broker and database tell one story.
async fn check_end(rig: &Rig, trade: &Trade, reason: CloseReason) {
    assert_eq!(trade.marks.close_reason, Some(reason));
    assert_eq!(rig.position().await, 0);
    assert!(rig.ours().await.iter().all(blotter_daemon::broker::Order::is_final_throughout), "{:#?}", rig.ours().await);
    let locked = "SELECT count(*) FROM paper_trades WHERE is_locked AND status = 'CLOSED' AND held_qty = 0";
    assert_eq!(rig.count(locked).await, 1);
    // What the columns say is what the fills add up to.
    let pnl = "SELECT (realized_pnl * 10000)::bigint FROM paper_trades";
    let sums = "SELECT (sum(CASE side WHEN 'SELL' THEN inc_value ELSE -inc_value END) * 1000000)::bigint FROM fills";
    assert_eq!(rig.count(pnl).await, rig.count(sums).await);
    let figures = "
        SELECT count(*) FROM paper_trades t CROSS JOIN (
            SELECT sum(inc_qty) FILTER (WHERE side = 'SELL') AS sold,
                   sum(inc_value) FILTER (WHERE side = 'BUY') AS cost,
                   sum(inc_value) FILTER (WHERE side = 'SELL') AS brought,
                   min(observed_at) FILTER (WHERE side = 'BUY') AS came,
                   max(observed_at) FILTER (WHERE side = 'SELL') AS went
              FROM fills) f
         WHERE t.entry_price = round(f.cost / f.sold, 4) AND t.close_price = round(f.brought / f.sold, 4)
           AND t.broker_fill_price = t.close_price AND t.broker_fill_time = f.went
           AND t.trigger_precision = 'BROKER_FILL' AND t.close_date IS NOT NULL
           AND t.realized_pnl_pct = round((f.brought - f.cost) * 100 / f.cost, 4)
           AND abs(t.r_multiple - t.realized_pnl / ((t.entry_price - t.initial_sl) * f.sold * 100)) < 0.0001
           AND abs(t.hold_duration_h * 3600 - extract(epoch FROM t.close_date - f.came)) < 2";
    assert_eq!(rig.count(figures).await, 1, "prices, time, precision, percent, R and hours: {}", told(rig).await);
    let silent = "SELECT count(*) FROM intents i
                   WHERE NOT EXISTS (SELECT FROM intent_events e WHERE e.intent_id = i.intent_id AND e.event = i.state)";
    assert_eq!(rig.count(silent).await, 0, "each state of an intent has its event");
}

/// The row and its fills, for whoever reads the failure.
async fn told(rig: &Rig) -> String {
    let admin = Raw::connect(&rig.cluster.url()).await;
    let sql = "SELECT json_build_object('trade', (SELECT json_agg(t) FROM paper_trades t),
                                        'fills', (SELECT json_agg(f) FROM fills f))::text";
    admin.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn calls_and_puts_are_bought_protected_and_sold_alike() {
    for (option_type, letter, word) in [(OptionType::Call, "C00", "CALL"), (OptionType::Put, "P00", "PUT")] {
        let mut rig = Rig::start().await;
        rig.contract.option_type = option_type;
        rig.pin("5.00", "5.10").await;
        let id = rig.hold().await;
        let symbol = rig.trade(id).await.spec.symbol;
        assert!(symbol.as_str().contains(letter), "{symbol}");
        rig.pin("3.80", "3.90").await;
        let trade = rig.until("the stop is hit", id, |trade| is_closed(trade) && is_booked(trade)).await;
        check_end(&rig, &trade, CloseReason::StopHit).await;
        let kind =
            format!("SELECT count(*) FROM paper_trades WHERE option_type = '{word}' AND option_symbol = '{symbol}'");
        assert_eq!(rig.count(&kind).await, 1);
    }
}

#[tokio::test]
async fn a_position_that_differs_is_released_by_a_person_and_what_is_there_is_protected() {
    let mut rig = Rig::start().await;
    let id = rig.hold().await;
    let symbol = rig.contract.occ();
    let gone =
        json!({ "do": "move_position", "account": "6YA00001", "symbol": symbol, "quantity": -1, "reason": "transfer" });
    rig.act(gone).await;
    rig.until("the difference is seen", id, |trade| trade.marks.mismatch.is_some()).await;
    // Later than a position lags behind its fill, and than a difference needs to be believed.
    rig.go_to("2026-09-10T11:05:00").await;
    rig.until("it waits for a person", id, |trade| trade.marks.quarantine.is_some()).await;
    assert_eq!(rig.count("SELECT count(*) FROM alarms WHERE kind = 'QUARANTINE' AND cleared_at IS NULL").await, 1);
    assert_eq!(rig.ours().await.len(), 2, "nothing is sent, and nothing cancelled");
    rig.go_to("2026-09-10T11:06:00").await;
    rig.command(Command::Protect(id, Versioned { version: 1 })).await.unwrap();
    let one = |trade: &Trade| {
        let fits = trade.live_exits().all(|exit| exit.remaining() == 1) && trade.exits().count() == 2;
        fits && trade.marks.held == 1 && trade.marks.protection == Protection::Confirmed
    };
    let trade = rig.until("what is there is protected", id, one).await;
    assert_eq!((trade.marks.quarantine, trade.marks.outside), (None, 1));
    let working: Vec<_> = rig.ours().await.into_iter().filter(|order| !order.is_final_throughout()).collect();
    assert_eq!((rig.position().await, working.len()), (1, 1), "{working:#?}");
    assert!(working[0].legs.iter().all(|leg| leg.quantity == Some(1.into())), "{working:#?}");
    assert_eq!(rig.count("SELECT count(*) FROM alarms WHERE kind = 'QUARANTINE' AND cleared_at IS NULL").await, 0);
}

#[tokio::test]
async fn a_target_that_is_hit_ends_the_trade_with_its_result() {
    let mut rig = Rig::start().await;
    let id = rig.hold().await;
    assert_eq!(rig.ours().await.len(), 2, "an entry and one bracket");
    rig.pin("7.20", "7.30").await;
    let trade = rig.until("the target is hit", id, |trade| is_closed(trade) && is_booked(trade)).await;
    check_end(&rig, &trade, CloseReason::TargetHit).await;
    assert!(rig.count("SELECT (realized_pnl * 100)::bigint FROM paper_trades").await > 0);
}

#[tokio::test]
async fn a_stop_that_is_hit_ends_the_trade_with_its_result() {
    let mut rig = Rig::start().await;
    let id = rig.hold().await;
    rig.pin("3.80", "3.90").await;
    let trade = rig.until("the stop is hit", id, |trade| is_closed(trade) && is_booked(trade)).await;
    check_end(&rig, &trade, CloseReason::StopHit).await;
    assert!(rig.count("SELECT (realized_pnl * 100)::bigint FROM paper_trades").await < 0);
}

#[tokio::test]
async fn a_close_by_hand_takes_the_bracket_away_first_and_sells_once() {
    let mut rig = Rig::start().await;
    let id = rig.hold().await;
    rig.command(Command::Close(id, close(1))).await.unwrap();
    let second = rig.command(Command::Close(id, close(1))).await.unwrap_err();
    assert_eq!((second.code, second.versions), (RefusalCode::AlreadyClosing, Some((1, 2))));
    let trade = rig.until("it is closed", id, |trade| is_closed(trade) && is_booked(trade)).await;
    check_end(&rig, &trade, CloseReason::Manual).await;
    assert_eq!(rig.ours().await.len(), 3, "an entry, a bracket, a sale");
}

#[tokio::test]
async fn an_adjusted_stop_works_at_the_broker_and_a_bad_one_changes_nothing() {
    let mut rig = Rig::start().await;
    let id = rig.hold().await;
    let stop = |version, text: &str| {
        Command::Adjust(id, Adjust { version, stop: Side::Set(text.parse().unwrap()), target: Side::Keep })
    };
    assert_eq!(rig.command(stop(1, "5.00")).await.unwrap_err().code, RefusalCode::StopNotBelowBid);
    assert_eq!(rig.command(stop(7, "4.50")).await.unwrap_err().code, RefusalCode::StaleVersion);
    assert!(is_confirmed(&rig.trade(id).await));
    rig.command(stop(1, "4.50")).await.unwrap();
    let wanted = "4.50".parse().unwrap();
    let moved = |trade: &Trade| is_confirmed(trade) && trade.marks.good.and_then(|good| good.stop) == Some(wanted);
    rig.until("the new stop works", id, moved).await;
    let working: Vec<_> = rig.ours().await.into_iter().filter(|order| !order.is_final_throughout()).collect();
    assert_eq!(working.len(), 1, "{working:#?}");
    assert!(working[0].legs.iter().any(|leg| leg.stop_price == Some("4.50".parse().unwrap())), "{working:#?}");
    assert_eq!(
        rig.count("SELECT count(*) FROM paper_trades WHERE sl_price = 4.5 AND good_sl = 4.5 AND version = 2").await,
        1
    );
}

#[tokio::test]
async fn a_bracket_that_the_broker_drops_is_placed_again() {
    let mut rig = Rig::start().await;
    let id = rig.hold().await;
    rig.act(json!({ "do": "vanish", "reason": "cancelled by the exchange" })).await;
    rig.until("the loss is seen", id, |trade| trade.exits().any(|exit| !exit.is_live())).await;
    let trade = rig.until("it is protected again", id, is_confirmed).await;
    assert_eq!(trade.exits().count(), 2);
    assert_eq!(rig.position().await, 2);
}

#[tokio::test]
async fn a_trade_that_cannot_be_recorded_is_told_of_and_holds_up_no_other() {
    let mut rig = Rig::start().await;
    let stuck = rig.hold().await;
    std::mem::swap(&mut rig.contract, &mut rig.other);
    rig.pin("5.00", "5.10").await;
    let healthy = rig.hold().await;
    let admin = Raw::connect(&rig.cluster.url()).await;
    // The row says that it ended without a position: one road leads from there back to a position, and none to its end.
    let spoil = format!(
        "SET session_replication_role = replica;
         UPDATE paper_trades SET status = 'VOID', held_qty = 0, protection = 'N/A', naked_since = NULL, close_date = now()
          WHERE id = '{stuck}'"
    );
    admin.batch_execute(&spoil).await.unwrap();
    std::mem::swap(&mut rig.contract, &mut rig.other);
    rig.pin("7.20", "7.30").await;
    // A pass that still saw it held could take that road, and there would be nothing to tell.
    rig.until_sold().await;
    let told = format!(
        "SELECT count(*) FROM alarms WHERE kind = 'NEEDS_PERSON' AND trade_id = '{stuck}' AND cleared_at IS NULL
            AND message LIKE '%cannot be recorded%'"
    );
    rig.pass_until("a person is told", &told).await;
    std::mem::swap(&mut rig.contract, &mut rig.other);
    rig.pin("7.20", "7.30").await;
    let trade = rig.until("the target is hit", healthy, |trade| is_closed(trade) && is_booked(trade)).await;
    assert_eq!(trade.marks.close_reason, Some(CloseReason::TargetHit));
}
