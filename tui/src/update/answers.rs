//! What the daemon's answers and events make of the model.

use std::time::Duration;

use blotter_shared::protocol::alarms::Alarm;
use blotter_shared::protocol::events::{Event, Hello};
use blotter_shared::protocol::health::{ComponentState, Health};
use blotter_shared::protocol::market::Market;
use blotter_shared::protocol::problem::ProblemCode;
use blotter_shared::protocol::settings::Settings;
use blotter_shared::protocol::sync::SyncStatus;
use blotter_shared::protocol::trades::Trade;

use super::errands::Errand;
use super::{attention, carry_out, errands, looks, orders, settings_form, token_form};
use crate::client::calls::{Answer, Call, CallError};
use crate::client::events::StreamItem;
use crate::client::session::{Input, TimedRefresh};
use crate::effect::Effect;
use crate::flash;
use crate::model::{Heard, Model, Motion, Recent};
use crate::open_book::OpenBook;
use crate::overlays::Overlay;
use crate::overlays::notices::Level;

/// How long after a conflict everything is loaded again.
pub(super) const RELOAD_AFTER: Duration = Duration::from_secs(1);

/// How long an account's worth is taken for what it is: the daemon asks for it as often.
const EQUITY_KEEPS: Duration = Duration::from_secs(60);

/// An answer came, or did not.
pub(super) fn answered(model: &mut Model, call: &Call, result: Result<Answer, CallError>) -> Vec<Effect> {
    if call.is_action() {
        model.in_flight = model.in_flight.saturating_sub(1);
    }
    errands::answered(model, call, result.as_ref().err());
    match result {
        Ok(answer) => {
            model.session.note_contact(model.now);
            take(model, call, answer)
        }
        Err(error) => failed(model, call, &error),
    }
}

fn take(model: &mut Model, call: &Call, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Version(version) => model.data.version = Some(version),
        Answer::Health(health) => return health_came(model, *health),
        Answer::Market(market) => market_came(model, market),
        Answer::Settings(settings) => return settings_came(model, *settings),
        Answer::OpenTrades(list) => {
            note_seq(model, list.as_of);
            model.history.ended_seq = list.as_of;
            *model.data.open.get_or_insert_default().change() = list.items;
            looks::freshen_all(model);
        }
        Answer::History(list) => {
            if let Call::History(query) = call {
                model.data.recent = Recent::of(query, &list).or(model.data.recent.take());
                return model.history.take(query, list);
            }
        }
        Answer::Totals(totals) => {
            // One that was asked for before the filter changed may come after that of the new filter.
            if let Call::Totals(query) = call
                && *query == model.history.query().totals()
            {
                model.history.totals = Some((query.clone(), totals));
            }
        }
        Answer::Performance(performance) => {
            if let Call::Performance(query) = call {
                model.performance.take(*query, *performance);
            }
        }
        Answer::Trade(trade) => return trade_came(model, &trade),
        Answer::Look(answer) => {
            if let Call::Look(call) = call {
                looks::answered(model, call, *answer);
            }
        }
        Answer::Alarms(list) => model.data.alarms = list.items,
        Answer::SyncStatus(status) => return sync_status_came(model, status),
        Answer::Synced(status) => {
            model.notices.say(model.now, Level::Info, synced_sentence(&status));
            return sync_status_came(model, status);
        }
        Answer::Accounts(list) => {
            model.data.accounts = list.accounts;
            model.data.accounts_at = Some(model.now.since_start);
        }
        // No pane shows them: the command line asks.
        Answer::Tasks(_) => {}
        Answer::SettingsSaved(settings) => {
            if let Call::PutToken { update, .. } = call {
                let mut effects = token_form::stored(model, update.mode, &settings);
                effects.extend(settings_came(model, *settings));
                return effects;
            }
            settings_form::saved(model, &settings);
            return settings_came(model, *settings);
        }
        Answer::Order(answer) => {
            if let Call::Order(call) = call {
                return orders::answered(model, call, *answer);
            }
        }
    }
    vec![]
}

fn synced_sentence(status: &SyncStatus) -> String {
    if status.needs_sync { "Synced: there was news.".to_owned() } else { "Synced: nothing was missed.".to_owned() }
}

/// The feed's sequence only grows; after a restore it may fall back, and a reload says so.
fn note_seq(model: &mut Model, seq: i64) {
    model.data.seq = Some(model.data.seq.map_or(seq, |known| known.max(seq)));
}

