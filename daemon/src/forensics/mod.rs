//! What closed trades might have brought: nightly over what is new, on demand over any range.
//!
//! `formulas` is the whole arithmetic and pure. This module gathers a case (fills, recorded prices, minute
//! bars for the gaps), asks, and stores. A run may be cut off and repeated: the same figures are not
//! written again, and figures from fewer prices never take the place of better ones.

pub mod formulas;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use blotter_shared::domain::TradeId;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::accounts::Accounts;
use crate::auth::Username;
use crate::broker::factory::Account;
use crate::broker::rate_limit::BucketKind;
use crate::broker::{Priority, Ticker};
use crate::calendar::{Calendar, hours_of};
use crate::clock::Clock;
use crate::db::forensics::{
    BookedFill, ClosedScope, ClosedTrade, FindingsRow, booked_fills, closed_count, closed_trades, findings_put,
};
use crate::db::prices::PriceRow;
use crate::db::settings::settings_users;
use crate::db::{Db, DbError};
use crate::market::{Bar, BarsRequest, Interval};
use crate::prices::retention::histories;
use formulas::{AFTERWARDS, Case, Execution, Findings, Origin, Point, Side, VERSION};

type Span = (DateTime<Utc>, DateTime<Utc>);

/// Trades that are read and written at a time.
const BATCH: i64 = 25;
/// The broker has minute bars of so many days.
const BARS_FOR: TimeDelta = TimeDelta::days(20);
/// Questions for bars in one run: they share the account's rate with everything else.
const MOST_BARS: usize = 200;
/// Calls of a minute that are left to others.
const ROOM: u32 = 24;
/// Between two looks whether there is room, and how long it is waited for.
const LOOK: Duration = Duration::from_millis(500);
const WAITS: Duration = Duration::from_secs(180);
/// A nightly run looks so far back, and again at what was closed lately: prices go on after an exit.
const NIGHTLY: TimeDelta = TimeDelta::days(60);
const SETTLED: TimeDelta = TimeDelta::days(4);
/// Below it, figures are marked wherever they are shown.
const THIN_COVERAGE: Decimal = Decimal::from_parts(90, 0, 0, false, 0);

/// Examines closed trades.
#[derive(Clone, Debug)]
pub struct Forensics {
    pub db: Db,
    /// For minute bars; none are asked for without.
    pub accounts: Option<Accounts>,
    pub clock: Clock,
    pub calendar: Arc<Calendar>,
    /// Between two recorded prices.
    pub interval: TimeDelta,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub trades: u64,
    /// Trades with new figures.
    pub written: u64,
    /// Trades that never held anything, or whose prices are not known yet.
    pub without: u64,
    /// Trades whose prices cover less than nine tenths of the hold time.
    pub thin: u64,
    pub bars: usize,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub of: u64,
}

