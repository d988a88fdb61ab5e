//! What the other panes are made of: the closed trades, what they add up to, the figures. Each is asked for
//! on its own once the positions are there, nothing waits for it, and after a failure that may pass it is
//! asked for again, later each time.
//!
//! The daemon adds up a long history in steps, and a question that its deadline cuts off has brought it some
//! steps further: asking again is what makes the figures come.

use std::time::Duration;

use super::answers::note_old;
use crate::client::calls::{Call, CallError, HistoryQuery};
use crate::client::session::spread;
use crate::clock::Now;
use crate::effect::Effect;
use crate::model::Model;
use crate::panes::Pane;

/// Something that is asked for on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// The newest closed trades, which the day's result is made of.
    Newest,
    /// The page that the History pane shows.
    History,
    Totals,
    Performance,
}

impl Errand {
    pub const ALL: [Self; 4] = [Self::Newest, Self::History, Self::Totals, Self::Performance];
}

/// How each of them stands.
#[derive(Clone, Debug, Default)]
pub struct Errands {
    newest: Progress,
    history: Progress,
    totals: Progress,
    performance: Progress,
}

/// How one of them stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What was asked last and is not answered yet.
    asked: Option<Call>,
    failures: u32,
    /// Why the last question failed.
    trouble: Option<String>,
    retry_at: Option<Duration>,
}

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

impl Errands {
    #[must_use]
    pub fn of(&self, errand: Errand) -> &Progress {
        match errand {
            Errand::Newest => &self.newest,
            Errand::History => &self.history,
            Errand::Totals => &self.totals,
            Errand::Performance => &self.performance,
        }
    }

    fn of_mut(&mut self, errand: Errand) -> &mut Progress {
        match errand {
            Errand::Newest => &mut self.newest,
            Errand::History => &mut self.history,
            Errand::Totals => &mut self.totals,
            Errand::Performance => &mut self.performance,
        }
    }

    /// Whether any of them is being asked for.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        Errand::ALL.iter().any(|errand| self.of(*errand).asked.is_some())
    }
}

impl Progress {
    /// Why it is not there, once a question for it has failed.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Whether it comes, or is asked for again, without anybody doing anything.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.asked.is_some() || self.retry_at.is_some()
    }

    fn fail(&mut self, now: Now, error: &CallError, random: u64) {
        self.asked = None;
        self.failures = self.failures.saturating_add(1);
        self.trouble = Some(error.to_string());
        let pause = spread(self.failures, (FIRST_RETRY, LAST_RETRY), random);
        let pause = pause.max(error.retry_after().unwrap_or_default());
        self.retry_at = error.may_pass().then(|| now.since_start + pause);
    }
}

/// Asks for all of them, as after every load; one whose answer is on its way is not asked twice.
pub(super) fn all(model: &Model) -> Vec<Effect> {
    let calls = Errand::ALL.iter().filter_map(|errand| Some((errand, call(model, *errand)?)));
    let unasked = calls.filter(|(errand, call)| model.errands.of(**errand).asked.as_ref() != Some(call));
    unasked.map(|(_, call)| Effect::Call(call)).collect()
}

/// What is due because time passed. While the daemon is away nothing is: whoever comes back loads everything.
pub(super) fn due(model: &mut Model) -> Vec<Effect> {
    if model.is_cut_off() {
        return vec![];
    }
    let mut effects = Vec::new();
    for errand in Errand::ALL {
        let now = model.now.since_start;
        let progress = model.errands.of_mut(errand);
        if progress.retry_at.is_some_and(|at| now >= at) {
            progress.retry_at = None;
            effects.extend(call(model, errand).map(Effect::Call));
        }
    }
    effects
}

/// When [`due`] would ask for something.
#[must_use]
pub fn next_wake(model: &Model) -> Option<Duration> {
    if model.is_cut_off() {
        return None;
    }
    Errand::ALL.iter().filter_map(|errand| model.errands.of(*errand).retry_at).min()
}

/// Remembers which of these effects are errands, whoever asked.
pub(super) fn note_asked(model: &mut Model, effects: &[Effect]) {
    for effect in effects {
        let Effect::Call(call) = effect else { continue };
        let Some(errand) = errand_of(model, call) else { continue };
        let progress = model.errands.of_mut(errand);
        progress.asked = Some(call.clone());
        progress.retry_at = None;
    }
}

/// An answer came, or did not. One to an older question says nothing about the one that was asked since.
pub(super) fn answered(model: &mut Model, call: &Call, error: Option<&CallError>) {
    let Some(errand) = Errand::ALL.into_iter().find(|errand| model.errands.of(*errand).asked.as_ref() == Some(call))
    else {
        return;
    };
    let Some(error) = error else {
        *model.errands.of_mut(errand) = Progress::default();
        return;
    };
    let (now, random) = (model.now, model.random());
    let progress = model.errands.of_mut(errand);
    progress.fail(now, error, random);
    if progress.failures == 1 && progress.retry_at.is_some() {
        note_old(model, errand, error);
    }
}

/// What asks for it now; nothing while nobody looks.
fn call(model: &Model, errand: Errand) -> Option<Call> {
    let history = model.history.refresh();
    let newest = newest(model);
    match errand {
        // The day's result is made of the newest, whatever the pane shows.
        Errand::Newest => (newest != history).then_some(Call::History(newest)),
        Errand::History => Some(Call::History(history)),
        Errand::Totals => Some(Call::Totals(model.history.query().totals())),
        Errand::Performance => {
            let is_wanted = model.pane == Pane::Performance || model.performance.data.is_some();
            is_wanted.then(|| Call::Performance(model.performance.query()))
        }
    }
}

fn newest(model: &Model) -> HistoryQuery {
    HistoryQuery { mode: model.history.mode, ..HistoryQuery::default() }
}

/// Which errand a question is; a page beyond what is held is none, because moving asks for it again.
fn errand_of(model: &Model, call: &Call) -> Option<Errand> {
    match call {
        Call::History(query) if *query == model.history.refresh() => Some(Errand::History),
        Call::History(query) => (*query == newest(model)).then_some(Errand::Newest),
        Call::Totals(_) => Some(Errand::Totals),
        Call::Performance(_) => Some(Errand::Performance),
        Call::Version | Call::Health | Call::Market | Call::Settings | Call::OpenTrades | Call::Trade(_) => None,
        Call::Look(_) | Call::Alarms | Call::Accounts | Call::Tasks | Call::SyncStatus { .. } => None,
        Call::Sync { .. } | Call::PutSettings { .. } | Call::PutToken { .. } | Call::RemoveToken { .. } => None,
        Call::Order(_) => None,
    }
}
