//! Option chains for the form of a new trade: expirations, and the strikes around the money with their
//! greeks. Kept for seconds, asked for once at a time: a person who leafs through a chain costs the broker
//! one question every few seconds.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use blotter_shared::domain::{BrokerMode, OptionType};
use blotter_shared::protocol::prices::{ChainContract, ChainRow, Expirations, OptionChain, QuoteSource};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use tokio::time::Instant;

use super::judge::{Mark, Moment, SoundGreeks, underlying};
use super::recorder::Recorder;
use crate::accounts::AccountError;
use crate::auth::Username;
use crate::broker::{Priority, ReadError, Ticker};
use crate::market::{MarketData, Quote};

/// Prices are kept for so long, lists of dates for longer.
const CHAIN_FOR: Duration = Duration::from_secs(5);
const EXPIRATIONS_FOR: Duration = Duration::from_secs(60);
/// A person waits for it, who is about to enter: before the screens' own looks at prices, which may have used up their share.
const WAITED_FOR: Priority = Priority::Entry;
/// Answers that are kept at a time.
const MOST: usize = 256;

/// Why there is no chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Whose chain of what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChainOf {
    pub who: Username,
    pub mode: BrokerMode,
    pub ticker: Ticker,
}

/// A cheap handle on the chains that were asked for lately.
#[derive(Clone, Debug)]
pub struct Chains {
    recorder: Recorder,
    expirations: Cache<ChainOf, Expirations>,
    chains: Cache<(ChainOf, NaiveDate), OptionChain>,
}

impl Chains {
    #[must_use]
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder, expirations: Cache::new(EXPIRATIONS_FOR), chains: Cache::new(CHAIN_FOR) }
    }

    /// The expirations that are listed.
    ///
    /// # Errors
    /// When the account does not open, or nobody answers.
    pub async fn expirations(&self, of: &ChainOf) -> Result<Expirations, ChainError> {
        let ask = async {
            let account = self.recorder.accounts.open(&of.who, of.mode).await?;
            let expirations = account.market.expirations(&of.ticker, WAITED_FOR).await?;
            let (symbol, at) = (of.ticker.to_string(), self.recorder.clock.now());
            Ok(Expirations { symbol, mode: of.mode, expirations, at })
        };
        self.expirations.get(of.clone(), ask).await
    }

    /// The strikes around the money, `strikes` on each side.
    ///
    /// # Errors
    /// As [`Chains::expirations`].
    pub async fn chain(&self, of: &ChainOf, expiry: NaiveDate, strikes: usize) -> Result<OptionChain, ChainError> {
        let mut chain = self.chains.get((of.clone(), expiry), self.ask(of, expiry)).await?;
        chain.rows = around(chain.rows, chain.at_the_money, strikes);
        Ok(chain)
    }

    /// The whole chain: of ORATS where there is a token, else of the broker, who also knows the underlying.
    async fn ask(&self, of: &ChainOf, expiry: NaiveDate) -> Result<OptionChain, ChainError> {
        let account = self.recorder.accounts.open(&of.who, of.mode).await?;
        let moment = self.recorder.moment(of.mode, &account).await;
        let orats = match self.recorder.orats.of(&of.who, of.mode).await {
            Some(orats) => {
                orats.chain(&of.ticker, expiry, WAITED_FOR).await.ok().filter(|chain| !chain.rows.is_empty())
            }
            None => None,
        };
        let broker = if of.mode == BrokerMode::Sim { QuoteSource::Sim } else { QuoteSource::Tradier };
        let (source, quotes) = match orats {
            Some(chain) => (QuoteSource::Orats, chain.rows),
            None => (broker, account.market.chain(&of.ticker, expiry, WAITED_FOR).await?.rows),
        };
        let symbol = of.ticker.to_string();
        let found = account.market.quotes(std::slice::from_ref(&symbol), WAITED_FOR).await;
        let worth = found.ok().and_then(|found| found.quotes.first().and_then(|quote| underlying(quote, &moment)));
        let rows = rows(&quotes, &moment);
        let at_the_money = at_the_money(&rows, worth);
        let listed = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let at = self.recorder.clock.now();
        Ok(OptionChain { symbol, mode: of.mode, expiry, source, underlying: worth, at_the_money, rows, listed, at })
    }
}

