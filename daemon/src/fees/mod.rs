//! What the broker charged, told to the trades that it was charged for: once a night, from the account's history.
//!
//! `shares` is the whole arithmetic and pure. This module gathers what is untold, asks the broker once for each
//! account, books what it says on executions, and tells a closed trade its fees once all of its executions
//! have theirs. Until then `fees` is null and the result is one before fees.
//!
//! Invariants:
//! * Nothing is guessed: a history that is silent, incomplete or not understood books nothing, and is asked
//!   again the next night.
//! * A fee is booked once. A run may be cut off anywhere and repeated.
//! * The result after fees is worked out by the engine's own arithmetic, from the engine's own facts.

pub mod shares;

use std::collections::BTreeMap;
use std::fmt;

use blotter_shared::domain::{BrokerMode, Cash, TradeId};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::accounts::Accounts;
use crate::auth::Username;
use crate::broker::{Broker, HistoryRange, Priority, ReadError};
use crate::clock::Clock;
use crate::db::changes::{Changed, change_append};
use crate::db::engine::{AccountKey, trade_lock};
use crate::db::fees::{
    ChargedFill, ChargedTrade, FillKey, NetRow, charged_accounts, charged_fills, charged_trades, fees_tell, fill_fees,
    fill_fees_put,
};
use crate::db::settings::settings_users;
use crate::db::{Db, DbError};
use crate::events::Hub;
use crate::trades::pnl;
use crate::trades::runtime::store::trade_whole;
use shares::{Part, Told, Whose, shares};

/// Closed trades are asked about for so long.
const ASKED_FOR: TimeDelta = TimeDelta::days(60);
/// And about executions that are no older.
const OLDEST: Days = Days::new(400);
/// Digits that the columns of money keep.
const DIGITS: u32 = 4;

/// Asks for fees and books them.
#[derive(Clone, Debug)]
pub struct Fees {
    pub db: Db,
    pub accounts: Accounts,
    pub hub: Hub,
    pub clock: Clock,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Trades whose fees were told, and what these add up to.
    pub told: u64,
    pub fees: Decimal,
    /// Closed trades that go on waiting.
    pub waiting: u64,
    /// Accounts that gave an answer, or had nothing to be asked.
    pub answered: u64,
    /// Accounts for which there is no history, and why.
    pub without: Vec<String>,
    /// Accounts that gave no answer, and why.
    pub silent: Vec<String>,
}

/// What is known of an account before the broker is asked.
#[derive(Debug)]
struct Case {
    trades: Vec<ChargedTrade>,
    parts: Vec<Part>,
}

impl Fees {
    /// Every account of everybody in which something is untold.
    ///
    /// # Errors
    /// When the database does not answer, or no broker does.
    pub async fn nightly(&self) -> Result<Option<String>, String> {
        let report = self.run().await.map_err(|error| error.to_string())?;
        if report.answered == 0 && !report.silent.is_empty() { Err(report.to_string()) } else { Ok(report.said()) }
    }

    async fn run(&self) -> Result<Report, DbError> {
        let tx = self.db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        let mut report = Report::default();
        for user in &users {
            let tx = self.db.user_tx(user).await?;
            let accounts = charged_accounts(&tx, self.since()).await?;
            tx.commit().await?;
            for key in &accounts {
                match key.mode {
                    BrokerMode::Sandbox => report.without.push("SANDBOX has no history".to_owned()),
                    BrokerMode::Sim | BrokerMode::Live => self.open(user, key, &mut report).await?,
                }
            }
        }
        Ok(report)
    }

    async fn open(&self, user: &Username, key: &AccountKey, report: &mut Report) -> Result<(), DbError> {
        match self.accounts.open(user, key.mode).await {
            Ok(account) if account.broker.account().as_str() == key.number => {
                self.tell(user, account.broker.as_ref(), report).await
            }
            Ok(_) => {
                report.silent.push(format!("the token of {} is another account's by now", key.mode));
                Ok(())
            }
            Err(error) => {
                report.silent.push(format!("{}: {error}", key.mode));
                Ok(())
            }
        }
    }

    /// Asks one account's history for what is untold in it, and tells it.
    ///
    /// # Errors
    /// When the database does not answer. What the broker does not answer is in the report.
    pub async fn tell(&self, user: &Username, broker: &dyn Broker, report: &mut Report) -> Result<(), DbError> {
        let key = AccountKey { mode: broker.mode(), number: broker.account().as_str().to_owned() };
        let case = self.case(user, &key).await?;
        let today = day(self.clock.now());
        match ask(broker, &case, today).await {
            Ok(told) => {
                report.answered += 1;
                self.book(user, &case, &shares(&case.parts, &told, today), report).await
            }
            // A simulator may play the sandbox, which has none.
            Err(ReadError::BadRequest { reason }) if key.mode == BrokerMode::Sim => {
                report.without.push(format!("{}: {reason}", key.mode));
                Ok(())
            }
            Err(error) => {
                report.silent.push(format!("{}: {error}", key.mode));
                Ok(())
            }
        }
    }

    fn since(&self) -> DateTime<Utc> {
        self.clock.now() - ASKED_FOR
    }

