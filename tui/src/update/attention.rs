//! What is heard, and when: a sound for each end of a trade, one for a position that lost its stop, and
//! one for an alarm that repeats until somebody has seen it. Whatever is heard is also said on the screen.
//!
//! Nothing is heard for what is merely loaded: only for what happens while this client looks on.
//!
//! **A stop or a target that is hit.** The daemon may tell its end in two looks at the broker: the bracket is gone, and the
//! position is still counted; then the position is gone, too. Between the two the trade is held and bare, and a loss that
//! is heard then is not what happened. So a position that was covered and is bare is said and heard only when it is still
//! bare after [`GRACE`]. That is less than a second, and nobody who is truly naked is told later; an end whose second look
//! takes longer is heard as the daemon tells it. Row and header say `NO STOP` at once. A position that was bare
//! before, on its way to a bracket that failed, is heard at once, and an alarm of the daemon waits for nothing.

use std::time::Duration;

use blotter_shared::domain::{CloseReason, Severity, Step, TradeId};
use blotter_shared::protocol::alarms::Alarm;
use blotter_shared::protocol::trades::Trade;

use crate::effect::Effect;
use crate::figures::{Cover, cover};
use crate::format;
use crate::model::Model;
use crate::overlays::notices::Level;
use crate::sound::Sound;
use crate::update::orders::shown;
use crate::widgets::text;

/// Between two rings of an alarm that nobody has seen.
pub const REPEAT: Duration = Duration::from_secs(30);
/// The same sound twice in this time is heard once: a bracket that fails raises an alarm in the same breath. But news
/// never silence money at risk, and no sound silences another one.
const BREATH: Duration = Duration::from_secs(1);

/// How long a position that was covered may be bare before it is said: never as long as a second.
const GRACE: Duration = Duration::from_millis(900);

/// What was heard: of each sound the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pop: Option<(Duration, Weight)>,
    profit: Option<(Duration, Weight)>,
    loss: Option<(Duration, Weight)>,
    /// When an alarm that nobody has seen is heard again.
    pub repeat_at: Option<Duration>,
    /// Positions that have just lost their stop, and when that is said.
    bare: Vec<(TradeId, Duration)>,
}

impl Heard {
    /// When something is heard by the mere passing of time.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.bare.iter().map(|(_, at)| *at).chain(self.repeat_at).min()
    }

    fn forget(&mut self, id: TradeId) {
        self.bare.retain(|(known, _)| *known != id);
    }

    fn last(&mut self, sound: Sound) -> &mut Option<(Duration, Weight)> {
        match sound {
            Sound::Pop => &mut self.pop,
            Sound::Profit => &mut self.profit,
            Sound::Loss => &mut self.loss,
        }
    }
}

/// Whether a sound may break the quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    News,
    MoneyAtRisk,
}

/// A trade that is on the screen has changed.
pub(super) fn trade_changed(model: &mut Model, was: Option<&Trade>, now: &Trade) -> Vec<Effect> {
    let Some(was) = was else { return vec![] };
    if !is_lost(now) {
        model.heard.forget(now.id);
    }
    if now.status.is_terminal() && !was.status.is_terminal() {
        return trade_ended(model, now);
    }
    // Without a command of anybody's: what was asked for is given up for the last that was good.
    if now.version == was.version && (now.sl_price, now.tp_price) != (was.sl_price, was.tp_price) {
        change_dropped(model, now);
    }
    if !is_lost(now) || is_lost(was) {
        return vec![];
    }
    if is_bare(was) {
        // What was planned and failed is lost as well, although the stop was gone before.
        return stop_lost(model, now);
    }
    model.heard.forget(now.id);
    model.heard.bare.push((now.id, model.now.since_start + GRACE));
    vec![]
}

fn is_lost(trade: &Trade) -> bool {
    !trade.status.is_terminal() && is_bare(trade) && !is_planned(trade)
}

fn stop_lost(model: &mut Model, trade: &Trade) -> Vec<Effect> {
    let words = format!("{} has no stop that is known to work", name(trade));
    model.notices.say(model.now, Level::Warn, words.clone());
    ring(model, Sound::Loss, words, Weight::MoneyAtRisk)
}

fn change_dropped(model: &mut Model, trade: &Trade) {
    let (stop, target) = (shown(trade.sl_price), shown(trade.tp_price));
    let words = format!("{}: new bracket dropped: stop {stop}, target {target}", name(trade));
    model.notices.say(model.now, Level::Warn, words);
}

/// Says what is bare for longer than it takes to tell of an end.
fn still_bare(model: &mut Model) -> Vec<Effect> {
    let now = model.now.since_start;
    let due: Vec<TradeId> = model.heard.bare.iter().filter(|(_, at)| *at <= now).map(|(id, _)| *id).collect();
    let mut effects = Vec::new();
    for id in due {
        model.heard.forget(id);
        // One that is on no list any more has ended while nobody told of it.
        let trade = model.open_trades().iter().find(|trade| trade.id == id && is_lost(trade)).cloned();
        effects.extend(trade.iter().flat_map(|trade| stop_lost(model, trade)));
    }
    effects
}

fn is_bare(trade: &Trade) -> bool {
    match cover(trade) {
        Cover::NoStop | Cover::Unverified => true,
        Cover::Nothing | Cover::Stop => false,
    }
}

