//! The change feed: per user, one row for each change, numbered without gaps.
//!
//! A row says *what* changed (a trade, the settings, an alarm), not how: whoever sends the event
//! reads the thing itself, with the feed or after it, so that an event is never older than its row,
//! and ten changes of one trade are one event.

use std::collections::HashMap;

use blotter_shared::domain::{AlarmId, TradeId};
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::trades::Trade;
use tokio_postgres::Row;
use uuid::Uuid;

use super::alarms::alarms_by_id;
use super::cells::{Cells, unreadable};
use super::session::Params;
use super::settings::settings_get;
use super::trades::{TRADES_SINCE, trade_of, trades_by_id, trades_since};
use super::{DbError, SystemTx, UserTx, both};

/// How long a reader may be away and still be told what it missed.
const KEPT_DAYS: i64 = 7;

/// Rows of the feed that are read with a commit: those of one transaction, and of what came a moment before it.
const BESIDE_A_COMMIT: i64 = 8;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    Trade(TradeId),
    Settings,
    Alarm(AlarmId),
}

impl Changed {
    fn columns(self) -> (&'static str, Option<Uuid>) {
        match self {
            Self::Trade(id) => ("TRADE", Some(id.0)),
            Self::Settings => ("SETTINGS", None),
            Self::Alarm(id) => ("ALARM", Some(id.0)),
        }
    }
}

/// What a client that stands at `after` has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Ready to be sent in this order, each with its sequence. Several changes of one thing are
    /// one event under the last of their numbers.
    Events { events: Vec<(i64, Event)>, upto: i64 },
    /// Some of it is no longer kept: load everything again.
    Gap,
    /// `after` is newer than the feed: a backup was restored.
    TimeTravel,
}

// The counter's row is locked until the commit: the order of numbers is the order of commits. The
// notification is a hint for other daemons; it goes out with the commit.
pub(super) const APPEND: &str = "
    WITH head AS (
        INSERT INTO user_heads (username, change_seq) VALUES ($1, 1)
        ON CONFLICT (username) DO UPDATE SET change_seq = user_heads.change_seq + 1
        RETURNING change_seq),
    feed AS (
        INSERT INTO change_feed (username, seq, entity, entity_id, changed_at)
        SELECT $1, change_seq, $2, $3, $4 FROM head RETURNING seq)
    SELECT seq, pg_notify('blotter_changes', seq || ' ' || $1)::text AS hint FROM feed";

const APPEND_TRADES: &str = "
    WITH head AS (
        INSERT INTO user_heads (username, change_seq) VALUES ($1, cardinality($2::uuid[]))
        ON CONFLICT (username) DO UPDATE SET change_seq = user_heads.change_seq + EXCLUDED.change_seq
        RETURNING change_seq),
    feed AS (
        INSERT INTO change_feed (username, seq, entity, entity_id, changed_at)
        SELECT $1, change_seq - cardinality($2) + place, 'TRADE', id, $3
          FROM head, unnest($2) WITH ORDINALITY AS trades (id, place))
    SELECT pg_notify('blotter_changes', change_seq || ' ' || $1)::text AS hint FROM head";

const SINCE: &str = "
    SELECT seq, entity, entity_id FROM change_feed WHERE username = $1 AND seq > $2 ORDER BY seq LIMIT $3";

// So many at a time that no statement runs into its limit.
const EXPIRE: &str = "
    DELETE FROM change_feed WHERE (username, seq) IN
        (SELECT username, seq FROM change_feed WHERE changed_at < $1 ORDER BY changed_at LIMIT 5000)";

pub(super) const HEAD: &str = "SELECT change_seq FROM user_heads WHERE username = $1";

/// Appends to the feed; tells the number.
///
/// # Errors
/// When the database does not answer.
pub async fn change_append(tx: &UserTx, changed: Changed) -> Result<i64, DbError> {
    let (entity, id) = changed.columns();
    let row = tx.session().query_one(APPEND, &[&tx.user(), &entity, &id, &tx.now()]).await?;
    Ok(row.try_get("seq")?)
}

/// Appends many trades at once, in this order.
///
/// # Errors
/// When the database does not answer.
pub async fn changes_append(tx: &UserTx, trades: &[Uuid]) -> Result<(), DbError> {
    if !trades.is_empty() {
        tx.session().query(APPEND_TRADES, &[&tx.user(), &trades, &tx.now()]).await?;
    }
    Ok(())
}