impl Forensics {
    /// What is new since the last nights.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn nightly(&self) -> Result<Report, DbError> {
        let now = self.clock.now();
        let scope = ClosedScope { from: now - NIGHTLY, to: now, settled_before: Some(now - SETTLED) };
        self.run(&scope, |_| ()).await
    }

    /// Every trade of everybody that was closed in the scope.
    ///
    /// # Errors
    /// When the database does not answer. What was stored by then stays stored.
    pub async fn run(&self, scope: &ClosedScope, mut progress: impl FnMut(Progress)) -> Result<Report, DbError> {
        let tx = self.db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        let mut of = 0;
        for user in &users {
            let tx = self.db.user_tx(user).await?;
            of += closed_count(&tx, scope).await?;
            tx.commit().await?;
        }
        let mut report = Report::default();
        for user in &users {
            let mut after = None;
            while let Some(last) = self.batch(user, scope, after.as_ref(), &mut report).await? {
                progress(Progress { done: report.trades, of });
                after = Some(last);
            }
        }
        Ok(report)
    }

    /// The next few trades; the last of them, or nothing at the end.
    async fn batch(
        &self,
        who: &Username,
        scope: &ClosedScope,
        after: Option<&ClosedTrade>,
        report: &mut Report,
    ) -> Result<Option<ClosedTrade>, DbError> {
        let tx = self.db.user_tx(who).await?;
        let trades = closed_trades(&tx, scope, after, BATCH).await?;
        let ids: Vec<Uuid> = trades.iter().map(|trade| trade.id.0).collect();
        let fills = by_trade(booked_fills(&tx, &ids).await?);
        let prices = match span_of(&trades, &fills) {
            Some(span) => histories(&tx, &ids, span).await?,
            None => HashMap::new(),
        };
        tx.commit().await?;
        let mut found = Vec::new();
        for trade in &trades {
            let fills = fills.get(&trade.id).map_or(&[][..], Vec::as_slice);
            let rows = prices.get(&trade.id).map_or(&[][..], Vec::as_slice);
            match self.examine(who, trade, (fills, rows), report).await {
                Some(row) => found.push(row),
                None => report.without += 1,
            }
        }
        let tx = self.db.user_tx(who).await?;
        report.written += findings_put(&tx, &found).await?;
        tx.commit().await?;
        let thin = found.iter().filter(|row| row.coverage_pct < THIN_COVERAGE).count();
        report.thin += u64::try_from(thin).unwrap_or_default();
        report.trades += u64::try_from(trades.len()).unwrap_or_default();
        Ok(trades.into_iter().last())
    }

    async fn examine(
        &self,
        who: &Username,
        trade: &ClosedTrade,
        (fills, rows): (&[BookedFill], &[PriceRow]),
        report: &mut Report,
    ) -> Option<FindingsRow> {
        let executions = executions(trade, fills)?;
        let (begin, end) = (executions.first()?.at, executions.last()?.at);
        let sessions = self.sessions(trade, (begin, end + AFTERWARDS));
        let mut points: Vec<Point> = rows.iter().filter(|row| row.quality.is_sound()).map(own).collect();
        let own_points = count(points.len());
        let gaps = gaps(&points, &sessions, (begin, end + AFTERWARDS), self.interval * 2);
        let bars = self.bars(who, trade, &gaps, report).await;
        let bar_points = count(bars.len());
        points.extend(bars);
        points.sort_by_key(|point| point.at);
        let case = Case {
            multiplier: trade.multiplier,
            executions: &executions,
            points: &points,
            sessions: &sessions,
            interval: self.interval,
        };
        case.findings().map(|found| row(trade.id, &found, own_points, bar_points))
    }

    /// When the contract traded within a span.
    fn sessions(&self, trade: &ClosedTrade, (from, to): Span) -> Vec<Span> {
        let hours = hours_of(&trade.contract.root);
        let days = self.calendar.sessions(from.date_naive(), to.date_naive());
        days.map_or_else(|_| Vec::new(), |days| days.map(|day| (day.traded_from(), day.close_for(hours))).collect())
    }

    /// What the broker's minute bars say about the gaps. An answer that cannot be had is a gap that
    /// stays, and coverage says so.
    async fn bars(&self, who: &Username, trade: &ClosedTrade, gaps: &[Span], report: &mut Report) -> Vec<Point> {
        let (Some(accounts), Some(first), Some(last)) = (&self.accounts, gaps.first(), gaps.last()) else {
            return Vec::new();
        };
        if report.bars >= MOST_BARS || first.0 < self.clock.now() - BARS_FOR {
            return Vec::new();
        }
        let Ok(account) = accounts.open(who, trade.mode).await else { return Vec::new() };
        if !has_room(&account).await {
            return Vec::new();
        }
        report.bars += 1;
        let request = BarsRequest {
            symbol: Ticker::of_contract(&trade.contract),
            interval: Interval::OneMinute,
            start: Some(first.0.with_timezone(&New_York).naive_local()),
            end: Some(last.1.with_timezone(&New_York).naive_local()),
        };
        match account.market.bars(&request, Priority::Read).await {
            Ok(bars) => bars.iter().flat_map(points_of).filter(|point| is_in(point.at, gaps)).collect(),
            Err(error) => {
                tracing::debug!(trade = %trade.id, "no minute bars: {error}");
                Vec::new()
            }
        }
    }
}

