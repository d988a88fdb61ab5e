//! What the adapter said against what the broker saw.

use std::collections::BTreeMap;

use blotter_daemon::broker::{Doubt, Order, OrderId, Unreachable, WriteOutcome};
use serde_json::Value;

/// A write that was asked for.
#[derive(Debug)]
pub(super) enum Deed {
    Place(String),
    Cancel(OrderId),
    Change(OrderId),
}

/// How it ended for its caller.
#[derive(Debug)]
pub(super) enum End {
    Told(WriteOutcome),
    /// The caller did not wait, and knows nothing.
    WentAway,
}

#[derive(Debug)]
pub(super) struct Written {
    pub(super) deed: Deed,
    pub(super) end: End,
}

/// Counts for the report.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) ends: BTreeMap<String, u64>,
    pub(super) strikes: BTreeMap<String, u64>,
}

pub(super) const ENDS: &[&str] = &["accepted", "refused", "not sent", "unknown", "went away"];

/// Faults after which a caller can know nothing, whatever else was said.
const DUMB: &[&str] = &[
    "timeout_before",
    "timeout_after",
    "lost_request",
    "lost_answer",
    "too_many",
    "too_many_bare",
    "error_before",
    "error_after",
    "bad_gateway",
    "unavailable",
    "html_ok",
    "html",
    "empty",
    "backend",
];
/// Faults of the stream's events.
pub(super) const EVENTS: &[&str] = &["drop_event", "duplicate_event", "reorder_event", "cut_stream"];
/// Faults that say no in place of the broker.
const DENIALS: &[&str] = &["revoked", "unauthorized"];
/// Faults that leave the answer to a write as it was.
const HARMLESS: &[&str] = &["latency", "stale", "no_tags"];

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        for (sum, counts) in [(&mut self.ends, other.ends), (&mut self.strikes, other.strikes)] {
            for (word, count) in counts {
                *sum.entry(word).or_default() += count;
            }
        }
    }
}

impl Tally {
    /// Counts what struck the stream's events, which no request shows.
    pub(super) fn count_events(&mut self, faults: &Value) {
        for armed in faults["faults"].as_array().unwrap() {
            let word = armed["fault"]["kind"].as_str().unwrap();
            let struck = armed["struck"].as_u64().unwrap();
            if EVENTS.contains(&word) && struck > 0 {
                *self.strikes.entry(word.to_owned()).or_default() += struck;
            }
        }
    }
}

impl Written {
    pub(super) fn order(&self) -> Option<OrderId> {
        match (&self.deed, &self.end) {
            (Deed::Place(_), End::Told(WriteOutcome::Accepted { id, .. })) => Some(*id),
            _ => None,
        }
    }
}

impl End {
    fn word(&self) -> &'static str {
        match self {
            Self::Told(WriteOutcome::Accepted { .. }) => "accepted",
            Self::Told(WriteOutcome::Refused { .. }) => "refused",
            Self::Told(WriteOutcome::NotSent { .. }) => "not sent",
            Self::Told(WriteOutcome::Unknown { .. }) => "unknown",
            Self::WentAway => "went away",
        }
    }

    /// A slow machine can make any call a time-out.
    pub(super) fn ran_out_of_time(&self) -> bool {
        let slow = WriteOutcome::Unknown { why: Doubt::NoAnswer(Unreachable::TimedOut) };
        matches!(self, Self::WentAway) || matches!(self, Self::Told(outcome) if *outcome == slow)
    }
}

/// What the simulator saw and what the adapter lists when all faults are lifted.
pub(super) struct Seen {
    requests: Vec<Request>,
    placed: Vec<Placed>,
    cancels: Vec<i64>,
    changes: Vec<i64>,
    listed: Vec<Order>,
}

struct Request {
    method: String,
    path: String,
    params: String,
    faults: Vec<String>,
}

struct Placed {
    order: i64,
    parent: Option<i64>,
    tag: Option<String>,
}

impl Seen {
    pub(super) fn read(ledger: &Value, listed: Vec<Order>) -> Self {
        let mut seen =
            Self { requests: Vec::new(), placed: Vec::new(), cancels: Vec::new(), changes: Vec::new(), listed };
        assert_eq!(ledger["requests_dropped"], 0, "the ledger is whole");
        for entry in ledger["entries"].as_array().unwrap() {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            match entry["fact"].as_str().unwrap() {
                "request" => seen.requests.push(Request {
                    method: text("method"),
                    path: text("path"),
                    params: text("params"),
                    faults: text("fault").split('+').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
                }),
                "placed" => seen.placed.push(Placed {
                    order: entry["order"].as_i64().unwrap(),
                    parent: entry["parent"].as_i64(),
                    tag: entry["tag"].as_str().map(str::to_owned),
                }),
                "cancel_sent" => seen.cancels.push(entry["order"].as_i64().unwrap()),
                "changed" => seen.changes.push(entry["order"].as_i64().unwrap()),
                _ => {}
            }
        }
        seen
    }

    /// Every order and leg that there ever was.
    pub(super) fn orders(&self) -> Vec<i64> {
        self.placed.iter().map(|placed| placed.order).collect()
    }

    /// What changes orders. A session for the stream is asked for with POST and changes nothing.
    fn writes(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(|request| request.method != "GET" && !request.path.ends_with("/events/session"))
    }

    fn posts(&self, tag: &str) -> Vec<&Request> {
        let end = format!("&tag={tag}");
        self.writes().filter(|request| request.method == "POST" && request.params.ends_with(&end)).collect()
    }

    fn heads(&self, tag: &str) -> Vec<i64> {
        let mine = self.placed.iter().filter(|placed| placed.parent.is_none() && placed.tag.as_deref() == Some(tag));
        mine.map(|placed| placed.order).collect()
    }