/// The user's newest sequence; 0 when nothing ever changed.
///
/// # Errors
/// When the database does not answer.
pub async fn change_head(tx: &UserTx) -> Result<i64, DbError> {
    let row = tx.session().query_opt(HEAD, &[&tx.user()]).await?;
    row.map_or(Ok(0), |row| Ok(row.try_get("change_seq")?))
}

/// The oldest sequence that is still kept, if any is.
///
/// # Errors
/// When the database does not answer.
pub async fn change_oldest(tx: &UserTx) -> Result<Option<i64>, DbError> {
    let sql = "SELECT min(seq) AS seq FROM change_feed WHERE username = $1";
    Ok(tx.session().query_one(sql, &[&tx.user()]).await?.try_get("seq")?)
}

/// Rows of the feed as they were read, and where it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    after: i64,
    head: i64,
    rows: Vec<(i64, Changed)>,
    /// Trades that they are about: all of them, unless rows went while this was read.
    trades: Vec<Trade>,
}

impl Feed {
    /// Where it was read from.
    #[must_use]
    pub fn after(&self) -> i64 {
        self.after
    }

    /// Its events, and how far they go: where it is about trades alone and nothing is left out. Else more has to be asked.
    #[must_use]
    pub fn events(self) -> Option<(Vec<(i64, Event)>, i64)> {
        let (first, upto) = (self.rows.first()?.0, self.rows.last()?.0);
        if (first, upto) != (self.after + 1, self.head) {
            return None;
        }
        let latest: HashMap<Changed, i64> = self.rows.into_iter().map(|(seq, changed)| (changed, seq)).collect();
        let event = |trade: Trade| Some((*latest.get(&Changed::Trade(trade.id))?, Event::Trade(Box::new(trade))));
        let mut events: Vec<(i64, Event)> = self.trades.into_iter().filter_map(event).collect();
        events.sort_by_key(|(seq, _)| *seq);
        (events.len() == latest.len()).then_some((events, upto))
    }

    fn of_answers(after: i64, answers: &[Vec<Row>]) -> Result<Self, DbError> {
        let [head, rows, trades] = answers else { return Err(unreadable("change_feed", "three answers")) };
        let head = head.first().map_or(Ok(0), |row| row.try_get("change_seq"))?;
        let rows = rows.iter().map(change_of).collect::<Result<_, _>>()?;
        Ok(Self { after, head, rows, trades: trades.iter().map(trade_of).collect::<Result<_, _>>()? })
    }
}

