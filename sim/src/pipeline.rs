//! The way of a request: who asks, how often, what strikes, what answers, what the ledger keeps.

use http::{HeaderMap, StatusCode};

use crate::app::Sim;
use crate::config::RateLimits;
use crate::core::{Fact, World};
use crate::faults::{FaultKind, Strike, Target};
use crate::orats;
use crate::routes::{Route, Who};
use crate::time::Ms;
use crate::wire::{Answer, Body, Bucket, Count, Format, Node, Params, fault, html_page, too_many};

/// A request, read.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The values of the path's parameters, in order.
    pub(crate) args: Vec<String>,
    pub(crate) params: Params,
    pub(crate) headers: HeaderMap,
    pub(crate) host: String,
    /// The machine's time, or trading time when it is driven by hand: what windows and sessions are measured by.
    pub(crate) arrived: Ms,
    /// Set by a fault.
    pub(crate) without_tags: bool,
}

/// What goes onto the wire.
#[derive(Debug)]
pub(crate) enum Sent {
    /// An answer.
    Whole(Answer),
    /// The first half of one.
    Half(Answer),
    /// The line is cut.
    Cut,
    /// Nothing for so many milliseconds, then the line is cut.
    Hang(i64),
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) delay_ms: i64,
    pub(crate) sent: Sent,
}

/// How long a silent broker keeps a client waiting unless told.
const SILENCE_MS: i64 = 30_000;

impl Call {
    pub(crate) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map_or("", String::as_str)
    }

    fn bearer(&self) -> Option<&str> {
        let value = self.headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }
}

impl Sim {
    /// Serves one request to an endpoint of the broker.
    pub(crate) fn serve(&mut self, route: &Route, call: &mut Call) -> Outcome {
        let who = match self.who(call) {
            Ok(who) => who,
            Err(answer) => return self.refuse(call, answer),
        };
        let count = self.count(who, route.bucket, call.arrived);
        let strikes = self.strikes(route.name, route.bucket, call, who.world);
        let over = count.is_some_and(|c| c.exceeded());
        let outcome = if over { plain(too_many()) } else { self.under_fault(&strikes, route, call, who) };
        self.finish(call, (outcome, count), &strikes)
    }

    fn refuse(&mut self, call: &Call, answer: Answer) -> Outcome {
        self.finish(call, (plain(answer), None), &[])
    }

    /// Serves one request for ORATS data.
    pub(crate) fn serve_orats(&mut self, call: &mut Call) -> Outcome {
        let token = call.params.get("token").map(str::to_owned);
        let known = token.as_deref().and_then(|t| self.tokens.iter().position(|k| k.token == t));
        let Some(token) = known else {
            // A bad token or path is answered by the web site.
            return self.refuse(call, html_page(StatusCode::OK));
        };
        let world = self.world_of(token);
        let count = self.count(Who { token, world }, Bucket::Orats, call.arrived);
        let strikes = self.strikes("orats", Bucket::Orats, call, world);
        let outcome = if count.is_some_and(|c| c.exceeded()) {
            plain(Answer::new(StatusCode::TOO_MANY_REQUESTS, Body::Empty))
        } else {
            struck_before(&strikes, call).unwrap_or_else(|| after(&strikes, orats::answer(self, call)))
        };
        self.finish(call, (outcome, None), &strikes)
    }

    fn who(&self, call: &Call) -> Result<Who, Answer> {
        let Some(given) = call.bearer() else { return Err(invalid_token()) };
        let Some(token) = self.tokens.iter().position(|t| t.token == given) else { return Err(invalid_token()) };
        let world = self.world_of(token);
        let wrong_host = match call.host.as_str() {
            "api.tradier.com" => world != World::Live,
            "sandbox.tradier.com" => world != World::Sandbox,
            _ => false,
        };
        if wrong_host {
            let code = "keymanagement.service.InvalidAPICallAsNoApiProductMatchFound";
            return Err(fault(StatusCode::UNAUTHORIZED, "Invalid API call as no apiproduct match found", code));
        }
        Ok(Who { token, world })
    }

