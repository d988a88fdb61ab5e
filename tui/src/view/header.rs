//! The first line: mode, account, market, the day, and how old all of it is.

use std::time::Duration;

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::market::SessionPhase;
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use super::layout::broker_mode;
use crate::client::session::{Link, Phase};
use crate::figures;
use crate::format::{self, Spacing};
use crate::model::{Access, Model, age_interval};
use crate::panes::open::view::{sign_role, spinner};
use crate::theme::Role;
use crate::widgets::canvas::Canvas;
use crate::widgets::fit::{Piece, Side, choose};
use crate::widgets::text;

pub(super) fn draw(canvas: &mut Canvas<'_>, row: Rect, model: &Model) {
    let pieces = pieces(model);
    let chosen = choose(&pieces, row.width.saturating_sub(1));
    let on = |side| pieces.iter().zip(&chosen).filter(move |(piece, _)| piece.side == side);
    let mut x = 0;
    for (piece, words) in on(Side::Left) {
        let Some(words) = words else { continue };
        x = canvas.put(row, x, words, piece.role) + 2;
    }
    let widths = on(Side::Right).filter_map(|(_, words)| words.as_ref()).map(|words| text::width(words) + 2);
    let mut x = row.width.saturating_sub(widths.sum::<u16>().saturating_sub(1));
    for (piece, words) in on(Side::Right) {
        let Some(words) = words else { continue };
        x = canvas.put(row, x, words, piece.role) + 2;
    }
}

fn pieces(model: &Model) -> Vec<Piece> {
    let mut pieces = vec![badge(model)];
    if model.surroundings.access == Access::ReadOnly {
        pieces.push(Piece::left(Role::Warn, words([(84, "READ-ONLY"), (93, "R/O")])));
    }
    pieces.extend(account(model));
    pieces.extend(market(model));
    pieces.push(Piece::left(Role::Text, vec![(50, format::clock(model.trading_now()))]));
    pieces.extend(counts(model));
    pieces.extend(risk(model));
    pieces.push(synced(model));
    if model.is_spinning() || is_asking(model) {
        pieces.push(Piece::right(Role::Accent, vec![(34, activity(model))]));
    }
    pieces
}

fn is_asking(model: &Model) -> bool {
    model.is_loading || model.errands.is_asking() || model.session.phase() == Phase::Loading
}

fn activity(model: &Model) -> String {
    if model.is_spinning() { spinner(model).to_string() } else { "⟳".to_owned() }
}

fn badge(model: &Model) -> Piece {
    let (name, role) = match broker_mode(model) {
        None => (" BLOTTER ", Role::Strong),
        Some(BrokerMode::Sim) => (" SIM ", Role::BadgeSim),
        Some(BrokerMode::Sandbox) => (" SANDBOX ", Role::BadgeSandbox),
        Some(BrokerMode::Live) => (" LIVE ", Role::BadgeLive),
    };
    Piece::left(role, words([(100, name)]))
}

fn account(model: &Model) -> Option<Piece> {
    let settings = model.data.settings.as_ref()?;
    let id = match settings.broker_mode {
        BrokerMode::Sim => None,
        BrokerMode::Sandbox => settings.sandbox_account_id.as_deref(),
        BrokerMode::Live => settings.live_account_id.as_deref(),
    };
    Some(Piece::left(Role::Text, vec![(45, text::clean(id?))]))
}

fn market(model: &Model) -> Option<Piece> {
    let market = &model.data.market.as_ref()?.value;
    let now = model.trading_now();
    let (airy, tight) =
        (format::until(now, market.next_change, Spacing::Airy), format::until(now, market.next_change, Spacing::Tight));
    let early = if market.early_close { " early" } else { "" };
    Some(match market.phase {
        SessionPhase::Open if market.forced_open => {
            Piece::left(Role::Warn, words([(38, "● open (forced)"), (86, "● forced")]))
        }
        SessionPhase::Open => {
            let long = format!("● open, closes{early} in {airy}");
            Piece::left(Role::Good, vec![(38, long), (80, format!("● open {tight}")), (86, "● open".to_owned())])
        }
        SessionPhase::Closed => {
            let opens = format::opening(market.next_change, now);
            let long = format!("○ closed, opens {opens}");
            Piece::left(Role::Muted, vec![(38, long), (80, format!("○ closed {tight}")), (86, "○ closed".to_owned())])
        }
    })
}

