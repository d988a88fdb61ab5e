//! The newest prices, for the screens: each client is told what is new, at most four times a second.
//!
//! Nothing waits for a client. It draws from the board what changed since it last drew, so one that is slow
//! gets fewer and newer prices, and ten changes of one price become one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::prices::{LivePrice, LivePrices};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, stream};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auth::Username;

/// Between two events to one client.
const PACE: Duration = Duration::from_millis(250);
/// A price that stays is told again with its new age.
pub const TOLD_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(20);
/// Most prices in one event: a client reads events of a mebibyte, and a price takes 700 bytes at most. What is
/// left comes with the next one.
const MOST: usize = 1000;
/// A comment comes when nothing else does.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A cheap handle on the newest prices.
#[derive(Clone, Debug)]
pub struct Board {
    users: Arc<Mutex<HashMap<Username, Arc<UserBoard>>>>,
    newcomer: Arc<Notify>,
    pace: Duration,
    heartbeat: Duration,
}

impl Default for Board {
    fn default() -> Self {
        Self { users: Arc::default(), newcomer: Arc::default(), pace: PACE, heartbeat: HEARTBEAT }
    }
}

#[derive(Debug, Default)]
struct UserBoard {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    seq: u64,
    prices: HashMap<TradeId, Kept>,
    clients: usize,
}

/// A price with the number under which it was told last, and how old it was by then.
#[derive(Clone, Debug)]
struct Kept {
    seq: u64,
    told_at: DateTime<Utc>,
    price: LivePrice,
}

impl Board {
    /// Puts the newest prices of a user's trades; those that are not among them are gone.
    pub fn publish(&self, who: &Username, prices: Vec<LivePrice>) {
        let Some(user) = self.lock().get(who).cloned() else { return };
        let mut state = user.lock();
        let seq = state.seq + 1;
        let mut before = std::mem::take(&mut state.prices);
        let mut news = false;
        for price in prices {
            let known = before.remove(&price.trade_id).filter(|known| is_no_news(known, &price));
            news |= known.is_none();
            let (seq, told_at) = known.map_or((seq, price.at), |known| (known.seq, known.told_at));
            state.prices.insert(price.trade_id, Kept { seq, told_at, price });
        }
        state.seq = seq;
        drop(state);
        if news {
            user.changed.send_replace(seq);
        }
    }

    /// Who looks at prices now: their prices are worth asking for.
    #[must_use]
    pub fn watched(&self) -> Vec<Username> {
        self.lock().keys().cloned().collect()
    }

    /// Waits until somebody new looks.
    pub async fn newcomer(&self) {
        self.newcomer.notified().await;
    }