/// Calls and puts side by side, ascending.
fn rows(quotes: &[Quote], moment: &Moment) -> Vec<ChainRow> {
    let mut rows: BTreeMap<(Decimal, String), ChainRow> = BTreeMap::new();
    for quote in quotes {
        let Some(terms) = &quote.terms else { continue };
        let root = terms.root.clone().or_else(|| terms.underlying.clone()).unwrap_or_default();
        let key = (terms.strike, root.clone());
        let row = rows.entry(key).or_insert(ChainRow { root, strike: terms.strike, call: None, put: None });
        let contract = contract(quote, terms.option_type, moment);
        match terms.option_type {
            OptionType::Call => row.call = Some(contract),
            OptionType::Put => row.put = Some(contract),
        }
    }
    rows.into_values().collect()
}

fn contract(quote: &Quote, side: OptionType, moment: &Moment) -> ChainContract {
    let mark = Mark::of(quote, moment);
    let greeks = SoundGreeks::of(quote.greeks.as_ref(), side);
    let terms = quote.terms.as_ref();
    ChainContract {
        symbol: quote.symbol.clone(),
        bid: mark.bid,
        ask: mark.ask,
        mark: mark.price,
        quality: mark.quality,
        delta: greeks.delta,
        gamma: greeks.gamma,
        theta: greeks.theta,
        vega: greeks.vega,
        iv: greeks.iv,
        volume: quote.volume,
        open_interest: terms.and_then(|terms| terms.open_interest),
        contract_size: terms.and_then(|terms| terms.contract_size).filter(|size| *size != 100),
    }
}

/// The strike next to what the underlying is worth, or else where call and put are worth most alike.
fn at_the_money(rows: &[ChainRow], worth: Option<Decimal>) -> Option<Decimal> {
    let apart = |row: &ChainRow| {
        let (call, put) = (row.call.as_ref()?.mark?, row.put.as_ref()?.mark?);
        Some((call - put).abs())
    };
    let nearest = match worth {
        Some(worth) => rows.iter().min_by_key(|row| (row.strike - worth).abs()),
        None => rows.iter().filter(|row| apart(row).is_some()).min_by_key(|row| apart(row)),
    };
    nearest.map(|row| row.strike)
}

/// So many strikes on each side of the money; the middle of the list when nobody knows where it is.
fn around(rows: Vec<ChainRow>, money: Option<Decimal>, strikes: usize) -> Vec<ChainRow> {
    let mut listed: Vec<Decimal> = rows.iter().map(|row| row.strike).collect();
    listed.dedup();
    let middle = money.and_then(|money| listed.iter().position(|strike| *strike >= money)).unwrap_or(listed.len() / 2);
    let from = listed.get(middle.saturating_sub(strikes)).copied();
    let to = listed.get(middle.saturating_add(strikes).min(listed.len().saturating_sub(1))).copied();
    let (Some(from), Some(to)) = (from, to) else { return rows };
    rows.into_iter().filter(|row| (from..=to).contains(&row.strike)).collect()
}

/// Answers that are kept for a while; of one key one question is under way.
#[derive(Clone, Debug)]
struct Cache<K, T> {
    keep: Duration,
    slots: Slots<K, T>,
}

type Slots<K, T> = Arc<Mutex<HashMap<K, Slot<T>>>>;
type Slot<T> = Arc<tokio::sync::Mutex<Option<(Instant, T)>>>;

impl<K: Eq + Hash, T: Clone> Cache<K, T> {
    fn new(keep: Duration) -> Self {
        Self { keep, slots: Arc::default() }
    }

