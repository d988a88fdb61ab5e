//! What is looked at beside the lists: live prices, and the path, context and story of the trades that
//! are opened up. Asked for when a row opens, again when its trade changes, forgotten when it closes.

use std::collections::HashSet;
use std::time::Duration;

use blotter_shared::domain::TradeId;

use crate::client::calls::{Call, CallError};
use crate::client::looks::{LookAnswer, LookCall};
use crate::client::orders::OrderCall;
use crate::client::session::{Link, TimedRefresh};
use crate::effect::Effect;
use crate::model::{Looked, Model};
use crate::open_book::OpenBook;
use crate::overlays::Overlay;
use crate::overlays::form::Purpose;
use crate::panes::{Pane, details};
use crate::quotes::{PricesSaid, freshen};

/// New prices are recorded every forty seconds; between them the live price is the path's end.
const PATH_REFRESH: Duration = Duration::from_secs(40);

/// Opens what is wanted and forgets what is not, after every message.
pub(super) fn follow(model: &mut Model) -> Vec<Effect> {
    let link = model.session.link();
    let mut effects = model.quotes.follow(model.now, link);
    let open = expanded(model);
    model.looked.retain(|id, _| open.contains(id));
    if link != Link::Live {
        return effects;
    }
    for id in open {
        if !model.looked.contains_key(&id) {
            effects.extend(all_of(model, id));
        } else if is_due(model, id) {
            effects.push(path(model, id));
        }
    }
    effects
}

/// The trades that are opened up in the pane that is shown.
fn expanded(model: &Model) -> Vec<TradeId> {
    let (list, trades) = match model.pane {
        Pane::Open => (&model.open.list, model.open_trades()),
        Pane::History => (&model.history.list, model.history.trades()),
        Pane::Performance => return vec![],
    };
    if list.expanded.is_empty() {
        return vec![];
    }
    trades.iter().map(|trade| trade.id).filter(|id| list.expanded.contains(id)).collect()
}

fn is_due(model: &Model, id: TradeId) -> bool {
    let at = model.looked.get(&id).and_then(|looked| looked.refresh_at);
    model.timed_refresh == TimedRefresh::On && at.is_some_and(|at| model.now.since_start >= at)
}

/// When [`follow`] would ask for something by the mere passing of time.
#[must_use]
pub fn next_wake(model: &Model) -> Option<Duration> {
    if model.timed_refresh == TimedRefresh::Off || model.session.link() != Link::Live {
        return None;
    }
    model.looked.values().filter_map(|looked| looked.refresh_at).min()
}

fn all_of(model: &mut Model, id: TradeId) -> Vec<Effect> {
    model.looked.insert(id, Looked::default());
    vec![path(model, id), Effect::Call(Call::Look(LookCall::Context(id))), story(id)]
}

fn path(model: &mut Model, id: TradeId) -> Effect {
    let is_open = model.open_trades().iter().any(|trade| trade.id == id);
    let refresh_at = is_open.then(|| model.now.since_start + PATH_REFRESH);
    if let Some(looked) = model.looked.get_mut(&id) {
        looked.refresh_at = refresh_at;
    }
    Effect::Call(Call::Look(LookCall::Series { trade: id, width: details::path_width(model.width) }))
}

fn story(id: TradeId) -> Effect {
    Effect::Call(Call::Order(OrderCall::Timeline(id)))
}

/// A trade that is opened up has changed: so has its story.
pub(super) fn changed(model: &Model, id: TradeId) -> Vec<Effect> {
    if !model.looked.contains_key(&id) || model.session.link() != Link::Live {
        return vec![];
    }
    vec![story(id), Effect::Call(Call::Look(LookCall::Context(id)))]
}

/// Prices are for the rows that are there.
pub(super) fn prices_came(model: &mut Model, generation: u64, said: PricesSaid) {
    let news: HashSet<TradeId> = model.quotes.take(model.now, generation, said).into_iter().collect();
    if news.is_empty() {
        return;
    }
    let Some(open) = model.data.open.as_mut().map(OpenBook::change) else { return };
    for trade in open.iter_mut().filter(|trade| news.contains(&trade.id)) {
        if let Some(price) = model.quotes.of(trade.id) {
            freshen(trade, price);
        }
    }
}

/// Rows came anew, with the prices that are stored: the live ones are newer.
pub(super) fn freshen_all(model: &mut Model) {
    let Some(open) = model.data.open.as_mut().map(OpenBook::change) else { return };
    for trade in open.iter_mut() {
        if let Some(price) = model.quotes.of(trade.id) {
            freshen(trade, price);
        }
    }
    let rows: HashSet<TradeId> = open.iter().map(|trade| trade.id).collect();
    model.quotes.keep(|id| rows.contains(&id));
}

/// The same for one row.
pub(super) fn freshen_one(model: &mut Model, id: TradeId) {
    let Some(price) = model.quotes.of(id) else { return };
    let rows = model.data.open.as_mut().map(OpenBook::change);
    if let Some(trade) = rows.and_then(|rows| rows.iter_mut().find(|trade| trade.id == id)) {
        freshen(trade, price);
    }
}

pub(super) fn answered(model: &mut Model, call: &LookCall, answer: LookAnswer) {
    match answer {
        LookAnswer::Series(series) => {
            if let Some(looked) = model.looked.get_mut(&series.trade_id) {
                (looked.series, looked.trouble) = (Some(series), None);
            }
        }
        LookAnswer::Context(context) => {
            for overlay in &mut model.overlays {
                if let Overlay::Story(story) = overlay
                    && story.trade == context.trade_id
                {
                    story.context = Some((*context).clone());
                }
                if let Overlay::Form(form) = overlay
                    && form.purpose == Purpose::Adjust(context.trade_id)
                {
                    form.initial_stop = context.initial_stop;
                }
            }
            if let Some(looked) = model.looked.get_mut(&context.trade_id) {
                looked.context = Some(*context);
            }
        }
        LookAnswer::Spread(spread) => {
            if let LookCall::Spread(query) = call {
                model.performance.take_spread(*query, *spread);
            }
        }
        LookAnswer::Expirations(_) | LookAnswer::Chain(_) => super::chain::came(model, call, answer),
    }
}

pub(super) fn failed(model: &mut Model, call: &LookCall, error: &CallError) {
    match call {
        LookCall::Series { trade, .. } => {
            if let Some(looked) = model.looked.get_mut(trade) {
                looked.trouble = Some(error.to_string());
            }
        }
        // The facts of it are simply not there.
        LookCall::Context(_) => {}
        LookCall::Spread(query) => model.performance.spread_refused(*query, error),
        LookCall::Expirations { .. } | LookCall::Chain { .. } => super::chain::failed(model, call, error),
    }
}
