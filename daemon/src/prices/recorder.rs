//! One round over everybody's positions: who has what, one batched call for its quotes, a judgement of
//! each, one transaction.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use blotter_shared::domain::{BrokerMode, Cash};
use blotter_shared::protocol::prices::{Bookend, LivePrice, MarkKind, QuoteSource};
use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use chrono_tz::America::New_York;
use futures_util::StreamExt;
use rust_decimal::Decimal;

use super::board::Board;
use super::judge::{Mark, Moment, SoundGreeks, underlying};
use super::pack::middle;
use super::sources::OratsDesk;
use crate::accounts::Accounts;
use crate::auth::Username;
use crate::broker::factory::{Account, TradingTime};
use crate::broker::rate_limit::BucketKind;
use crate::broker::{Priority, ReadError};
use crate::calendar::{Calendar, Force, Hours, Session, hours_of};
use crate::clock::Clock;
use crate::db::prices::{PriceRow, Watched, prices_put, trades_value, watched};
use crate::db::settings::settings_users;
use crate::db::{Db, DbError};
use crate::market::{MarketData, Quote};

/// Users that are looked after at a time.
const AT_A_TIME: usize = 8;
/// The price of a closed trade is recorded for so long: what was left on the table.
const AFTERWARDS: TimeDelta = TimeDelta::hours(2);
/// The sandbox is behind by so much.
const SANDBOX_DELAY: TimeDelta = TimeDelta::minutes(15);
/// Days back to the last session, at most.
const LONGEST_CLOSURE: usize = 14;

/// What a round is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// The market is open.
    Session,
    /// Before the opening.
    Before,
    /// After the close of contracts with these hours.
    After(Hours),
}

/// Calls to the broker for one look: its clock, in a world of its own, and the quotes.
const LOOK: u32 = 2;

/// What a round came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundReport {
    pub positions: usize,
    pub recorded: usize,
    /// Nobody had a quote.
    pub unquoted: usize,
    /// Quotes that value nothing: stale, crossed, without a price.
    pub unfit: usize,
    /// Accounts that did not answer.
    pub silent: usize,
    /// Why one of them did not.
    pub why: Option<Silence>,
}

/// Why there is no answer, in words that name nobody: everybody may read how a task went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    #[error("the account does not open")]
    Unopened,
    #[error("the broker's rate is used up")]
    Held,
    #[error("the broker does not answer")]
    Away,
}

impl From<&ReadError> for Silence {
    fn from(error: &ReadError) -> Self {
        if matches!(error, ReadError::RateLimited { .. }) { Self::Held } else { Self::Away }
    }
}

/// Takes the prices of positions.
#[derive(Clone, Debug)]
pub struct Recorder {
    pub db: Db,
    pub accounts: Accounts,
    pub orats: OratsDesk,
    pub clock: Clock,
    pub calendar: Arc<Calendar>,
    pub force: Force,
    /// Where the screens read.
    pub board: Board,
}

impl Recorder {
    /// Records the price of every position, everybody's.
    ///
    /// # Errors
    /// When it cannot even be found out who has positions. One user's trouble is in the report.
    pub async fn record(&self, round: Round) -> Result<RoundReport, DbError> {
        let tx = self.db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        let each = futures_util::stream::iter(users).map(|user| async move { self.record_user(&user, round).await });
        let reports: Vec<_> = each.buffer_unordered(AT_A_TIME).collect().await;
        let mut sum = RoundReport::default();
        for report in reports {
            sum.add(&report?);
        }
        Ok(sum)
    }

    async fn record_user(&self, who: &Username, round: Round) -> Result<RoundReport, DbError> {
        let tx = self.db.user_tx(who).await?;
        let all = watched(&tx, self.clock.now() - AFTERWARDS).await?;
        tx.commit().await?;
        let wanted: Vec<&Watched> = all.iter().filter(|position| self.is_of(round, position)).collect();
        // A price that is not taken now is gone: it goes before what screens look at.
        let (rows, mut report) = self.ask(who, &wanted, (round, Priority::Entry)).await;
        self.store(who, &rows).await?;
        self.publish(who, &all, &rows);
        report.recorded = rows.len();
        report.unfit = rows.iter().filter(|row| row.mark.is_none() || !row.quality.is_shown()).count();
        report.unquoted = report.positions.saturating_sub(rows.len());
        Ok(report)
    }

