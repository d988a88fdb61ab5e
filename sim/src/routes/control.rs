//! `/__sim`: the hand that tests and people have on the simulation. JSON in, JSON out, no token.

use chrono::NaiveDateTime;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Sim;
use crate::clock::{Pace, machine_time, parse_pace};
use crate::core::OrderId;
use crate::faults::Fault;
use crate::pipeline::Call;
use crate::scenario::{Act, SHIPPED, Scenario, Script};
use crate::time::Ms;
use crate::wire::{Answer, Body};

type Told = Result<Answer, Answer>;

/// Serves one request to `/__sim/…`.
pub(crate) fn control(sim: &mut Sim, call: &Call, body: &[u8]) -> Answer {
    let what = call.path.trim_start_matches("/__sim").trim_matches('/');
    let told = match (call.method.as_str(), what) {
        ("GET", "clock") => Ok(clock(sim)),
        ("POST", "clock") => read(body).and_then(|wish| set_clock(sim, &wish)),
        ("GET", "ledger") => Ok(ledger(sim, call)),
        ("POST", "do") => read(body).and_then(|act| perform(sim, act)),
        ("POST", "price") => read(body).and_then(|value| perform_as(sim, "price", value)),
        ("GET", "faults") => Ok(faults(sim)),
        ("POST", "faults") => read(body).and_then(|fault| add_fault(sim, fault)),
        ("DELETE", "faults") => {
            sim.faults.clear();
            sim.note_control("faults lifted".to_owned());
            Ok(faults(sim))
        }
        ("GET", "settings") => Ok(settings(sim)),
        ("POST", "settings") => {
            read::<Value>(body).and_then(|value| perform_as(sim, "settings", json!({ "settings": value })))
        }
        ("GET", "scenarios") => {
            Ok(Answer::json(&json!({ "scenarios": SHIPPED.map(|(name, text)| json!({"name": name, "text": text})) })))
        }
        ("POST", "scenario") => play(sim, body),
        ("GET", "accounts") => Ok(accounts(sim)),
        ("GET", "orders") => Ok(orders(sim)),
        _ => Err(told(StatusCode::NOT_FOUND, "there is no such control")),
    };
    let now = sim.now();
    sim.run_to(now);
    sim.save();
    told.unwrap_or_else(|refused| refused)
}

fn told(status: StatusCode, what: &str) -> Answer {
    Answer::new(status, Body::Json(json!({ "error": what }).to_string()))
}

fn wrong(what: &str) -> Answer {
    told(StatusCode::BAD_REQUEST, what)
}

fn read<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|e| wrong(&e.to_string()))
}

/// A wish about time. Several may be said at once: the pace first, then the way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// `manual`, `real`, `x60`.
    clock: Option<String>,
    /// So many milliseconds on.
    step_ms: Option<i64>,
    /// To a moment: `2026-09-10T15:59:58` in New York, or with a `Z` in UTC.
    to: Option<String>,
}

fn clock(sim: &Sim) -> Answer {
    let now = sim.now();
    let pace = match sim.clock.pace() {
        Pace::Manual => "manual".to_owned(),
        Pace::Times(rate) => format!("x{rate}"),
    };
    Answer::json(&json!({
        "now": now.iso(), "now_ms": now.0, "et": now.et().format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
        "rate": sim.clock.rate(), "clock": pace, "state": sim.engine.phase().word(),
    }))
}

fn set_clock(sim: &mut Sim, wish: &Wish) -> Told {
    let pace =
        wish.clock.as_deref().map_or(Ok(sim.clock.pace()), parse_pace).map_err(|e| wrong(&format!("clock: {e}")))?;
    let mut target = sim.now();
    if let Some(text) = &wish.to {
        target = read_moment(text).ok_or_else(|| wrong("to: expected a time such as 2026-09-10T15:59:58"))?;
    }
    if let Some(step) = wish.step_ms {
        target = target.plus(step);
    }
    const FURTHEST: i64 = 400 * 24 * crate::time::HOUR;
    if target < sim.now() || target.since(sim.now()) > FURTHEST {
        return Err(wrong("to: time goes forward, and by 400 days at most"));
    }
    if wish.to.is_some() || wish.step_ms.is_some() || wish.clock.is_some() {
        sim.note_control(format!("clock to {target}"));
    }
    sim.run_to(target);
    let now = sim.now();
    sim.clock.set(pace, machine_time(), now);
    Ok(clock(sim))
}