/// Between two brackets, or before the first one, a position is without a stop for a moment, as it was wanted.
/// What goes wrong then is another step, and heard.
fn is_planned(trade: &Trade) -> bool {
    match trade.step {
        None | Some(Step::BracketAgain | Step::CloseAtOpen) => false,
        Some(Step::EntryNext | Step::EntrySent | Step::EntryWorks | Step::EntryLeaves | Step::FirstBracket) => true,
        Some(Step::BracketNext | Step::BracketLeaves | Step::BracketComes) => true,
        Some(Step::PartNext | Step::PartBracketLeaves | Step::PartSells | Step::PartBracketComes) => true,
        Some(Step::CloseEntryLeaves | Step::CloseBracketNext | Step::CloseBracketLeaves) => true,
        Some(Step::CloseCounts | Step::CloseSells | Step::CloseConfirms) => true,
    }
}

fn trade_ended(model: &mut Model, trade: &Trade) -> Vec<Effect> {
    let Some(reason) = trade.close.as_ref().and_then(|close| close.reason) else {
        // It ended without a position: nothing was won or lost.
        model.notices.say(model.now, Level::Info, format!("{} is {}", name(trade), trade.status));
        return vec![];
    };
    let (sound, level, what) = match reason {
        CloseReason::TargetHit => (Sound::Profit, Level::Info, "target hit"),
        CloseReason::StopHit => (Sound::Loss, Level::Info, "stop hit"),
        CloseReason::Manual => (Sound::Pop, Level::Info, "closed"),
        CloseReason::Expired => (Sound::Pop, Level::Info, "expired"),
        CloseReason::ExpiredUnconfirmed => (Sound::Pop, Level::Warn, "expired, not confirmed"),
        CloseReason::Exercised => (Sound::Pop, Level::Warn, "exercised"),
        CloseReason::External => (Sound::Pop, Level::Warn, "closed by somebody else"),
        CloseReason::ExternalUnexplained => (Sound::Loss, Level::Warn, "is gone, and nothing explains it"),
        CloseReason::Emergency => (Sound::Loss, Level::Warn, "closed because it could not be protected"),
        CloseReason::SandboxReset => (Sound::Pop, Level::Warn, "is gone: the sandbox was wiped"),
    };
    let result = trade.close.as_ref().and_then(|close| close.realized_pnl);
    let result = result.map_or_else(String::new, |cash| format!("  {}", format::trend(cash.0)));
    let words = format!("{} {what}{result}", name(trade));
    model.notices.say(model.now, level, words.clone());
    ring(model, sound, words, Weight::News)
}

fn name(trade: &Trade) -> String {
    let contract = &trade.contract;
    format!(
        "{} {} {} ×{}",
        text::clean(&trade.ticker),
        contract.strike.normalize(),
        contract.option_type.letter(),
        trade.qty
    )
}

/// An alarm came, or changed.
pub(super) fn alarm_came(model: &mut Model, is_new: bool, alarm: &Alarm) -> Vec<Effect> {
    if !is_new || alarm.cleared_at.is_some() || alarm.acked_at.is_some() {
        return vec![];
    }
    let level = match alarm.severity {
        Severity::Notice => Level::Info,
        Severity::Warning | Severity::Page => Level::Warn,
    };
    model.notices.say(model.now, level, alarm.message.clone());
    match alarm.severity {
        Severity::Notice => vec![],
        Severity::Warning => ring(model, Sound::Loss, alarm.message.clone(), Weight::News),
        Severity::Page => ring(model, Sound::Loss, alarm.message.clone(), Weight::MoneyAtRisk),
    }
}

/// What is heard because time passed.
pub(super) fn on_time(model: &mut Model) -> Vec<Effect> {
    let mut effects = still_bare(model);
    effects.extend(again(model));
    effects
}

/// Rings again for what nobody has seen, and stops once somebody has.
fn again(model: &mut Model) -> Vec<Effect> {
    let unseen = |alarm: &&Alarm| alarm.severity == Severity::Page && alarm.acked_at.is_none();
    let Some(message) = model.data.alarms.iter().find(unseen).map(|alarm| alarm.message.clone()) else {
        model.heard.repeat_at = None;
        return vec![];
    };
    let now = model.now.since_start;
    match model.heard.repeat_at {
        Some(at) if now < at => vec![],
        None => {
            model.heard.repeat_at = Some(now + REPEAT);
            vec![]
        }
        Some(_) => {
            model.heard.repeat_at = Some(now + REPEAT);
            ring(model, Sound::Loss, message, Weight::MoneyAtRisk)
        }
    }
}

fn ring(model: &mut Model, sound: Sound, text: String, weight: Weight) -> Vec<Effect> {
    let is_quiet = model.surroundings.quiet.is_some_and(|quiet| quiet.holds(model.now.wall));
    if is_quiet && weight == Weight::News {
        return vec![];
    }
    let now = model.now.since_start;
    let is_same_breath =
        |(last, of): (Duration, Weight)| now < last + BREATH && (weight == Weight::News || of == Weight::MoneyAtRisk);
    let last = model.heard.last(sound);
    if last.is_some_and(is_same_breath) {
        return vec![];
    }
    *last = Some((now, weight));
    vec![Effect::Ring { sound, text }]
}