    fn count(&mut self, who: Who, bucket: Bucket, now: Ms) -> Option<Count> {
        (self.limits_kept == RateLimits::Kept).then(|| self.limits.count(who.token, bucket, who.world, now))
    }

    fn strikes(&mut self, name: &str, bucket: Bucket, call: &Call, world: World) -> Vec<Strike> {
        let now = self.now();
        self.faults.strike(&Target {
            endpoint: name,
            group: bucket.group(),
            method: &call.method,
            world: Some(world),
            now,
        })
    }

    fn under_fault(&mut self, strikes: &[Strike], route: &Route, call: &mut Call, who: Who) -> Outcome {
        if let Some(outcome) = struck_before(strikes, call) {
            return outcome;
        }
        call.without_tags = strikes.iter().any(|s| s.kind == FaultKind::NoTags);
        let answer = (route.handler)(self, call, who).unwrap_or_else(|refused| refused);
        let answer = self.remember(strikes, call, answer);
        after(strikes, answer)
    }

    /// Keeps answers of reads for as long as a stale fault may ask for them, and answers from there when it does.
    fn remember(&mut self, strikes: &[Strike], call: &Call, answer: Answer) -> Answer {
        const KEPT: usize = 32;
        let stale = strikes.iter().find(|s| s.kind == FaultKind::Stale);
        let watched = self.faults.list().iter().any(|(f, _)| f.kind == FaultKind::Stale);
        if !watched || call.method != "GET" {
            return answer;
        }
        let now = self.engine.now();
        let known = self.remembered.entry(call.path.clone()).or_default();
        known.push((now, answer.clone()));
        if known.len() > KEPT {
            known.remove(0);
        }
        let oldest = stale.and_then(|s| known.iter().find(|(at, _)| now.since(*at) <= s.ms));
        oldest.map_or(answer, |(_, old)| old.clone())
    }

    /// Headers, ledger, state.
    fn finish(&mut self, call: &Call, (mut outcome, count): (Outcome, Option<Count>), strikes: &[Strike]) -> Outcome {
        let has = |kind| strikes.iter().any(|s| s.kind == kind);
        let bare = has(FaultKind::TooManyBare);
        let count = count.map(|c| if has(FaultKind::TooMany) { c.exhausted() } else { c });
        let status = match &mut outcome.sent {
            Sent::Whole(answer) | Sent::Half(answer) => {
                if let Some(count) = count.filter(|_| !bare) {
                    answer.headers.extend(count.headers());
                }
                answer.status.as_u16()
            }
            Sent::Cut | Sent::Hang(_) => 0,
        };
        let words: Vec<String> = strikes.iter().map(|s| s.kind.word()).collect();
        let names = (!words.is_empty()).then(|| words.join("+"));
        if status >= 400 {
            tracing::info!(method = call.method, path = call.path, status, fault = names, "refused");
        }
        let fact = Fact::Request {
            method: call.method.clone(),
            path: call.path.clone(),
            params: call.params.for_ledger(),
            status,
            fault: names,
        };
        self.engine.note(fact);
        if call.method != "GET" {
            self.save();
        }
        let now = self.now();
        self.run_to(now);
        outcome
    }
}

fn invalid_token() -> Answer {
    fault(StatusCode::UNAUTHORIZED, "Invalid Access Token", "keymanagement.service.invalid_access_token")
}

fn plain(answer: Answer) -> Outcome {
    Outcome { delay_ms: 0, sent: Sent::Whole(answer) }
}

fn latency(strikes: &[Strike]) -> i64 {
    strikes.iter().filter(|s| s.kind == FaultKind::Latency).map(|s| s.ms).sum()
}