fn failed(model: &mut Model, call: &Call, error: &CallError) -> Vec<Effect> {
    match call {
        Call::PutSettings { .. } => settings_form::refused(model, error),
        Call::Order(call) => orders::failed(model, call, error),
        Call::Sync { .. } => model.notices.say(model.now, Level::Warn, format!("Not synced: {error}")),
        Call::History(query) if query.cursor.is_some() => {
            model.history.is_loading_more = false;
            model.notices.say(model.now, Level::Warn, format!("The next page did not come: {error}"));
        }
        Call::History(_) => model.history.is_loading_more = false,
        Call::Performance(query) => model.performance.refused(*query, error),
        // A load that fails is the session's business: it is repeated and shown as a banner.
        Call::Version | Call::Health | Call::Market | Call::Settings | Call::OpenTrades => {}
        // The line of totals says how many rows there are at least until they come.
        Call::Totals(_) => {}
        Call::Look(call) => looks::failed(model, call, error),
        Call::Trade(_) | Call::Alarms | Call::SyncStatus { .. } | Call::Accounts | Call::Tasks => {}
        Call::PutToken { update, .. } => token_form::refused(model, update.mode, error),
        Call::RemoveToken { .. } => {}
    }
    vec![]
}

/// What a pane shows is older than it looks: said once, until an answer comes.
pub(super) fn note_old(model: &mut Model, errand: Errand, error: &CallError) {
    let (what, is_shown) = match errand {
        Errand::Newest => return,
        Errand::History => ("The history", model.history.items.is_some()),
        Errand::Totals => ("The sum of the history", model.history.totals().is_some()),
        Errand::Performance => ("The figures", model.performance.data.is_some()),
    };
    if is_shown {
        let words = format!("{what} could not be renewed and is tried again: {error}");
        model.notices.say(model.now, Level::Warn, words);
    }
}

fn health_came(model: &mut Model, health: Health) -> Vec<Effect> {
    let was_away = model.data.health.as_ref().is_some_and(|heard| heard.value.database.state != ComponentState::Ok);
    let is_back = was_away && health.database.state == ComponentState::Ok;
    let before = model.data.health.as_ref().map(|heard| (heard.value.broker.state, heard.value.broker.detail.clone()));
    let broker_changed = before.is_some_and(|before| before != (health.broker.state, health.broker.detail.clone()));
    model.data.health = Some(Heard { value: health, at: model.now });
    if !is_back {
        // The health tells that something is with an account, not with which.
        return if broker_changed { vec![Effect::Call(Call::Accounts)] } else { vec![] };
    }
    model.notices.say(model.now, Level::Info, "The database answers again.");
    let orders = model.session.step(model.now, Input::MustReload);
    carry_out(model, orders)
}

fn market_came(model: &mut Model, market: Market) {
    model.data.market = Some(Heard { value: market, at: model.now });
}

fn settings_came(model: &mut Model, settings: Settings) -> Vec<Effect> {
    if model.data.settings.as_ref().is_some_and(|known| known.version > settings.version) {
        return vec![];
    }
    if model.data.settings.is_none() && !settings.auto_refresh {
        model.timed_refresh = TimedRefresh::Off;
        model.session.set_timed_refresh(model.now, TimedRefresh::Off);
    }
    for overlay in &mut model.overlays {
        if let Overlay::Settings(form) = overlay
            && form.drafts.is_empty()
        {
            form.version = settings.version;
        }
    }
    let mode = settings.broker_mode;
    model.data.settings = Some(settings);
    // Play money and real money are never on one list.
    let mut effects = model.history.choose_mode(Some(mode));
    effects.extend(model.performance.choose_mode(mode, model.pane));
    // The end of a load asks for the lists, after the positions.
    if model.is_loading { vec![] } else { effects }
}

/// A trade is new or changed: into its list, or from one to the other.
pub(super) fn trade_came(model: &mut Model, trade: &Trade) -> Vec<Effect> {
    let was = model.open_trades().iter().find(|row| row.id == trade.id).cloned();
    let heard = attention::trade_changed(model, was.as_ref(), trade);
    if model.surroundings.motion == Motion::Full && was.is_some_and(|was| flash::has_changed(&was, trade)) {
        model.flashes.begin(model.now.since_start, trade.id);
    }
    if let Some(open) = model.data.open.as_mut().map(OpenBook::change) {
        match open.iter().position(|row| row.id == trade.id) {
            Some(index) if trade.status.is_terminal() => {
                open.remove(index);
            }
            Some(index) => {
                if let Some(row) = open.get_mut(index).filter(|row| row.version <= trade.version) {
                    row.clone_from(trade);
                }
            }
            None if trade.status.is_terminal() => {}
            None => {
                let at = open.iter().position(|row| row.number > trade.number).unwrap_or(open.len());
                open.insert(at, trade.clone());
            }
        }
    }
    if let Some(recent) = &mut model.data.recent {
        recent.note(trade);
    }
    looks::freshen_one(model, trade.id);
    let mut effects = model.history.note(trade);
    if trade.status.is_terminal() && !model.is_loading {
        effects.extend(model.performance.reload_if_shown(model.pane));
    }
    effects.extend(heard);
    effects.extend(looks::changed(model, trade.id));
    effects
}

