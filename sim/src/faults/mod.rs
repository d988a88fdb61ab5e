//! Faults on the wire: what goes wrong between client and broker, by endpoint, by probability, by count, by the clock.
//!
//! Each fault draws its chance from a stream of its own, keyed by its place in the list, so that adding one leaves the
//! others as they were.

use serde::{Deserialize, Serialize};

use crate::core::World;
use crate::rng::Stream;
use crate::time::Ms;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The answer comes late, by `ms` and up to `jitter_ms` more.
    Latency,
    /// Nothing is done and no answer comes for `ms` (30 s unless told), then the connection closes.
    TimeoutBefore,
    /// It is done, and no answer comes.
    TimeoutAfter,
    /// The connection closes; nothing was done.
    LostRequest,
    /// The connection closes; it was done.
    LostAnswer,
    /// 429 with the rate headers.
    TooMany,
    /// 429 without them.
    TooManyBare,
    /// 500, nothing was done.
    ErrorBefore,
    /// 500, it was done.
    ErrorAfter,
    /// 502.
    BadGateway,
    /// 503.
    Unavailable,
    /// A maintenance page with status 200.
    HtmlOk,
    /// A maintenance page with status 503.
    Html,
    /// The first half of the answer's bytes.
    Truncated,
    /// 200 and no body.
    Empty,
    /// A read is answered as it was up to `ms` ago.
    Stale,
    /// A list is answered as if there were nothing in it.
    EmptyList,
    /// A list comes without tags.
    NoTags,
    /// 401, as for a token that was revoked.
    Revoked,
    /// 401 with the account's name, although the account is right.
    Unauthorized,
    /// The order system is away: writes get 500 and are not done, previews 400, reads go on.
    Backend,
    /// A stream's event is left out.
    DropEvent,
    /// A stream's event comes twice.
    DuplicateEvent,
    /// A stream's event comes after the next one.
    ReorderEvent,
    /// The stream ends.
    CutStream,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Where: the name of an endpoint (`place`, `orders`, `quotes` …), of a group (`accounts`, `trading`, `market`,
    /// `orats`, `stream`), or `*`.
    #[serde(default = "everywhere")]
    pub endpoint: String,
    /// Only this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only this world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<World>,
    /// How often, from 0 to 1.
    #[serde(default = "always")]
    pub chance: f64,
    /// So many matching requests pass first.
    #[serde(default)]
    pub skip: u32,
    /// So many are hit, then the fault is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Milliseconds, for those that need some.
    #[serde(default)]
    pub ms: i64,
    /// Milliseconds more, at random.
    #[serde(default)]
    pub jitter_ms: i64,
    /// From this minute of New York's day, `HH:MM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Until that minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

fn everywhere() -> String {
    "*".to_owned()
}

fn always() -> f64 {
    1.0
}

/// A request as faults see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) group: &'a str,
    pub(crate) method: &'a str,
    pub(crate) world: Option<World>,
    pub(crate) now: Ms,
}

/// A fault that struck, with its milliseconds drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Strike {
    pub(crate) kind: FaultKind,
    pub(crate) ms: i64,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    stream: Stream,
    passed: u32,
    struck: u32,
}

/// The faults in force.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    made: u64,
    armed: Vec<Armed>,
}

impl FaultKind {
    /// The word in lists and in the ledger.
    pub(crate) fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }

    fn is_of_streams(self) -> bool {
        matches!(self, Self::DropEvent | Self::DuplicateEvent | Self::ReorderEvent | Self::CutStream)
    }

    /// Whether it takes the place of the request's processing.
    pub(crate) fn prevents(self) -> bool {
        match self {
            Self::TimeoutBefore
            | Self::LostRequest
            | Self::TooMany
            | Self::TooManyBare
            | Self::ErrorBefore
            | Self::BadGateway => true,
            Self::Unavailable
            | Self::HtmlOk
            | Self::Html
            | Self::Empty
            | Self::Revoked
            | Self::Unauthorized
            | Self::Backend => true,
            Self::Latency
            | Self::TimeoutAfter
            | Self::LostAnswer
            | Self::ErrorAfter
            | Self::Truncated
            | Self::Stale => false,
            Self::EmptyList
            | Self::NoTags
            | Self::DropEvent
            | Self::DuplicateEvent
            | Self::ReorderEvent
            | Self::CutStream => false,
        }
    }
}