/// The first fault that takes the place of processing, if one struck.
fn struck_before(strikes: &[Strike], call: &Call) -> Option<Outcome> {
    let strike = strikes.iter().find(|s| s.kind.prevents())?;
    let sent = if strike.kind == FaultKind::TimeoutBefore {
        Sent::Hang(if strike.ms > 0 { strike.ms } else { SILENCE_MS })
    } else if strike.kind == FaultKind::LostRequest {
        Sent::Cut
    } else if strike.kind == FaultKind::Backend && call.method == "GET" {
        return None;
    } else {
        Sent::Whole(stand_in(strike.kind, call))
    };
    Some(Outcome { delay_ms: latency(strikes), sent })
}

/// What the broker says when its order system does not answer.
fn backend_trouble() -> Answer {
    Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "An error occurred while communicating with the backend.")
}

/// What a fault says in place of an answer.
fn stand_in(kind: FaultKind, call: &Call) -> Answer {
    match kind {
        FaultKind::TooMany | FaultKind::TooManyBare => too_many(),
        FaultKind::BadGateway => Answer::new(StatusCode::BAD_GATEWAY, Body::Empty),
        FaultKind::Unavailable => Answer::text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        FaultKind::HtmlOk => html_page(StatusCode::OK),
        FaultKind::Html => html_page(StatusCode::SERVICE_UNAVAILABLE),
        FaultKind::Empty => Answer::new(StatusCode::OK, Body::Empty),
        FaultKind::Revoked => invalid_token(),
        FaultKind::Unauthorized => {
            Answer::text(StatusCode::UNAUTHORIZED, &format!("Unauthorized Account: {}", call.arg(0)))
        }
        FaultKind::Backend if call.params.is_true("preview") => Answer::bad("Unexpected server error"),
        FaultKind::Backend | FaultKind::ErrorBefore | FaultKind::ErrorAfter => backend_trouble(),
        FaultKind::TimeoutBefore | FaultKind::TimeoutAfter | FaultKind::LostRequest | FaultKind::LostAnswer => {
            backend_trouble()
        }
        FaultKind::Latency | FaultKind::Truncated | FaultKind::Stale | FaultKind::EmptyList | FaultKind::NoTags => {
            backend_trouble()
        }
        FaultKind::DropEvent | FaultKind::DuplicateEvent | FaultKind::ReorderEvent | FaultKind::CutStream => {
            backend_trouble()
        }
    }
}

/// What faults make of an answer whose deed is done.
fn after(strikes: &[Strike], answer: Answer) -> Outcome {
    let has = |kind| strikes.iter().find(|s| s.kind == kind);
    let sent = if let Some(strike) = has(FaultKind::TimeoutAfter) {
        Sent::Hang(if strike.ms > 0 { strike.ms } else { SILENCE_MS })
    } else if has(FaultKind::LostAnswer).is_some() {
        Sent::Cut
    } else if has(FaultKind::ErrorAfter).is_some() {
        Sent::Whole(backend_trouble())
    } else if has(FaultKind::Truncated).is_some() {
        Sent::Half(answer)
    } else if has(FaultKind::EmptyList).is_some() {
        Sent::Whole(emptied(answer))
    } else {
        Sent::Whole(answer)
    };
    Outcome { delay_ms: latency(strikes), sent }
}

/// The same answer with its list gone.
fn emptied(mut answer: Answer) -> Answer {
    if let Body::Tree(Node::Shared(known)) = &answer.body {
        answer.body = Body::Tree(known.node().clone());
    }
    if let Body::Tree(Node::Map(fields)) = &mut answer.body
        && let Some((_, inner)) = fields.first_mut()
    {
        *inner = Node::text("null");
    }
    answer
}

impl Sent {
    /// The answer as bytes, `None` for a cut line.
    pub(crate) fn into_http(self, format: Format) -> Option<http::Response<bytes::Bytes>> {
        match self {
            Self::Whole(answer) => Some(answer.into_http(format)),
            Self::Half(answer) => {
                let mut response = answer.into_http(format);
                let half = response.body().len() / 2;
                *response.body_mut() = response.body().slice(..half);
                Some(response)
            }
            Self::Cut | Self::Hang(_) => None,
        }
    }
}
