//! The demo's account: a key to seal with, the simulator's token, and entries that go there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use blotter_shared::domain::{BrokerMode, Cash, Price, Quantity};
use blotter_shared::protocol::accounts::{TokenText, TokenUpdate};
use blotter_shared::protocol::commands::{PlaceTrade, Story};
use blotter_shared::protocol::settings::{Settings, SettingsUpdate};
use blotter_shared::protocol::trades::Trade;
use nix::unistd::Uid;
use rust_decimal::Decimal;
use tokio::process::Command;
use tokio::time::timeout;
use uuid::Uuid;

use super::folder::KeyText;
use crate::client::calls::{Call, CallError};
use crate::client::chain::listed;
use crate::client::connect::Place;
use crate::client::http::Daemon;
use crate::client::orders::{Ask, OrderCall};

/// What the simulator takes when nobody told it otherwise. It opens the account whose quotes are not
/// fifteen minutes old; no money of anybody's is in it.
const TOKEN: &str = "live-token";
/// What the simulator puts into it.
const BALANCE: Decimal = Decimal::from_parts(100_000, 0, 0, false, 0);
/// The account that the token opens.
pub(super) const NUMBER: &str = "6YA00001";
/// The first loses its bracket, the second reaches its target.
const TICKERS: [&str; 2] = ["SPY", "QQQ"];
/// Strikes on each side of the money that are looked at.
const STRIKES: u16 = 4;
/// Of bid and ask.
const STOP: Decimal = Decimal::from_parts(6, 0, 0, false, 1);
const TARGET: Decimal = Decimal::from_parts(15, 0, 0, false, 1);
const PAST_WITHIN: Duration = Duration::from_secs(60);
const KEY_WITHIN: Duration = Duration::from_secs(5);
/// The database is the demo's own: each of the two deeds is done once in it.
const TOKEN_KEY: Uuid = Uuid::from_u128(1);
const MODE_KEY: Uuid = Uuid::from_u128(2);

/// Asks `keygen` for a key; none when it gives none.
pub(super) async fn new_key(mut keygen: Command) -> Option<KeyText> {
    keygen.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = timeout(KEY_WITHIN, keygen.output()).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && text.starts_with("v1:")).then_some(KeyText(text))
}

/// Gives the user the simulator's account, and sends new entries there.
pub(super) async fn open(socket: &Path) -> Result<(), CallError> {
    let uid = Uid::effective().as_raw();
    let place = Place { path: socket.to_owned(), source: "the demo", is_shared_folder: false, uid };
    let daemon = Daemon::new(place, "demo".to_owned());
    let update = TokenUpdate { mode: BrokerMode::Sim.into(), token: TokenText(TOKEN.to_owned()), account_id: None };
    let settings: Settings = daemon.ask(&Call::PutToken { update, key: TOKEN_KEY }).await?;
    if settings.broker_mode == BrokerMode::Sim {
        return Ok(());
    }
    // Limits of the size of the simulator's account.
    let update = SettingsUpdate {
        version: settings.version,
        broker_mode: Some(BrokerMode::Sim),
        account_balance: Some(Cash(BALANCE)),
        ..SettingsUpdate::default()
    };
    let _: Settings = daemon.ask(&Call::PutSettings { update, key: MODE_KEY }).await?;
    for (number, ticker) in (3..).zip(TICKERS) {
        // A demo in which one of them cannot be bought is a demo all the same.
        let _ = buy(&daemon, ticker, Uuid::from_u128(number)).await;
    }
    Ok(())
}

/// Two contracts at the money, with a stop and a target: what the scenario then plays with.
async fn buy(daemon: &Daemon, ticker: &str, key: Uuid) -> Result<(), CallError> {
    let Some(chain) = listed(daemon, ticker, None, STRIKES).await?.chain else { return Ok(()) };
    let price = chain.underlying.unwrap_or_default();
    let calls = chain.rows.into_iter().filter(|row| row.strike >= price).filter_map(|row| row.call);
    let Some((call, bid, ask)) = calls.into_iter().find_map(|call| {
        let (bid, ask) = (call.bid?, call.ask?);
        Some((call, bid, ask))
    }) else {
        return Ok(());
    };
    let order = PlaceTrade {
        option_symbol: call.symbol,
        qty: Quantity::ONE,
        limit: None,
        sl_price: in_tens(bid * STOP),
        tp_price: in_tens(ask * TARGET),
        no_stop: false,
        story: Story { strategy: Some("demo".to_owned()), ..Story::default() },
    };
    let ask = OrderCall::Ask { ask: Box::new(Ask::Place(order)), key };
    let _: Trade = daemon.ask(&Call::Order(ask)).await?;
    Ok(())
}

/// On every price grid there is.
fn in_tens(price: Decimal) -> Option<Price> {
    Price::new(price.round_dp(1)).ok()
}

/// Some months of history; a demo without it is a demo all the same.
pub(super) async fn past(mut history: Command) {
    history.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let _ = timeout(PAST_WITHIN, history.status()).await;
}
