//! The first line: mode, account, market, the day, and how old all of it is.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::market::SessionPhase;
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use super::layout::{Mode, broker_mode, mode};
use crate::client::session::Link;
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
    let chosen = choose(&pieces, row.width.saturating_sub(2));
    let mut x = 1;
    for (piece, words) in pieces.iter().zip(&chosen).filter(|(piece, _)| piece.side == Side::Left) {
        let Some(words) = words else { continue };
        x = canvas.put(row, x, words, piece.role) + 2;
    }
    let right: Vec<_> = pieces.iter().zip(&chosen).filter(|(piece, _)| piece.side == Side::Right).collect();
    let widths: u16 = right.iter().filter_map(|(_, words)| words.as_ref()).map(|words| text::width(words) + 2).sum();
    let mut x = row.width.saturating_sub(widths.saturating_sub(1));
    for (piece, words) in right {
        let Some(words) = words else { continue };
        x = canvas.put(row, x, words, piece.role) + 2;
    }
}

fn pieces(model: &Model) -> Vec<Piece> {
    let mut pieces = vec![badge(model)];
    if model.surroundings.access == Access::ReadOnly {
        pieces.push(Piece::new(Side::Left, 85, Role::Warn, ["READ-ONLY", "R/O"]));
    }
    pieces.extend(account(model));
    pieces.extend(market(model));
    pieces.push(Piece::new(Side::Left, 50, Role::Text, [format::clock(model.trading_now())]));
    pieces.extend(counts(model));
    pieces.extend(risk(model));
    pieces.push(synced(model));
    if model.is_spinning() || model.is_loading {
        pieces.push(Piece::new(Side::Right, 35, Role::Accent, [activity(model)]));
    }
    pieces
}

fn activity(model: &Model) -> String {
    if model.is_spinning() { spinner(model).to_string() } else { "⟳".to_owned() }
}

fn badge(model: &Model) -> Piece {
    let (name, role) = match broker_mode(model) {
        None => ("BLOTTER", Role::Strong),
        Some(BrokerMode::Sim) => (" SIM ", Role::BadgeSim),
        Some(BrokerMode::Sandbox) => (" SANDBOX ", Role::BadgeSandbox),
        Some(BrokerMode::Live) => (" LIVE ", Role::BadgeLive),
    };
    Piece::new(Side::Left, 100, role, [name])
}

fn account(model: &Model) -> Option<Piece> {
    let settings = model.data.settings.as_ref()?;
    let id = match settings.broker_mode {
        BrokerMode::Sim => None,
        BrokerMode::Sandbox => settings.sandbox_account_id.as_deref(),
        BrokerMode::Live => settings.live_account_id.as_deref(),
    };
    Some(Piece::new(Side::Left, 45, Role::Text, [text::clean(id?)]))
}

fn market(model: &Model) -> Option<Piece> {
    let market = &model.data.market.as_ref()?.value;
    let now = model.trading_now();
    let (airy, tight) =
        (format::until(now, market.next_change, Spacing::Airy), format::until(now, market.next_change, Spacing::Tight));
    let early = if market.early_close { " early" } else { "" };
    Some(match market.phase {
        SessionPhase::Open if market.forced_open => {
            Piece::new(Side::Left, 80, Role::Warn, ["● open (forced)", "● forced"])
        }
        SessionPhase::Open => {
            let long = format!("● open, closes{early} in {airy}");
            Piece::new(Side::Left, 80, Role::Good, [long, format!("● open {tight}"), "● open".to_owned()])
        }
        SessionPhase::Closed => {
            let opens = format::opening(market.next_change, now);
            let long = format!("○ closed, opens {opens}");
            Piece::new(Side::Left, 80, Role::Muted, [long, format!("○ closed {tight}"), "○ closed".to_owned()])
        }
    })
}

/// What must never be overlooked: unprotected positions and what waits for a person.
fn counts(model: &Model) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let unprotected = figures::unprotected(model.open_trades());
    if unprotected > 0 {
        let words = [format!(" {unprotected} UNPROTECTED "), format!(" {unprotected}! ")];
        pieces.push(Piece::new(Side::Right, 99, Role::Alarm, words));
    }
    let waiting = figures::needs_person(model.open_trades());
    if waiting > 0 {
        let verb = if waiting == 1 { "needs" } else { "need" };
        pieces.push(Piece::new(
            Side::Right,
            95,
            Role::Danger,
            [format!("{waiting} {verb} you"), format!("{waiting} ?")],
        ));
    }
    pieces
}

fn risk(model: &Model) -> Vec<Piece> {
    let (Some(open), Some(settings)) = (&model.data.open, &model.data.settings) else { return vec![] };
    let mut pieces = Vec::new();
    let closed = model.history.trades();
    let day = figures::day_pnl(open, closed, model.trading_now()).map(|cash| cash.0);
    let words = day.map_or_else(|| format::UNKNOWN.to_owned(), format::trend);
    let role = day.map_or(Role::Muted, sign_role);
    pieces.push(Piece::new(Side::Right, 70, role, [format!("Day {words}"), words]));
    let heat = figures::heat_pct(open, settings);
    let limit = settings.heat_limit_pct;
    let words = heat.map_or_else(|| format::UNKNOWN.to_owned(), |heat| format::plain(heat, 1));
    let role = if heat.is_none_or(|heat| heat > limit && limit > Decimal::ZERO) { Role::Warn } else { Role::Text };
    pieces.push(Piece::new(Side::Right, 40, role, [format!("Heat {words}/{}%", format::plain(limit, 1))]));
    let count = format!("{}/{}", open.len(), settings.max_positions);
    pieces.push(Piece::new(Side::Right, 60, Role::Text, [format!("Pos {count}"), count]));
    pieces
}

/// How old what is shown is. Red and `STALE` once the daemon or the broker does not answer.
fn synced(model: &Model) -> Piece {
    let Some(age) = model.contact_age() else {
        let words = match model.session.link() {
            Link::Connecting | Link::Live | Link::Stale => "connecting",
            Link::Retrying | Link::Refused => "not connected",
        };
        return Piece::new(Side::Right, 90, Role::Muted, [words]);
    };
    let interval = age_interval(model);
    let broker = model.data.health.as_ref().map(|heard| heard.value.broker.state);
    let is_stale = model.is_cut_off() || broker == Some(ComponentState::Unavailable);
    let words = format::age(age, interval);
    if is_stale {
        let role = Role::Alarm;
        return Piece::new(Side::Right, 90, role, [format!(" STALE {words} "), " STALE ".to_owned()]);
    }
    let role = if age > interval * 2 { Role::Warn } else { Role::Muted };
    let wordings = match mode(model.width) {
        Mode::Wide | Mode::Standard => vec![format!("synced {words}")],
        Mode::Narrow => vec![format!("synced {words}"), words],
    };
    Piece::new(Side::Right, 90, role, wordings)
}