    fn calls(&self, method: &str, id: OrderId) -> Vec<&Request> {
        let end = format!("/orders/{id}");
        self.writes().filter(|request| request.method == method && request.path.ends_with(&end)).collect()
    }
}

macro_rules! holds {
    ($truth:expr, $($words:tt)+) => {
        if !$truth {
            return Err(format!($($words)+));
        }
    };
}

/// The whole day.
pub(super) fn judge(written: &[Written], seen: &Seen) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut explained = 0;
    for write in written {
        *tally.ends.entry(write.end.word().to_owned()).or_default() += 1;
        if let Deed::Place(tag) = &write.deed {
            judge_placement(tag, &write.end, seen)?;
            explained += seen.posts(tag).len();
        }
    }
    for id in touched(written) {
        explained += judge_calls(written, seen, id, "DELETE")?;
        explained += judge_calls(written, seen, id, "PUT")?;
    }
    let all = seen.writes().count();
    holds!(all == explained, "{all} writes reached the broker, {explained} were asked for");
    for word in seen.requests.iter().flat_map(|request| &request.faults) {
        *tally.strikes.entry(word.clone()).or_default() += 1;
    }
    Ok(tally)
}

/// One placement: how often it left, what became of it, and whether its tag finds it again.
fn judge_placement(tag: &str, end: &End, seen: &Seen) -> Result<(), String> {
    let (posts, heads) = (seen.posts(tag), seen.heads(tag));
    holds!(posts.len() <= 1, "{tag} left {} times", posts.len());
    holds!(heads.len() <= posts.len(), "{tag} made the orders {heads:?}");
    match end {
        End::Told(WriteOutcome::Accepted { id, .. }) => {
            holds!(heads == [id.get()], "{tag} was accepted as {id}, the broker has {heads:?}");
        }
        End::Told(WriteOutcome::Refused { .. }) => {
            holds!(posts.len() == 1 && heads.is_empty(), "{tag} was refused, the broker has {heads:?}");
        }
        End::Told(WriteOutcome::NotSent { .. }) => {
            holds!(posts.is_empty(), "{tag} was not sent, and the broker saw it");
        }
        End::Told(WriteOutcome::Unknown { .. }) | End::WentAway => {}
    }
    if let [post] = posts.as_slice() {
        judge_end(tag, end, &post.faults)?;
    }
    let found: Vec<&Order> = seen.listed.iter().filter(|order| order.tag.as_deref() == Some(tag)).collect();
    let ids: Vec<i64> = found.iter().map(|order| order.id.get()).collect();
    holds!(ids == heads, "the tag {tag} finds {ids:?}, the broker has {heads:?}");
    for order in found {
        let legs = seen.placed.iter().filter(|placed| placed.parent == Some(order.id.get())).count();
        holds!(order.legs.len() == legs, "order {} has {} legs, the broker has {legs}", order.id, order.legs.len());
    }
    Ok(())
}

/// An answer that was struck proves nothing; one that was not is understood.
fn judge_end(what: &str, end: &End, faults: &[String]) -> Result<(), String> {
    if end.ran_out_of_time() {
        return Ok(());
    }
    let first_of = |words: &[&str]| faults.iter().position(|fault| words.contains(&fault.as_str()));
    let word = end.word();
    let untouched = faults.iter().all(|fault| HARMLESS.contains(&fault.as_str()));
    holds!(!untouched || word == "accepted" || word == "refused", "{what}: a plain answer ended as {word}");
    let dumb = first_of(DUMB);
    let denied = first_of(DENIALS);
    holds!(dumb.is_none() || denied.is_some() || word == "unknown", "{what}: {faults:?} ended as {word}");
    let denied_only = denied.is_some() && dumb.is_none();
    holds!(!denied_only || word == "refused", "{what}: {faults:?} ended as {word}");
    Ok(())
}

fn touched(written: &[Written]) -> Vec<OrderId> {
    let ids = written.iter().filter_map(|write| match &write.deed {
        Deed::Place(_) => None,
        Deed::Cancel(id) | Deed::Change(id) => Some(*id),
    });
    let mut ids: Vec<OrderId> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// All cancels, or all changes, of one order together; how many of them the broker saw.
fn judge_calls(written: &[Written], seen: &Seen, id: OrderId, method: &str) -> Result<usize, String> {
    let asked: Vec<&End> = written.iter().filter(|write| is_call(&write.deed, id, method)).map(|w| &w.end).collect();
    let count = |words: &[&str]| asked.iter().filter(|end| words.contains(&end.word())).count();
    let (accepted, sure) = (count(&["accepted"]), count(&["accepted", "refused"]));
    let maybe = count(&["unknown", "went away"]);
    let calls = seen.calls(method, id);
    holds!(
        (sure..=sure + maybe).contains(&calls.len()),
        "{method} {id}: {} left, {sure} were answered and {maybe} are in doubt",
        calls.len()
    );
    let deeds = if method == "DELETE" { &seen.cancels } else { &seen.changes };
    let done = deeds.iter().filter(|order| **order == id.get()).count();
    holds!((accepted..=accepted + maybe).contains(&done), "{method} {id}: {done} done, {accepted} accepted");
    if let ([end], [call]) = (asked.as_slice(), calls.as_slice()) {
        judge_end(&format!("{method} {id}"), end, &call.faults)?;
    }
    Ok(calls.len())
}

fn is_call(deed: &Deed, id: OrderId, method: &str) -> bool {
    match deed {
        Deed::Place(_) => false,
        Deed::Cancel(meant) => *meant == id && method == "DELETE",
        Deed::Change(meant) => *meant == id && method == "PUT",
    }
}