    /// The newest prices of what a user holds, for the screens alone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn show(&self, who: &Username) -> Result<(), DbError> {
        let tx = self.db.user_tx(who).await?;
        let held = watched(&tx, DateTime::<Utc>::MAX_UTC).await?;
        tx.commit().await?;
        let (rows, _) = self.ask(who, &held.iter().collect::<Vec<_>>(), (Round::Session, Priority::Read)).await;
        self.publish(who, &held, &rows);
        Ok(())
    }

    /// One batched call for each account.
    async fn ask(
        &self,
        who: &Username,
        wanted: &[&Watched],
        (round, priority): (Round, Priority),
    ) -> (Vec<PriceRow>, RoundReport) {
        let mut report = RoundReport::default();
        let mut rows = Vec::new();
        for mode in BrokerMode::ALL.iter().copied() {
            let mine: Vec<&Watched> = wanted.iter().filter(|position| position.mode == mode).copied().collect();
            if mine.is_empty() {
                continue;
            }
            report.positions += mine.len();
            match self.quotes(who, (mode, priority), &mine).await {
                Ok(quotes) => rows.extend(self.rows(&mine, &quotes, round)),
                Err(why) => {
                    tracing::debug!(user = %who, %mode, "no prices: {why}");
                    report.silent += 1;
                    report.why = Some(why);
                }
            }
        }
        (rows, report)
    }

    fn publish(&self, who: &Username, positions: &[Watched], rows: &[PriceRow]) {
        // Nothing new is no reason to forget what was known.
        if !rows.is_empty() {
            let by_trade: HashMap<_, _> = positions.iter().map(|position| (position.id, position)).collect();
            let live = |row: &PriceRow| by_trade.get(&row.trade).map(|position| live_price(position, row));
            self.board.publish(who, rows.iter().filter_map(live).collect());
        }
    }

    /// Whether a round takes this contract's price.
    fn is_of(&self, round: Round, position: &Watched) -> bool {
        let hours = hours_of(&position.contract.root);
        match round {
            Round::Before => true,
            Round::After(closed) => hours == closed,
            Round::Session if self.force == Force::Open => true,
            Round::Session => {
                let now = self.clock.now();
                hours == Hours::QuarterPast
                    || self.session_before(now).is_some_and(|session| now <= session.traded_until())
            }
        }
    }

    async fn store(&self, who: &Username, rows: &[PriceRow]) -> Result<(), DbError> {
        if rows.is_empty() {
            return Ok(());
        }
        let tx = self.db.user_tx(who).await?;
        prices_put(&tx, rows).await?;
        trades_value(&tx, rows).await?;
        tx.commit().await
    }

    /// What the sources say about these positions.
    async fn quotes(
        &self,
        who: &Username,
        (mode, priority): (BrokerMode, Priority),
        positions: &[&Watched],
    ) -> Result<Answers, Silence> {
        let account = self.accounts.open(who, mode).await.map_err(|error| {
            tracing::debug!(user = %who, %mode, "no account to ask: {error}");
            Silence::Unopened
        })?;
        // A look that nobody asked for is left out rather than turned down: nothing is wrong with the account then.
        let left = account.tradier.limiter().left(BucketKind::MarketData, priority);
        let leaves_off = priority == Priority::Read && left < LOOK;
        if leaves_off && self.has_its_own_time(mode) {
            return Err(Silence::Held);
        }
        let options: BTreeSet<String> = positions.iter().map(|position| position.symbol.clone()).collect();
        let moment = self.moment(mode, &account).await;
        let mut answers = Answers { moment, quotes: HashMap::new(), told_at: None };
        if let Some(orats) = self.orats.of(who, mode).await {
            let wanted: Vec<String> = options.iter().cloned().collect();
            match orats.quotes(&wanted, priority).await {
                Ok(found) => answers.take(found.quotes, QuoteSource::Orats),
                Err(error) => tracing::warn!(user = %who, "ORATS does not answer, the broker stands in: {error}"),
            }
        }
        let mut wanted: BTreeSet<String> = positions.iter().map(|position| position.ticker.clone()).collect();
        wanted.extend(options.iter().filter(|symbol| !answers.quotes.contains_key(*symbol)).cloned());
        let source = if mode == BrokerMode::Sim { QuoteSource::Sim } else { QuoteSource::Tradier };
        if leaves_off {
            // What the engine was told meanwhile is as good, and costs nothing.
            let from_orats = !answers.quotes.is_empty();
            for (at, quote) in wanted.iter().filter_map(|symbol| account.tradier.last_quote(symbol)) {
                // An underlying's is there for the look of it, and may be older.
                if options.contains(&quote.symbol) {
                    answers.told_at = Some(answers.told_at.map_or(at, |before| before.min(at)));
                }
                answers.take([quote], source);
            }
            let whole = options.iter().all(|symbol| answers.quotes.contains_key(symbol));
            return if whole || from_orats { Ok(answers) } else { Err(Silence::Held) };
        }
        let wanted: Vec<String> = wanted.into_iter().collect();
        match account.market.quotes(&wanted, priority).await {
            Ok(found) => answers.take(found.quotes, source),
            // Prices of ORATS are not lost because the broker is silent.
            Err(error) if answers.quotes.is_empty() => {
                tracing::debug!(user = %who, %mode, "no quotes: {error}");
                return Err(Silence::from(&error));
            }
            Err(error) => tracing::debug!(user = %who, "no quotes of underlyings: {error}"),
        }
        Ok(answers)
    }

    /// Whether it has to be asked what time it is there: the simulator has its own, unless the daemon lives in it.
    fn has_its_own_time(&self, mode: BrokerMode) -> bool {
        mode == BrokerMode::Sim && self.accounts.time() == TradingTime::Real
    }

    /// The moment by which this world's quotes are judged.
    pub async fn moment(&self, mode: BrokerMode, account: &Account) -> Moment {
        let ours = self.clock.now();
        let now = if self.has_its_own_time(mode) {
            simulated(account.broker.clock(Priority::Read).await).unwrap_or(ours)
        } else {
            ours
        };
        let since = self.session_before(now).map_or(now - TimeDelta::days(1), |session| session.traded_from());
        let delay = if mode == BrokerMode::Sandbox { SANDBOX_DELAY } else { TimeDelta::zero() };
        Moment { now, since, delay, closed_for: TimeDelta::zero() }
    }

    /// The session that is on, or was last.
    fn session_before(&self, now: DateTime<Utc>) -> Option<Session> {
        let days = std::iter::successors(Some(now.date_naive()), NaiveDate::pred_opt).take(LONGEST_CLOSURE);
        let mut sessions = days.filter_map(|day| self.calendar.session_on(day).ok().flatten());
        sessions.find(|session| session.traded_from() <= now)
    }

    fn rows(&self, positions: &[&Watched], answers: &Answers, round: Round) -> Vec<PriceRow> {
        let now = answers.told_at.unwrap_or_else(|| self.clock.now()).trunc_subsecs(3);
        let stamp = Stamp {
            ts: now,
            session_date: now.with_timezone(&New_York).date_naive(),
            bookend: match round {
                Round::Session => None,
                Round::Before => Some(Bookend::PreMarket),
                Round::After(_) => Some(Bookend::PostMarket),
            },
        };
        let moment = self.moment_of(round, answers.moment);
        positions.iter().filter_map(|position| answers.row(position, &moment, &stamp)).collect()
    }

    /// A closing price is as old as it was at the close.
    fn moment_of(&self, round: Round, moment: Moment) -> Moment {
        let Round::After(hours) = round else { return moment };
        let close = self.session_before(moment.now).map(|session| session.close_for(hours).min(moment.now));
        Moment { closed_for: close.map_or(TimeDelta::zero(), |close| moment.now - close), ..moment }
    }
}