    async fn get(&self, key: K, ask: impl Future<Output = Result<T, ChainError>>) -> Result<T, ChainError> {
        let slot = self.slot(key);
        let mut kept = slot.lock().await;
        if let Some((at, answer)) = kept.as_ref().filter(|(at, _)| at.elapsed() < self.keep) {
            let _ = at;
            return Ok(answer.clone());
        }
        let answer = ask.await?;
        *kept = Some((Instant::now(), answer.clone()));
        Ok(answer)
    }

    fn slot(&self, key: K) -> Slot<T> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST {
            // One that is being asked for has its lock held and another owner.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || is_fresh(slot, self.keep));
        }
        if slots.len() >= MOST {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

fn is_fresh<T>(slot: &Slot<T>, keep: Duration) -> bool {
    slot.try_lock().is_ok_and(|kept| kept.as_ref().is_some_and(|(at, _)| at.elapsed() < keep))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use blotter_shared::protocol::prices::QuoteQuality;
    use futures_util::future::join_all;

    use super::*;

    fn row(strike: i64, call: Option<i64>, put: Option<i64>) -> ChainRow {
        let contract = |mark: i64| ChainContract {
            symbol: String::new(),
            bid: None,
            ask: None,
            mark: Some(Decimal::from(mark)),
            quality: QuoteQuality::Good,
            delta: None,
            gamma: None,
            theta: None,
            vega: None,
            iv: None,
            volume: None,
            open_interest: None,
            contract_size: None,
        };
        ChainRow {
            root: "X".to_owned(),
            strike: Decimal::from(strike),
            call: call.map(contract),
            put: put.map(contract),
        }
    }

    fn strikes(rows: &[ChainRow]) -> Vec<i64> {
        rows.iter().map(|row| row.strike.try_into().unwrap()).collect()
    }

    #[test]
    fn the_strikes_around_the_money() {
        let rows: Vec<ChainRow> = (90..=110).map(|strike| row(strike, Some(110 - strike), Some(strike - 90))).collect();
        assert_eq!(at_the_money(&rows, Some(Decimal::new(1034, 1))), Some(Decimal::from(103)));
        assert_eq!(at_the_money(&rows, None), Some(Decimal::from(100)), "where call and put are worth alike");
        assert_eq!(at_the_money(&[], None), None);
        assert_eq!(strikes(&around(rows.clone(), Some(Decimal::from(100)), 2)), [98, 99, 100, 101, 102]);
        assert_eq!(strikes(&around(rows.clone(), Some(Decimal::from(91)), 2)), [90, 91, 92, 93]);
        assert_eq!(around(rows, Some(Decimal::from(100)), 500).len(), 21);
        assert!(around(Vec::new(), None, 3).is_empty());
    }

    #[tokio::test]
    async fn many_who_ask_together_cost_one_question_and_an_answer_grows_old() {
        let cache: Cache<u8, u32> = Cache::new(Duration::from_secs(3600));
        let asked = AtomicU32::new(0);
        let ask = || async {
            tokio::task::yield_now().await;
            Ok(asked.fetch_add(1, Ordering::Relaxed))
        };
        let answers = join_all((0..20).map(|_| cache.get(1, ask()))).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap() == 0));
        let old = Cache { keep: Duration::ZERO, ..cache.clone() };
        assert_eq!(old.get(1, ask()).await.unwrap(), 1);
        let failed = cache.get(2, async { Err(ReadError::NotThere.into()) }).await;
        assert!(failed.is_err());
        assert_eq!(cache.get(2, ask()).await.unwrap(), 2, "a failure is not kept");
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache: Cache<usize, u32> = Cache::new(Duration::from_secs(5));
        for key in 0..10 * MOST {
            drop(cache.slot(key));
        }
        assert!(cache.slots.lock().unwrap().len() <= MOST);
    }
}