/// Waits until the broker's rate is not wanted by the engine and the screens: a run that makes up for a missed
/// night falls into the session.
async fn has_room(account: &Account) -> bool {
    let left = || account.tradier.limiter().left(BucketKind::MarketData, Priority::Read);
    let wait = async {
        while left() < ROOM {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(WAITS, wait).await.is_ok()
}

/// Parts in the order of time. A sale that nobody booked is the close; without its price nothing can be
/// said.
fn executions(trade: &ClosedTrade, fills: &[BookedFill]) -> Option<Vec<Execution>> {
    let mut parts = Vec::new();
    for fill in fills {
        let side = if fill.bought { Side::Buy } else { Side::Sell };
        parts.push(Execution { at: fill.at, side, quantity: fill.quantity, price: fill.price? });
    }
    if parts.is_empty() {
        let price = trade.entry_price?;
        parts.push(Execution { at: trade.entry_at, side: Side::Buy, quantity: trade.quantity, price });
    }
    let sum = |side| parts.iter().filter(|part: &&Execution| part.side == side).map(|part| part.quantity).sum::<u32>();
    let left = sum(Side::Buy).checked_sub(sum(Side::Sell))?;
    if left > 0 {
        parts.push(Execution { at: trade.close_at, side: Side::Sell, quantity: left, price: trade.close_price? });
    }
    parts.sort_by_key(|part| (part.at, part.side));
    Some(parts)
}

fn own(row: &PriceRow) -> Point {
    Point { at: row.ts, mid: row.mark, bid: row.bid, from: Origin::Own }
}

/// Lowest, highest and last trade of a bar, all at its end: their order within it is not known.
fn points_of(bar: &Bar) -> Vec<Point> {
    let start = bar.starts_at.and_local_timezone(New_York).earliest();
    let Some(end) = start.map(|start| start.with_timezone(&Utc) + TimeDelta::minutes(1)) else { return Vec::new() };
    let prices = [bar.low, bar.high, bar.close].into_iter().flatten().filter(|price| *price > Decimal::ZERO);
    prices.map(|price| Point { at: end, mid: Some(price), bid: None, from: Origin::Bar }).collect()
}

/// Stretches of the market's time in which the newest mark is older than `reach`.
fn gaps(points: &[Point], sessions: &[Span], (from, to): Span, reach: TimeDelta) -> Vec<Span> {
    let mut gaps = Vec::new();
    for (open, close) in sessions {
        let (start, end) = ((*open).max(from), (*close).min(to));
        let mut known = start;
        for point in points.iter().filter(|point| point.at >= start - reach && point.at < end) {
            if point.at > known + reach {
                gaps.push((known, point.at));
            }
            known = known.max(point.at);
        }
        if end > known + reach {
            gaps.push((known, end));
        }
    }
    gaps
}

fn is_in(at: DateTime<Utc>, gaps: &[Span]) -> bool {
    gaps.iter().any(|(from, to)| at > *from && at < *to)
}

fn by_trade(fills: Vec<BookedFill>) -> HashMap<TradeId, Vec<BookedFill>> {
    let mut all: HashMap<TradeId, Vec<BookedFill>> = HashMap::new();
    for fill in fills {
        all.entry(fill.trade).or_default().push(fill);
    }
    all
}

/// From the first entry to what is recorded after the last exit.
fn span_of(trades: &[ClosedTrade], fills: &HashMap<TradeId, Vec<BookedFill>>) -> Option<Span> {
    let at = |trade: &ClosedTrade| fills.get(&trade.id).and_then(|fills| fills.iter().map(|fill| fill.at).min());
    let from = trades.iter().map(|trade| at(trade).map_or(trade.entry_at, |at| at.min(trade.entry_at))).min()?;
    let last = trades.iter().map(|trade| trade.close_at).max()?;
    Some((from, last + AFTERWARDS + TimeDelta::minutes(1)))
}

fn row(trade: TradeId, found: &Findings, own_points: i32, bar_points: i32) -> FindingsRow {
    let (mid, bid) = (&found.mid, &found.bid);
    FindingsRow {
        trade,
        version: VERSION,
        pnl_15m: [mid.pnl_15m, bid.pnl_15m],
        pnl_1h: [mid.pnl_1h, bid.pnl_1h],
        mfe_pct: [mid.mfe_pct, bid.mfe_pct],
        mae_pct: [mid.mae_pct, bid.mae_pct],
        mfe_at: found.mfe_at,
        mae_at: found.mae_at,
        exit_efficiency_pct: [mid.exit_efficiency_pct, bid.exit_efficiency_pct],
        post_exit_mfe_pct: [mid.post_exit_mfe_pct, bid.post_exit_mfe_pct],
        coverage_pct: found.coverage_pct,
        own_coverage_pct: found.own_coverage_pct,
        own_points,
        bar_points,
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} trades examined, {} with new figures", self.trades, self.written)?;
        if self.without > 0 {
            write!(f, ", {} without (nothing was held, or a price is not known)", self.without)?;
        }
        if self.thin > 0 {
            write!(f, ", {} covered by less than 90 %", self.thin)?;
        }
        Ok(())
    }
}