    async fn case(&self, user: &Username, key: &AccountKey) -> Result<Case, DbError> {
        let tx = self.db.user_tx(user).await?;
        let trades = charged_trades(&tx, key, self.since()).await?;
        let ids: Vec<Uuid> = trades.iter().map(|trade| trade.id.0).collect();
        let fills = charged_fills(&tx, &ids).await?;
        tx.commit().await?;
        let by_id: BTreeMap<TradeId, &ChargedTrade> = trades.iter().map(|trade| (trade.id, trade)).collect();
        let mut parts: Vec<Part> =
            fills.iter().filter_map(|fill| Some(part_of(fill, by_id.get(&fill.trade)?))).collect();
        parts.extend(trades.iter().filter_map(|trade| sold_outside(trade, &fills)));
        Ok(Case { trades, parts })
    }

    /// Books what was found, and tells the trades of which everything is known by then.
    async fn book(
        &self,
        user: &Username,
        case: &Case,
        found: &[(usize, Decimal)],
        report: &mut Report,
    ) -> Result<(), DbError> {
        let mut outside: BTreeMap<TradeId, Decimal> = BTreeMap::new();
        let mut fills: Vec<(FillKey, Decimal)> = Vec::new();
        for (part, fee) in found.iter().filter_map(|(index, fee)| Some((case.parts.get(*index)?, *fee))) {
            match &part.whose {
                Whose::Fill(key) => fills.push((key.clone(), fee)),
                Whose::Outside(trade) => drop(outside.insert(*trade, fee)),
            }
        }
        let tx = self.db.user_tx(user).await?;
        fill_fees_put(&tx, &fills).await?;
        tx.commit().await?;
        let mut any = false;
        for trade in case.trades.iter().filter(|trade| trade.has_result && trade.fees.is_none()) {
            let beside = if trade.sold_outside == 0 { Some(Decimal::ZERO) } else { outside.get(&trade.id).copied() };
            match self.tell_one(user, trade.id, beside).await? {
                Some(fees) => {
                    any = true;
                    report.told += 1;
                    report.fees += fees;
                }
                None => report.waiting += 1,
            }
        }
        if any {
            self.hub.poke(user);
        }
        Ok(())
    }

    /// One trade in a transaction of its own: who trades meanwhile hardly waits. Gives its fees, unless something
    /// of it is untold.
    async fn tell_one(
        &self,
        user: &Username,
        trade: TradeId,
        beside: Option<Decimal>,
    ) -> Result<Option<Decimal>, DbError> {
        let tx = self.db.user_tx(user).await?;
        trade_lock(&tx, trade.0).await?;
        let Some(fees) = fill_fees(&tx, trade).await?.zip(beside).map(|(own, beside)| own + beside) else {
            return Ok(None);
        };
        let Some(net) = pnl::realized(&trade_whole(&tx, trade).await?, Cash(fees)) else { return Ok(None) };
        let row = NetRow { fees, pnl: net.pnl.0.round_dp(DIGITS), pnl_pct: net.pnl_pct, r_multiple: net.r_multiple };
        if !fees_tell(&tx, trade, &row).await? {
            return Ok(None);
        }
        change_append(&tx, Changed::Trade(trade)).await?;
        tx.commit().await?;
        Ok(Some(fees))
    }
}

/// What the broker says of the days of which something is untold; no question where nothing is.
async fn ask(broker: &dyn Broker, case: &Case, today: NaiveDate) -> Result<Told, ReadError> {
    let untold = case.parts.iter().filter(|part| part.fee.is_none() && part.seen_on < today);
    let oldest = today.checked_sub_days(OLDEST).unwrap_or(today);
    let start = untold.map(|part| part.asks_from(today)).filter(|day| *day >= oldest).min();
    let Some((start, end)) = start.zip(today.pred_opt()) else { return Ok(Told::default()) };
    let events = broker.history(HistoryRange { start, end }, Priority::Read).await?;
    let multipliers = case.trades.iter().map(|trade| (trade.symbol.clone(), trade.multiplier)).collect();
    Ok(Told::of(&events, &multipliers, today))
}

fn part_of(fill: &ChargedFill, trade: &ChargedTrade) -> Part {
    Part {
        whose: Whose::Fill(fill.key.clone()),
        symbol: trade.symbol.clone(),
        bought: fill.bought,
        contracts: fill.contracts,
        seen_on: day(fill.seen_at),
        earliest: day(fill.sent_at.unwrap_or(trade.entered_at)),
        fee: fill.fee,
    }
}

/// A sale by somebody else is charged to the trade that it ended: its price counts, too. It was noticed when the
/// trade ended, and has no row to keep its fee in: what is not the executions' is its.
fn sold_outside(trade: &ChargedTrade, fills: &[ChargedFill]) -> Option<Part> {
    let closed_at = trade.closed_at.filter(|_| trade.sold_outside > 0)?;
    let own: Decimal = fills.iter().filter(|fill| fill.trade == trade.id).filter_map(|fill| fill.fee).sum();
    Some(Part {
        whose: Whose::Outside(trade.id),
        symbol: trade.symbol.clone(),
        bought: false,
        contracts: trade.sold_outside,
        seen_on: day(closed_at),
        earliest: day(trade.entered_at),
        fee: trade.fees.map(|fees| fees - own),
    })
}

/// The day of the exchange.
fn day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&New_York).date_naive()
}

impl Report {
    /// What there is to say; nothing when nothing was untold.
    #[must_use]
    pub fn said(&self) -> Option<String> {
        (*self != Self::default()).then(|| self.to_string())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = format!("fees told: {} (${:.2}), not told yet: {}", self.told, self.fees, self.waiting);
        let told = (self.answered > 0).then_some(&told);
        let said: Vec<&str> = told.into_iter().chain(&self.without).chain(&self.silent).map(String::as_str).collect();
        f.write_str(&said.join("; "))
    }
}