impl Fault {
    /// A fault that strikes always and everywhere.
    #[must_use]
    pub fn new(kind: FaultKind, endpoint: &str) -> Self {
        Self {
            kind,
            endpoint: endpoint.to_owned(),
            method: None,
            world: None,
            chance: 1.0,
            skip: 0,
            count: None,
            ms: 0,
            jitter_ms: 0,
            from: None,
            until: None,
        }
    }

    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.chance) {
            return Err(format!("chance: {} is not between 0 and 1", self.chance));
        }
        for (key, time) in [("from", &self.from), ("until", &self.until)] {
            if time.as_deref().is_some_and(|t| minute(t).is_none()) {
                return Err(format!("{key}: expected HH:MM"));
            }
        }
        let known = self.endpoint == "*" || crate::routes::names().any(|n| n == self.endpoint);
        if known { Ok(()) } else { Err(format!("endpoint: {:?} is no endpoint, no group and not *", self.endpoint)) }
    }

    fn hits(&self, target: &Target<'_>) -> bool {
        let place = self.endpoint == "*" || self.endpoint == target.endpoint || self.endpoint == target.group;
        let method = self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(target.method));
        let world = self.world.is_none_or(|w| target.world.is_none_or(|t| t == w));
        let now = target.now.minute_of_day();
        let time = |text: &Option<String>| text.as_deref().and_then(minute);
        let begun = time(&self.from).is_none_or(|m| now >= m);
        let over = time(&self.until).is_some_and(|m| now >= m);
        place && method && world && begun && !over
    }
}

fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, made: 0, armed: Vec::new() }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        let stream = Stream::new(self.seed, &format!("fault {}", self.made));
        self.made += 1;
        self.armed.push(Armed { fault, stream, passed: 0, struck: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// The faults with how often each struck.
    pub(crate) fn list(&self) -> Vec<(&Fault, u32)> {
        self.armed.iter().map(|a| (&a.fault, a.struck)).collect()
    }

    /// What strikes a request.
    pub(crate) fn strike(&mut self, target: &Target<'_>) -> Vec<Strike> {
        let mine = self.armed.iter_mut().filter(|a| !a.fault.kind.is_of_streams());
        mine.filter_map(|a| a.draw(target)).collect()
    }

    /// What strikes a stream's event.
    pub(crate) fn strike_event(&mut self, target: &Target<'_>) -> Option<FaultKind> {
        let mine = self.armed.iter_mut().filter(|a| a.fault.kind.is_of_streams());
        mine.filter_map(|a| a.draw(target)).map(|s| s.kind).next()
    }
}

impl Armed {
    fn draw(&mut self, target: &Target<'_>) -> Option<Strike> {
        let spent = self.fault.count.is_some_and(|c| self.struck >= c);
        if spent || !self.fault.hits(target) || !self.stream.chance(self.fault.chance) {
            return None;
        }
        if self.passed < self.fault.skip {
            self.passed += 1;
            return None;
        }
        self.struck += 1;
        let ms = self.fault.ms + if self.fault.jitter_ms > 0 { self.stream.range(0, self.fault.jitter_ms) } else { 0 };
        Some(Strike { kind: self.fault.kind, ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(endpoint: &str, group: &'static str, hour: u32) -> (String, &'static str, Ms) {
        (endpoint.to_owned(), group, Ms::at_et("2026-09-10".parse().unwrap(), hour, 30))
    }

    fn strikes(faults: &mut Faults, (endpoint, group, now): &(String, &'static str, Ms)) -> usize {
        faults.strike(&Target { endpoint, group, method: "POST", world: Some(World::Live), now: *now }).len()
    }

    #[test]
    fn a_fault_hits_its_endpoint_its_group_its_hours_and_its_count() {
        let mut faults = Faults::new(1);
        faults.add(Fault { skip: 1, count: Some(2), ..Fault::new(FaultKind::ErrorBefore, "trading") });
        let place = target("place", "trading", 10);
        let hits: Vec<usize> = (0..5).map(|_| strikes(&mut faults, &place)).collect();
        assert_eq!(hits, [0, 1, 1, 0, 0]);
        faults.clear();
        faults.add(Fault {
            from: Some("09:30".into()),
            until: Some("09:45".into()),
            ..Fault::new(FaultKind::Backend, "place")
        });
        assert_eq!(strikes(&mut faults, &target("place", "trading", 9)), 1);
        assert_eq!(strikes(&mut faults, &target("place", "trading", 10)), 0);
        assert_eq!(strikes(&mut faults, &target("orders", "accounts", 9)), 0);
    }

    #[test]
    fn chance_is_seeded() {
        let run = |seed| {
            let mut faults = Faults::new(seed);
            faults.add(Fault { chance: 0.3, ..Fault::new(FaultKind::LostAnswer, "*") });
            let place = target("place", "trading", 10);
            (0..200).map(|_| strikes(&mut faults, &place)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let hits: usize = run(1).iter().sum();
        assert!((30..90).contains(&hits), "{hits}");
    }

    #[test]
    fn nonsense_is_named() {
        let bad = Fault { chance: 1.5, ..Fault::new(FaultKind::Latency, "*") };
        assert!(bad.check().unwrap_err().starts_with("chance"));
        assert!(Fault::new(FaultKind::Latency, "plaec").check().unwrap_err().starts_with("endpoint"));
        let bad = Fault { from: Some("25:00".into()), ..Fault::new(FaultKind::Latency, "*") };
        assert!(bad.check().unwrap_err().starts_with("from"));
    }
}