pub(super) fn alarm_came(model: &mut Model, alarm: Alarm) -> Vec<Effect> {
    let is_new = model.data.alarms.iter().all(|known| known.id != alarm.id);
    let heard = attention::alarm_came(model, is_new, &alarm);
    let alarms = &mut model.data.alarms;
    match alarms.iter().position(|known| known.id == alarm.id) {
        Some(index) if alarm.cleared_at.is_some() => {
            alarms.remove(index);
        }
        // One that was seen stays where whoever saw it off is looking.
        Some(index) => alarms.iter_mut().skip(index).take(1).for_each(|known| known.clone_from(&alarm)),
        None if alarm.cleared_at.is_some() => {}
        None => alarms.insert(0, alarm),
    }
    heard
}

fn sync_status_came(model: &mut Model, status: SyncStatus) -> Vec<Effect> {
    let missed = status.needs_sync && model.data.open.is_some() && !model.is_loading;
    model.data.sync = Some(status);
    if !missed {
        return if is_equity_old(model) { vec![Effect::Call(Call::Accounts)] } else { vec![] };
    }
    let orders = model.session.step(model.now, Input::MustReload);
    carry_out(model, orders)
}

/// What an account is worth moves with what it holds, and no event tells of it.
fn is_equity_old(model: &Model) -> bool {
    let is_moving = model.open_trades().iter().any(|trade| trade.held_qty > 0);
    is_moving && model.data.accounts_at.is_none_or(|at| model.now.since(at) >= EQUITY_KEEPS)
}

/// The stream said something.
pub(super) fn streamed(model: &mut Model, item: StreamItem) -> Vec<Effect> {
    let orders = model.session.step(model.now, Input::StreamSpoke);
    let mut effects = carry_out(model, orders);
    effects.extend(match item {
        StreamItem::Heartbeat => vec![],
        StreamItem::Unknown { id, .. } => {
            note_id(model, id);
            vec![]
        }
        StreamItem::Event { id, event } => {
            if let (Some(id), Event::Trade(trade)) = (id, &*event)
                && trade.status.is_terminal()
            {
                model.history.ended_seq = id;
            }
            let effects = event_came(model, *event);
            note_id(model, id);
            effects
        }
    });
    effects
}

fn note_id(model: &mut Model, id: Option<i64>) {
    if let Some(id) = id {
        note_seq(model, id);
    }
}

fn event_came(model: &mut Model, event: Event) -> Vec<Effect> {
    match event {
        Event::Hello(Hello { heartbeat_s, .. }) => {
            let was_lost = model.session.trouble().is_some();
            let heartbeat = Duration::from_secs(heartbeat_s);
            let orders = model.session.step(model.now, Input::StreamOpened { heartbeat });
            if was_lost {
                model.notices.say(model.now, Level::Info, "Connected again.");
            }
            carry_out(model, orders)
        }
        Event::Trade(trade) => trade_came(model, &trade),
        Event::Settings(settings) => settings_came(model, *settings),
        Event::Alarm(alarm) => alarm_came(model, *alarm),
        Event::Health(health) => health_came(model, *health),
        Event::Market(market) => {
            market_came(model, market);
            vec![]
        }
        Event::Reload(_) => {
            // What is held may be from a time that is no more.
            model.data.seq = None;
            model.history.ended_seq = 0;
            let orders = model.session.step(model.now, Input::MustReload);
            carry_out(model, orders)
        }
        Event::Bye(_) => {
            let orders = model.session.step(model.now, Input::StreamEnded);
            carry_out(model, orders)
        }
    }
}

/// Whether an error is a conflict with another device.
pub(super) fn is_conflict(error: &CallError) -> bool {
    matches!(error.code(), Some(ProblemCode::StaleVersion | ProblemCode::AlreadyClosing))
}