/// What must never be overlooked: unprotected positions and what waits for a person.
fn counts(model: &Model) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let figures::Counts { unprotected, needs_person: waiting, .. } = model.counts();
    if unprotected > 0 {
        let wordings = vec![(87, format!(" {unprotected} NO STOP ")), (99, format!(" {unprotected}! "))];
        pieces.push(Piece::right(Role::Alarm, wordings));
    }
    if waiting > 0 {
        let verb = if waiting == 1 { "needs" } else { "need" };
        pieces
            .push(Piece::right(Role::Danger, vec![(85, format!("{waiting} {verb} you")), (97, format!("{waiting}?"))]));
    }
    pieces
}

fn risk(model: &Model) -> Vec<Piece> {
    let (Some(open), Some(settings)) = (&model.data.open, &model.data.settings) else { return vec![] };
    let mut pieces = Vec::new();
    let recent = model.data.recent.as_ref();
    let day = figures::day_pnl(open.counts(), recent, model.trading_now()).map(|cash| cash.0);
    pieces.push(match day.map(format::trend) {
        Some(words) => {
            Piece::right(day.map_or(Role::Muted, sign_role), vec![(65, format!("Day {words}")), (75, words)])
        }
        None => Piece::right(Role::Muted, vec![(30, format!("Day {}", format::UNKNOWN))]),
    });
    let heat = figures::heat_pct(open.counts(), figures::capital(settings, &model.data.accounts));
    let limit = settings.heat_limit_pct;
    let words = heat.map_or_else(|| format::UNKNOWN.to_owned(), |heat| format::plain(heat, 1));
    let role = if heat.is_none_or(|heat| heat > limit && limit > Decimal::ZERO) { Role::Warn } else { Role::Text };
    pieces.push(Piece::right(role, vec![(40, format!("Heat {words}/{}%", format::plain(limit, 1)))]));
    let count = format!("{}/{}", open.len(), settings.max_positions);
    pieces.push(Piece::right(Role::Text, vec![(35, format!("Pos {count}")), (60, count)]));
    pieces
}

/// How old what is shown is. Red and `STALE` once the daemon or the broker does not answer.
fn synced(model: &Model) -> Piece {
    let Some(age) = model.contact_age() else {
        let words = match model.session.link() {
            Link::Connecting | Link::Live | Link::Stale => "connecting",
            Link::Retrying | Link::Refused => "not connected",
        };
        return Piece::right(Role::Muted, vec![(90, words.to_owned())]);
    };
    let interval = age_interval(model);
    let silence = broker_silence(model);
    let is_stale = model.is_cut_off() || silence.is_some();
    let words = format::age(age.max(silence.unwrap_or_default()), interval);
    if is_stale {
        let role = Role::Alarm;
        return Piece::right(role, vec![(90, format!(" STALE {words} ")), (98, " STALE ".to_owned())]);
    }
    let role = if age > interval * 2 { Role::Warn } else { Role::Muted };
    Piece::right(role, vec![(82, format!("synced {words}")), (98, words)])
}

/// When the broker stopped answering, if it does not.
fn broker_silence(model: &Model) -> Option<Duration> {
    let broker = &model.data.health.as_ref()?.value.broker;
    match broker.state {
        ComponentState::Unavailable => Some((model.trading_now() - broker.since).to_std().unwrap_or_default()),
        ComponentState::Ok | ComponentState::Starting | ComponentState::Degraded | ComponentState::NotConfigured => {
            None
        }
    }
}

fn words<const N: usize>(wordings: [(u8, &str); N]) -> Vec<(u8, String)> {
    wordings.map(|(weight, words)| (weight, words.to_owned())).to_vec()
}