/// Makes everything last, with the last statements of a transaction that has appended to the feed, and asks on the same trip
/// what is new in it since `after`: what this one wrote is in it, and nobody else can append before the commit.
///
/// # Errors
/// As [`UserTx::commit`]. What was made last and cannot be read is not told here.
pub(super) async fn commit_and_read(
    tx: UserTx,
    last: &[(&str, Params<'_>)],
    after: i64,
) -> Result<Option<Feed>, DbError> {
    let user = tx.user().to_owned();
    let user = user.as_str();
    let feed: Params<'_> = &[&user, &after, &BESIDE_A_COMMIT];
    let answers = tx.commit_with(last, &[(HEAD, &[&user]), (SINCE, feed), (TRADES_SINCE, feed)]).await?;
    Ok(Feed::of_answers(after, &answers).ok())
}

/// Up to `limit` rows of the feed after `after`.
///
/// # Errors
/// When the database does not answer.
pub async fn feed_since(tx: &UserTx, after: i64, limit: u32) -> Result<Feed, DbError> {
    // The head first: what is behind it is seen. And the trades, which most of it is about, on the same trip.
    tx.session().ready(&[HEAD, SINCE, TRADES_SINCE]).await?;
    let rows = async { tx.session().query(SINCE, &[&tx.user(), &after, &i64::from(limit)]).await };
    let (head, (rows, trades)) = both(change_head(tx), both(rows, trades_since(tx, after, limit))).await?;
    Ok(Feed { after, head, rows: rows.iter().map(change_of).collect::<Result<_, _>>()?, trades })
}

/// Everything after `after`, as events, from up to `limit` rows of the feed. While `upto` is below
/// the head, ask again from there.
///
/// # Errors
/// When the database does not answer.
pub async fn changes_since(tx: &UserTx, after: i64, limit: u32) -> Result<Changes, DbError> {
    changes_in(tx, feed_since(tx, after, limit).await?).await
}

/// What was read of the feed, as events.
///
/// # Errors
/// When the database does not answer.
pub async fn changes_in(tx: &UserTx, feed: Feed) -> Result<Changes, DbError> {
    let Feed { after, head, rows, trades } = feed;
    if after > head {
        return Ok(Changes::TimeTravel);
    }
    match rows.first() {
        None if after == head => return Ok(Changes::Events { events: Vec::new(), upto: after }),
        // Without gaps: the first one missed is the next number, or it is gone.
        Some((first, _)) if *first == after + 1 => {}
        None | Some(_) => return Ok(Changes::Gap),
    }
    let upto = rows.last().map_or(after, |(seq, _)| *seq);
    let latest: HashMap<Changed, i64> = rows.into_iter().map(|(seq, changed)| (changed, seq)).collect();
    Ok(Changes::Events { events: events_of(tx, &latest, trades).await?, upto })
}

/// Removes of what no reader can ask for any more some thousands at most; tells how much that was.
///
/// # Errors
/// When the database does not answer.
pub async fn changes_expire(tx: &SystemTx) -> Result<u64, DbError> {
    let before = tx.now() - chrono::TimeDelta::days(KEPT_DAYS);
    tx.session().execute(EXPIRE, &[&before]).await
}

fn change_of(row: &Row) -> Result<(i64, Changed), DbError> {
    let mut cells = Cells::of(row);
    let seq = cells.next("seq")?;
    let entity: &str = cells.next("entity")?;
    let id: Option<Uuid> = cells.next("entity_id")?;
    let changed = match (entity, id) {
        ("TRADE", Some(id)) => Changed::Trade(TradeId(id)),
        ("ALARM", Some(id)) => Changed::Alarm(AlarmId(id)),
        ("SETTINGS", None) => Changed::Settings,
        _ => return Err(unreadable("entity", "a kind of change")),
    };
    Ok((seq, changed))
}

/// Reads each thing that is not `known` as it is now, and puts the events in the order of their last change.
async fn events_of(
    tx: &UserTx,
    latest: &HashMap<Changed, i64>,
    mut known: Vec<Trade>,
) -> Result<Vec<(i64, Event)>, DbError> {
    let seq_of = |changed: Changed| latest.get(&changed).copied().unwrap_or_default();
    let (mut trades, alarms) = (ids(latest, trade_id), ids(latest, alarm_id));
    known.retain(|trade| latest.contains_key(&Changed::Trade(trade.id)));
    trades.retain(|id| known.iter().all(|trade| trade.id.0 != *id));
    let settings = async {
        let Some(seq) = latest.get(&Changed::Settings) else { return Ok(None) };
        Ok(Some((*seq, Event::Settings(Box::new(settings_get(tx).await?)))))
    };
    let (settings, (trades, alarms)) =
        both(settings, both(trades_by_id(tx, &trades), alarms_by_id(tx, &alarms))).await?;
    let mut events: Vec<(i64, Event)> = settings.into_iter().collect();
    events.extend(known.into_iter().chain(trades).map(|t| (seq_of(Changed::Trade(t.id)), Event::Trade(Box::new(t)))));
    events.extend(alarms.into_iter().map(|a| (seq_of(Changed::Alarm(a.id)), Event::Alarm(Box::new(a)))));
    events.sort_by_key(|(seq, _)| *seq);
    Ok(events)
}

fn ids(latest: &HashMap<Changed, i64>, id: fn(&Changed) -> Option<Uuid>) -> Vec<Uuid> {
    latest.keys().filter_map(id).collect()
}

fn trade_id(changed: &Changed) -> Option<Uuid> {
    match changed {
        Changed::Trade(id) => Some(id.0),
        Changed::Settings | Changed::Alarm(_) => None,
    }
}

fn alarm_id(changed: &Changed) -> Option<Uuid> {
    match changed {
        Changed::Alarm(id) => Some(id.0),
        Changed::Settings | Changed::Trade(_) => None,
    }
}
