//! Reads a user's change feed and hands on what is new. At most one runs for a user; a wish that
//! comes while it runs makes it look once more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use blotter_shared::protocol::events::{Event, ReloadReason};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::frame::{Frame, Mark};
use super::hub::{Feed, FeedState, Hub, Reader};
use crate::db::changes::{Changes, Feed as FeedPart, change_head, changes_in, changes_since, feed_since};
use crate::db::{DbError, First, UserTx};

/// Whether somebody is reading the feed right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pump {
    #[default]
    Idle,
    Running,
    /// Running, and wanted once more.
    Again,
}

/// Rows of the feed that are read at a time.
const BATCH: u32 = 256;

/// What a new stream begins with.
pub(super) struct Replay {
    /// Everything up to here is in `frames`, or loaded anew by the client.
    pub(super) seq: i64,
    pub(super) frames: Vec<Frame>,
}

/// Sees to it that the feed is looked at after now.
pub(super) fn wake(hub: &Hub, feed: &Arc<Feed>) {
    let mut state = feed.lock();
    match state.pump {
        Pump::Idle => {
            state.pump = Pump::Running;
            hub.parts.tasks.spawn(run(hub.clone(), Arc::clone(feed)));
        }
        Pump::Running | Pump::Again => state.pump = Pump::Again,
    }
}

async fn run(hub: Hub, feed: Arc<Feed>) {
    loop {
        let started = Instant::now();
        tokio::select! {
            () = hub.parts.stop.cancelled() => return,
            looked = look(&hub, &feed) => if let Err(error) = looked {
                // The next hint or poll tries again; the health event tells of the database.
                tracing::debug!(user = %feed.username, "the change feed cannot be read: {error}");
            }
        }
        hub.parts.metrics.pumped(started.elapsed());
        let mut state = feed.lock();
        match state.pump {
            Pump::Again => state.pump = Pump::Running,
            Pump::Idle | Pump::Running => {
                state.pump = Pump::Idle;
                return;
            }
        }
    }
}

/// Tells every stream of the user what is new.
async fn look(hub: &Hub, feed: &Feed) -> Result<(), DbError> {
    loop {
        let (tx, part) = read(hub, feed).await?;
        let after = part.after();
        let (frames, upto) = match changes_in(&tx, part).await? {
            Changes::Events { events, upto } => (encode(&events), upto.max(after)),
            Changes::Gap => (vec![Frame::reload(ReloadReason::Gap)], change_head(&tx).await?),
            Changes::TimeTravel => (vec![Frame::reload(ReloadReason::TimeTravel)], change_head(&tx).await?),
        };
        drop(tx);
        let is_all = upto.saturating_sub(after) < i64::from(BATCH);
        go_on(hub, feed, after, (&frames, upto));
        let state = feed.lock();
        // A commit may have handed on the same meanwhile. Where a new stream stands further back: read again from there.
        if is_all && state.head.is_some_and(|head| head >= upto) {
            open_eyes(&state);
            return Ok(());
        }
    }
}

/// Tells every stream of the user what a commit has read; whether it was what comes next for them.
pub(super) fn hand_on(hub: &Hub, feed: &Feed, part: FeedPart) -> bool {
    let after = part.after();
    part.events().is_some_and(|(events, upto)| go_on(hub, feed, after, (&encode(&events), upto)))
}

/// Tells every stream what comes next, if they stand at `after`.
fn go_on(hub: &Hub, feed: &Feed, after: i64, (frames, upto): (&[Frame], i64)) -> bool {
    let mut state = feed.lock();
    let is_next = state.head == Some(after);
    if is_next {
        open_eyes(&state);
        hub.fan_out(&state, frames);
        state.head = Some(upto);
    }
    is_next
}

/// What is new in the feed since it was last told, on the trip that begins the transaction.
async fn read(hub: &Hub, feed: &Feed) -> Result<(UserTx, FeedPart), DbError> {
    let known = feed.lock().head;
    let (tx, part) = hub.parts.db.user_tx_with(&feed.username, First { about: &known, ask: part }).await?;
    let part = part?;
    feed.lock().head.get_or_insert(part.after());
    Ok((tx, part))
}

/// From the newest on, where nobody knows how far it was told.
fn part<'t>(tx: &'t UserTx, known: &'t Option<i64>) -> BoxFuture<'t, Result<FeedPart, DbError>> {
    async move {
        let after = match known {
            Some(head) => *head,
            None => change_head(tx).await?,
        };
        feed_since(tx, after, BATCH).await
    }
    .boxed()
}

/// Streams that began without the database load everything, now that it is here.
fn open_eyes(state: &FeedState) {
    for reader in state.readers.iter().filter(|reader| reader.blind.swap(false, Ordering::Relaxed)) {
        reader.queue.push(&[Frame::reload(ReloadReason::Gap)]);
    }
}

fn encode(events: &[(i64, Event)]) -> Vec<Frame> {
    events.iter().map(|(seq, event)| Frame::event(Mark::Numbered(*seq), event)).collect()
}

/// What a client has missed that stands at `last`. Without a database the stream begins all the
/// same, and the client is told to load everything when it is back.
pub(super) async fn replay(hub: &Hub, feed: &Feed, reader: &Reader, last: Option<i64>) -> Replay {
    match try_replay(hub, feed, last).await {
        Ok(replay) => replay,
        Err(error) => {
            tracing::debug!(user = %feed.username, "a stream begins without the database: {error}");
            reader.blind.store(true, Ordering::Relaxed);
            Replay { seq: last.unwrap_or(0), frames: Vec::new() }
        }
    }
}

async fn try_replay(hub: &Hub, feed: &Feed, last: Option<i64>) -> Result<Replay, DbError> {
    let tx = hub.parts.db.user_tx(&feed.username).await?;
    let head = change_head(&tx).await?;
    // The hub goes on from here, or from further back when it has not come this far.
    stand_at_most(feed, head);
    let limit = i64::from(hub.parts.config.replay_changes);
    let (frames, upto) = match last {
        None => (Vec::new(), head),
        Some(last) if last > head => (vec![Frame::reload(ReloadReason::TimeTravel)], head),
        Some(last) if head.saturating_sub(last) > limit => (vec![Frame::reload(ReloadReason::Gap)], head),
        Some(last) => missed(&tx, last, head).await?,
    };
    Ok(Replay { seq: upto, frames })
}

fn stand_at_most(feed: &Feed, head: i64) {
    let mut state = feed.lock();
    state.head = Some(state.head.map_or(head, |known| known.min(head)));
}

/// Everything between `last` and `head`, or the reason why it cannot be told one by one.
async fn missed(tx: &UserTx, last: i64, head: i64) -> Result<(Vec<Frame>, i64), DbError> {
    let (mut frames, mut after) = (Vec::new(), last);
    while after < head {
        match changes_since(tx, after, BATCH).await? {
            Changes::Events { upto, .. } if upto <= after => break,
            Changes::Events { events, upto } => {
                frames.extend(encode(&events));
                after = upto;
            }
            Changes::Gap => return Ok((vec![Frame::reload(ReloadReason::Gap)], head)),
            Changes::TimeTravel => return Ok((vec![Frame::reload(ReloadReason::TimeTravel)], head)),
        }
    }
    Ok((frames, after.max(head)))
}