fn simulated(clock: Result<crate::broker::MarketClock, ReadError>) -> Option<DateTime<Utc>> {
    clock.ok().and_then(|clock| clock.at)
}

/// What is the same for every row of a round.
struct Stamp {
    ts: DateTime<Utc>,
    session_date: NaiveDate,
    bookend: Option<Bookend>,
}

/// What the sources said.
struct Answers {
    moment: Moment,
    quotes: HashMap<String, (QuoteSource, Quote)>,
    /// Since when all of it is known, where that is not now.
    told_at: Option<DateTime<Utc>>,
}

impl Answers {
    fn take(&mut self, quotes: impl IntoIterator<Item = Quote>, source: QuoteSource) {
        for quote in quotes {
            self.quotes.insert(quote.symbol.clone(), (source, quote));
        }
    }

    fn row(&self, position: &Watched, moment: &Moment, stamp: &Stamp) -> Option<PriceRow> {
        let (source, quote) = self.quotes.get(&position.symbol)?;
        let moment = match source {
            // ORATS is not behind, whoever the broker is.
            QuoteSource::Orats => Moment { delay: TimeDelta::zero(), ..*moment },
            QuoteSource::Sim | QuoteSource::Tradier => *moment,
        };
        let mark = Mark::of(quote, &moment);
        let greeks = SoundGreeks::of(quote.greeks.as_ref(), position.contract.option_type);
        let under = self.quotes.get(&position.ticker).and_then(|(_, quote)| underlying(quote, &moment));
        let (bid, ask) = (mark.bid.and_then(price), mark.ask.and_then(price));
        let price = match (bid, ask, mark.price) {
            (Some(bid), Some(ask), Some(_)) => Some(middle(bid, ask)),
            (_, _, Some(mark)) => price(mark),
            (_, _, None) => None,
        };
        Some(PriceRow {
            trade: position.id,
            ts: stamp.ts,
            quoted_at: mark.quoted_at.map(|at| at.trunc_subsecs(3)),
            session_date: stamp.session_date,
            mark: price,
            kind: if price.is_some() { mark.kind } else { MarkKind::None },
            bid,
            ask,
            delta: greeks.delta.map(sixth),
            gamma: greeks.gamma.map(sixth),
            theta: greeks.theta.map(sixth),
            vega: greeks.vega.map(sixth),
            iv: greeks.iv.map(sixth),
            underlying: under.and_then(self::price),
            source: *source,
            quality: mark.quality,
            bookend: stamp.bookend,
        })
    }
}