    /// The prices of a user as Server-Sent Events. The stream ends when `stop` or `kill` says so.
    pub fn subscribe(
        &self,
        who: &Username,
        stop: CancellationToken,
        kill: CancellationToken,
    ) -> impl Stream<Item = Bytes> + Send + use<> {
        let user = {
            // Under one lock, so that the last client that leaves does not take the board with it.
            let mut users = self.lock();
            let user = users.entry(who.clone()).or_default();
            user.lock().clients += 1;
            Arc::clone(user)
        };
        self.newcomer.notify_one();
        let client = Client {
            changed: user.changed.subscribe(),
            board: self.clone(),
            who: who.clone(),
            user,
            told: (0, TradeId(Uuid::nil())),
            next: Instant::now(),
        };
        stream::unfold(client, move |mut client| {
            let (stop, kill) = (stop.clone(), kill.clone());
            async move {
                tokio::select! {
                    () = stop.cancelled() => None,
                    () = kill.cancelled() => None,
                    bytes = client.next() => Some((bytes, client)),
                }
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Username, Arc<UserBoard>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserBoard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is new after `told`, the oldest news first.
    fn since(&self, told: Place) -> Vec<(Place, LivePrice)> {
        let state = self.lock();
        let place = |kept: &Kept| (kept.seq, kept.price.trade_id);
        let mut news: Vec<_> = state.prices.values().filter(|kept| place(kept) > told).collect();
        news.sort_unstable_by_key(|kept| place(kept));
        news.into_iter().take(MOST).map(|kept| (place(kept), kept.price.clone())).collect()
    }
}

/// Where a price stands among the news: the number of its telling, and whose it is.
type Place = (u64, TradeId);

/// A newer look at the same quote is no news, until whoever shows it would take it for old.
fn is_no_news(known: &Kept, price: &LivePrice) -> bool {
    let is_same = LivePrice { at: price.at, ..known.price.clone() } == *price;
    is_same && price.at - known.told_at < TOLD_AGAIN_AFTER
}

/// One open stream.
struct Client {
    board: Board,
    who: Username,
    user: Arc<UserBoard>,
    changed: watch::Receiver<u64>,
    /// Everything up to here was told.
    told: Place,
    /// Not before.
    next: Instant,
}

impl Client {
    async fn next(&mut self) -> Bytes {
        sleep_until(self.next).await;
        let until = Instant::now() + self.board.heartbeat;
        loop {
            self.changed.mark_unchanged();
            let news = self.user.since(self.told);
            if let Some((last, _)) = news.last() {
                self.told = *last;
                self.next = Instant::now() + self.board.pace;
                let mut prices: Vec<_> = news.into_iter().map(|(_, price)| price).collect();
                prices.sort_unstable_by_key(|price| price.trade_id);
                return frame(&LivePrices { prices });
            }
            // The sender lives as long as `self.user`.
            if timeout(until.saturating_duration_since(Instant::now()), self.changed.changed()).await.is_err() {
                return Bytes::from_static(b": still here\n\n");
            }
        }
    }
}

fn frame(prices: &LivePrices) -> Bytes {
    let data = serde_json::to_string(prices).unwrap_or_else(|error| {
        // Plain fields, no map with odd keys: it cannot fail.
        tracing::error!("prices cannot be encoded: {error}");
        "{\"prices\":[]}".to_owned()
    });
    Bytes::from(format!("event: prices\ndata: {data}\n\n"))
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut users = self.board.lock();
        let mut state = self.user.lock();
        state.clients -= 1;
        if state.clients == 0 {
            users.remove(&self.who);
        }
    }
}

#[cfg(test)]
mod tests {
    use blotter_shared::protocol::prices::{MarkKind, QuoteQuality, QuoteSource};
    use futures_util::{FutureExt, StreamExt};
    use rust_decimal::Decimal;

    use super::*;

    fn price(trade: u128, cents: i64) -> LivePrice {
        LivePrice {
            trade_id: TradeId(Uuid::from_u128(trade)),
            symbol: "SPY260918C00600000".to_owned(),
            bid: None,
            ask: None,
            mark: Some(Decimal::new(cents, 2)),
            mark_kind: MarkKind::Mid,
            quality: QuoteQuality::Good,
            source: QuoteSource::Sim,
            quoted_at: None,
            at: DateTime::<Utc>::UNIX_EPOCH,
            delta: None,
            iv: None,
            underlying: None,
            unrealized_pnl: None,
        }
    }

    fn read(bytes: &Bytes) -> Vec<(u128, i64)> {
        let text = std::str::from_utf8(bytes).unwrap();
        let data = text.strip_prefix("event: prices\ndata: ").unwrap_or_else(|| panic!("{text}"));
        let told: LivePrices = serde_json::from_str(data).unwrap();
        let cents = |price: &LivePrice| (price.mark.unwrap() * Decimal::ONE_HUNDRED).try_into().unwrap();
        told.prices.iter().map(|price| (price.trade_id.0.as_u128(), cents(price))).collect()
    }

    fn open(board: &Board) -> impl Stream<Item = Bytes> + use<> {
        board.subscribe(&"ann".parse().unwrap(), CancellationToken::new(), CancellationToken::new())
    }

    /// Quicker than a person could read, so that a test need not wait.
    fn quick() -> Board {
        Board { pace: Duration::from_millis(20), heartbeat: Duration::from_millis(50), ..Board::default() }
    }

    #[tokio::test]
    async fn what_changes_quicker_than_the_pace_is_told_at_the_pace_as_it_is_by_then() {
        let board = quick();
        let ann: Username = "ann".parse().unwrap();
        let mut stream = Box::pin(open(&board));
        let begun = Instant::now();
        let mut events = Vec::new();
        let mut change = 0;
        while events.len() < 10 {
            change += 1;
            board.publish(&ann, vec![price(1, change), price(2, 7)]);
            if let Some(Some(bytes)) = stream.next().now_or_never() {
                events.push((change, read(&bytes)));
            }
            tokio::task::yield_now().await;
        }
        assert!(begun.elapsed() >= board.pace * 9, "ten events in {:?}", begun.elapsed());
        assert_eq!(events[0].1, [(1, events[0].0), (2, 7)]);
        for (published, told) in &events[1..] {
            assert_eq!(*told, [(1, *published)], "the newest alone, and not what did not change");
        }
        assert!(change > 100, "{change} changes became ten events");
    }

    #[tokio::test]
    async fn a_new_client_hears_everything_and_a_silent_board_shows_a_sign_of_life() {
        let board = quick();
        let ann: Username = "ann".parse().unwrap();
        let mut first = Box::pin(open(&board));
        board.publish(&ann, vec![price(1, 500)]);
        assert_eq!(read(&first.next().await.unwrap()), [(1, 500)]);
        let mut second = Box::pin(open(&board));
        assert_eq!(read(&second.next().await.unwrap()), [(1, 500)]);
        let again = LivePrice { at: DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(9), ..price(1, 500) };
        board.publish(&ann, vec![again]);
        assert_eq!(first.next().await.unwrap(), ": still here\n\n", "a newer look at the same price is no news");
        let later = LivePrice { at: DateTime::<Utc>::UNIX_EPOCH + TOLD_AGAIN_AFTER, ..price(1, 500) };
        board.publish(&ann, vec![later.clone()]);
        assert_eq!(read(&first.next().await.unwrap()), [(1, 500)], "until it would be taken for old");
        board.publish(&ann, vec![LivePrice { at: later.at + TimeDelta::seconds(9), ..later }]);
        assert_eq!(first.next().await.unwrap(), ": still here\n\n", "and then not at once again");
    }

    #[tokio::test]
    async fn a_book_of_any_size_is_told_in_events_that_a_client_reads() {
        let board = quick();
        let ann: Username = "ann".parse().unwrap();
        let mut stream = Box::pin(open(&board));
        let long = Decimal::from_i128_with_scale(-79_228_162_514_264_337_593_543_950_335, 28);
        let book = |changed: u128| -> Vec<LivePrice> {
            let cents = |trade: u128| if trade <= changed { 900 } else { 500 };
            (1..=2_500)
                .map(|trade| LivePrice { delta: Some(long), iv: Some(long), ..price(trade, cents(trade)) })
                .collect()
        };
        board.publish(&ann, book(0));
        let mut told = Vec::new();
        for count in [1000, 1000] {
            let event = stream.next().await.unwrap();
            assert!(event.len() < 1 << 20, "{} bytes", event.len());
            told.extend(read(&event));
            assert_eq!(told.len() % 1000, 0, "{count} at a time");
        }
        // Two change before the last ones are told: they are told again, and nothing is left out.
        board.publish(&ann, book(2));
        told.extend(read(&stream.next().await.unwrap()));
        let of = |trades: std::ops::RangeInclusive<u128>, cents| trades.map(move |trade| (trade, cents));
        let all: Vec<_> = of(1..=2_000, 500).chain(of(1..=2, 900)).chain(of(2_001..=2_500, 500)).collect();
        assert_eq!(told, all);
        assert_eq!(stream.next().await.unwrap(), ": still here\n\n", "and nothing twice");
    }

    #[tokio::test]
    async fn nobody_is_watched_once_the_last_client_is_gone() {
        let board = Board::default();
        let (one, other) = (open(&board), open(&board));
        assert_eq!(board.watched().len(), 1);
        drop(one);
        assert_eq!(board.watched().len(), 1);
        drop(other);
        assert!(board.watched().is_empty());
    }

    #[tokio::test]
    async fn the_end_of_the_daemon_ends_the_stream() {
        let stop = CancellationToken::new();
        let board = Board::default();
        let mut stream = Box::pin(board.subscribe(&"ann".parse().unwrap(), stop.clone(), CancellationToken::new()));
        stop.cancel();
        assert_eq!(stream.next().await, None);
    }
}