fn read_moment(text: &str) -> Option<Ms> {
    if let Ok(utc) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(Ms(utc.timestamp_millis()));
    }
    let local =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"].iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())?;
    Some(Ms::from_et(local))
}

fn ledger(sim: &Sim, call: &Call) -> Answer {
    let ledger = sim.engine.ledger();
    let since = call.params.get("since").and_then(|s| s.parse().ok()).unwrap_or(0);
    if call.params.get("format") == Some("lines") {
        return Answer::new(StatusCode::OK, Body::Text(ledger.to_lines()));
    }
    Answer::json(
        &json!({ "next": ledger.next_seq(), "requests_dropped": ledger.requests_dropped(), "entries": ledger.since(since) }),
    )
}

fn perform(sim: &mut Sim, act: Act) -> Told {
    if act.is_immediate() {
        sim.act(&act, act.order.map(OrderId)).map_err(|e| wrong(&e))?;
    } else {
        act.check().map_err(|e| wrong(&e))?;
        let now = sim.now();
        sim.script.add(act, now);
    }
    Ok(clock(sim))
}

fn perform_as(sim: &mut Sim, verb: &str, mut value: Value) -> Told {
    if let Some(map) = value.as_object_mut() {
        map.insert("do".to_owned(), json!(verb));
    }
    let act: Act = serde_json::from_value(value).map_err(|e| wrong(&e.to_string()))?;
    perform(sim, act)
}

fn faults(sim: &Sim) -> Answer {
    let list: Vec<Value> =
        sim.faults.list().into_iter().map(|(fault, struck)| json!({ "fault": fault, "struck": struck })).collect();
    Answer::json(&json!({ "faults": list }))
}

fn add_fault(sim: &mut Sim, fault: Fault) -> Told {
    fault.check().map_err(|e| wrong(&e))?;
    sim.note_control(format!("fault {}", serde_json::to_string(&fault).unwrap_or_default()));
    sim.faults.add(fault);
    Ok(faults(sim))
}

fn settings(sim: &Sim) -> Answer {
    Answer::json(&serde_json::to_value(sim.engine.settings()).unwrap_or_default())
}

/// Plays a scenario from now on: the name of a shipped one as JSON, or a TOML text. Its clock and start are not used.
fn play(sim: &mut Sim, body: &[u8]) -> Told {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let text = String::from_utf8_lossy(body).into_owned();
    let scenario = match serde_json::from_slice::<Named>(body) {
        Ok(named) => crate::scenario::shipped(&named.name).ok_or_else(|| wrong("name: there is no such scenario"))?,
        Err(_) => Scenario::parse(&text),
    };
    let scenario = scenario.map_err(|e| wrong(&e.to_string()))?;
    let now = sim.now();
    *sim.engine.settings_mut() = scenario.settings;
    sim.numbers = scenario.numbers;
    sim.faults.clear();
    for fault in scenario.fault {
        sim.faults.add(fault.into_inner());
    }
    sim.script = Script::new(scenario.event.into_iter().map(toml::Spanned::into_inner).collect(), &sim.engine, now);
    sim.note_control(format!("scenario: {}", scenario.about));
    Ok(clock(sim))
}

fn accounts(sim: &Sim) -> Answer {
    let list: Vec<Value> = sim.engine.accounts().map(|a| json!({
        "number": a.opening.number, "world": a.opening.world, "cash": a.cash, "opening_cash": a.opening.cash, "positions": a.positions,
    })).collect();
    Answer::json(&json!({ "accounts": list }))
}

/// Every order and leg with all that the book knows.
fn orders(sim: &Sim) -> Answer {
    let list: Vec<Value> = sim.engine.all_orders().filter_map(|o| serde_json::to_value(o).ok()).collect();
    Answer::json(&json!({ "orders": list }))
}