/// What a screen is told.
fn live_price(position: &Watched, row: &PriceRow) -> LivePrice {
    let shown = row.mark.filter(|_| row.quality.is_shown() && position.held > 0);
    let gain = shown.zip(position.entry_price).map(|(mark, entry)| mark - entry);
    LivePrice {
        trade_id: row.trade,
        symbol: position.symbol.clone(),
        bid: row.bid,
        ask: row.ask,
        mark: row.mark,
        mark_kind: row.kind,
        quality: row.quality,
        source: row.source,
        quoted_at: row.quoted_at,
        at: row.ts,
        delta: row.delta,
        iv: row.iv,
        underlying: row.underlying,
        unrealized_pnl: gain.map(|gain| Cash(gain * Decimal::from(position.held) * Decimal::from(position.multiplier))),
    }
}

/// As the database keeps a price; nothing when it cannot be one.
fn price(value: Decimal) -> Option<Decimal> {
    let value = value.round_dp(4);
    (value < Decimal::from(10_000_000)).then_some(value)
}

fn sixth(value: Decimal) -> Decimal {
    value.round_dp(6)
}

impl RoundReport {
    fn add(&mut self, other: &Self) {
        self.positions += other.positions;
        self.recorded += other.recorded;
        self.unquoted += other.unquoted;
        self.unfit += other.unfit;
        self.silent += other.silent;
        self.why = self.why.or(other.why);
    }

    /// Positions there are, and not one price: something is broken.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.positions > 0 && self.recorded == 0
    }
}

impl fmt::Display for RoundReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} positions", self.recorded, self.positions)?;
        for (count, what) in [(self.unquoted, "without a quote"), (self.unfit, "not fit to be shown")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        let accounts = if self.silent == 1 { "account" } else { "accounts" };
        match self.why {
            Some(why) if self.silent > 0 => write!(f, ", {} {accounts} silent: {why}", self.silent),
            Some(_) | None => Ok(()),
        }
    }
}
