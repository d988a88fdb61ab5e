//! What the client knows. Changed by [`crate::update`] alone, drawn by [`crate::view`] alone.

use std::collections::HashMap;
use std::time::Duration;

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::accounts::AccountReport;
use blotter_shared::protocol::alarms::Alarm;
use blotter_shared::protocol::context::TradeContext;
use blotter_shared::protocol::health::{Health, Version};
use blotter_shared::protocol::market::Market;
use blotter_shared::protocol::prices::Series;
use blotter_shared::protocol::settings::Settings;
use blotter_shared::protocol::sync::SyncStatus;
use blotter_shared::protocol::timeline::Moment;
use blotter_shared::protocol::trades::{Trade, TradeList};
use chrono::{DateTime, Utc};

use crate::client::calls::HistoryQuery;
use crate::client::session::{Link, Session, TimedRefresh, split_mix};
use crate::clock::Now;
use crate::figures::Counts;
use crate::flash::Flashes;
use crate::input::keymap::Keymap;
use crate::open_book::OpenBook;
use crate::overlays::Overlay;
use crate::overlays::notices::Notices;
use crate::panes::Pane;
use crate::panes::history::model::HistoryPane;
use crate::panes::open::model::OpenPane;
use crate::panes::performance::model::PerformancePane;
use crate::pending::Pending;
use crate::quotes::Quotes;
use crate::sound::QuietHours;
use crate::theme::glyphs::Glyphs;
use crate::theme::{Background, ColorDepth, Theme};
use crate::update::errands::Errands;
use crate::update::{attention, chain, errands, looks};

/// What does not change while the client runs.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub depth: ColorDepth,
    pub glyphs: Glyphs,
    pub motion: Motion,
    pub quiet: Option<QuietHours>,
    /// The theme follows the terminal's background.
    pub theme_follows: bool,
    pub access: Access,
    pub shows_title: bool,
    pub version: &'static str,
}

/// Whether anything may move by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    Full,
    Still,
}

/// Whether this client may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Full,
    ReadOnly,
}

/// What the daemon said, and when.
#[derive(Clone, Debug, Default)]
pub struct Data {
    pub version: Option<Version>,
    pub health: Option<Heard<Health>>,
    pub market: Option<Heard<Market>>,
    pub settings: Option<Settings>,
    pub open: Option<OpenBook>,
    /// Absent until they were told: a day without its closed trades is no day's result.
    pub recent: Option<Recent>,
    pub alarms: Vec<Alarm>,
    /// The accounts that a token is stored for.
    pub accounts: Vec<AccountReport>,
    /// When they were told.
    pub accounts_at: Option<Duration>,
    pub sync: Option<SyncStatus>,
    /// The change-feed sequence that all of this is at least as new as.
    pub seq: Option<i64>,
}

/// The newest closed trades, whatever the History pane shows: the day's result is made of them.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    pub trades: Vec<Trade>,
    /// The daemon has older ones.
    pub has_more: bool,
}

impl Recent {
    /// What the first page of everything tells; another page says nothing about the newest.
    #[must_use]
    pub fn of(query: &HistoryQuery, page: &TradeList) -> Option<Self> {
        let filter = HistoryQuery { mode: None, ..query.clone() };
        let is_first = filter == HistoryQuery::default();
        is_first.then(|| Self { trades: page.items.clone(), has_more: page.next_cursor.is_some() })
    }

    /// A trade was pushed.
    pub fn note(&mut self, trade: &Trade) {
        self.trades.retain(|known| known.id != trade.id);
        if trade.status.is_terminal() {
            self.trades.insert(0, trade.clone());
        }
    }
}

/// An answer with the moment it came.
#[derive(Clone, Debug)]
pub struct Heard<T> {
    pub value: T,
    pub at: Now,
}

/// What a trade that is opened up shows beside its row; absent until the daemon has told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    pub series: Option<Series>,
    pub context: Option<TradeContext>,
    pub moments: Option<Vec<Moment>>,
    /// Why the prices did not come.
    pub trouble: Option<String>,
    /// When the recorded prices are asked for again.
    pub refresh_at: Option<Duration>,
}

/// The whole client.
#[derive(Clone, Debug)]
pub struct Model {
    pub now: Now,
    pub width: u16,
    pub height: u16,
    pub surroundings: Surroundings,
    pub theme: Theme,
    pub keymap: Keymap,
    pub session: Session,
    /// Counts event streams, so that the last words of an old one are not taken for the new one's.
    pub generation: u64,
    pub data: Data,
    pub quotes: Quotes,
    /// What is known of the trades that are opened up.
    pub looked: HashMap<TradeId, Looked>,
    pub pane: Pane,
    pub open: OpenPane,
    pub history: HistoryPane,
    pub performance: PerformancePane,
    pub overlays: Vec<Overlay>,
    pub notices: Notices,
    pub timed_refresh: TimedRefresh,
    /// Actions of this client that have not been answered.
    pub in_flight: u32,
    /// Those of them that rows show.
    pub pending: Pending,
    pub heard: attention::Heard,
    /// Rows that have just changed.
    pub flashes: Flashes,
    pub errands: Errands,
    /// Bytes of an export that is under way.
    pub exporting: Option<u64>,
    /// A load of everything is under way.
    pub is_loading: bool,
    /// Everything is to be loaded again then: a conflict was met a moment ago.
    pub reload_at: Option<Duration>,
    random: u64,
}

impl Model {
    /// A client that has just started; `seed` is its only randomness.
    #[must_use]
    pub fn new(now: Now, size: (u16, u16), parts: Parts, seed: u64) -> Self {
        let mut session = Session::new(parts.refresh, seed);
        session.set_timed_refresh(now, TimedRefresh::On);
        Self {
            now,
            width: size.0,
            height: size.1,
            surroundings: parts.surroundings,
            theme: parts.theme,
            keymap: parts.keymap,
            session,
            generation: 0,
            data: Data::default(),
            quotes: Quotes::default(),
            looked: HashMap::new(),
            pane: Pane::Open,
            open: OpenPane::default(),
            history: HistoryPane::default(),
            performance: PerformancePane::default(),
            overlays: Vec::new(),
            notices: Notices::default(),
            timed_refresh: TimedRefresh::On,
            in_flight: 0,
            pending: Pending::default(),
            heard: attention::Heard::default(),
            flashes: Flashes::default(),
            errands: Errands::default(),
            exporting: None,
            is_loading: false,
            reload_at: None,
            random: seed ^ 0x5bd1_e995,
        }
    }

    /// The next random number.
    pub fn random(&mut self) -> u64 {
        split_mix(&mut self.random)
    }

    /// A new UUIDv7 of this moment.
    pub fn new_id(&mut self) -> uuid::Uuid {
        let millis = u64::try_from(self.now.wall.timestamp_millis()).unwrap_or(0);
        let mut bytes = [0; 10];
        for (byte, random) in
            bytes.iter_mut().zip(self.random().to_le_bytes().into_iter().chain(self.random().to_le_bytes()))
        {
            *byte = random;
        }
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    /// Trading time now: the market's clock carried on, or this machine's until it is known.
    #[must_use]
    pub fn trading_now(&self) -> DateTime<Utc> {
        match &self.data.market {
            Some(heard) => {
                let passed = chrono::Duration::from_std(self.now.since(heard.at.since_start)).unwrap_or_default();
                heard.value.now + passed
            }
            None => self.now.wall,
        }
    }

    /// A moment of this machine's clock as the daemon's: the two differ where the daemon lives in another time.
    #[must_use]
    pub fn as_told(&self, wall: DateTime<Utc>) -> DateTime<Utc> {
        self.trading_now() - (self.now.wall - wall)
    }

    /// How long ago the daemon last said anything.
    #[must_use]
    pub fn contact_age(&self) -> Option<Duration> {
        self.session.last_contact().map(|at| self.now.since(at))
    }

    /// Whether what is shown may be out of date.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        match self.session.link() {
            Link::Live => false,
            Link::Connecting => false,
            Link::Stale | Link::Retrying | Link::Refused => true,
        }
    }

    /// The open trades, none while they are not known.
    #[must_use]
    pub fn open_trades(&self) -> &[Trade] {
        self.data.open.as_deref().unwrap_or_default()
    }

    /// What is counted over them.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.data.open.as_ref().map(|open| *open.counts()).unwrap_or_default()
    }

    /// Whether something on the screen turns while it waits.
    #[must_use]
    pub fn is_spinning(&self) -> bool {
        let waits = self.in_flight > 0 || (!self.is_cut_off() && self.counts().is_leaving);
        waits && self.surroundings.motion == Motion::Full
    }

    /// Takes the terminal's background into account, once it is known.
    pub fn adopt_background(&mut self, background: Background) {
        if self.surroundings.theme_follows && self.surroundings.depth != ColorDepth::None {
            let name = match background {
                Background::Dark | Background::Any => "dark",
                Background::Light => "light",
            };
            self.theme = Theme::built_in(name, self.surroundings.depth);
        }
    }
}

/// What a model is made from.
#[derive(Clone, Debug)]
pub struct Parts {
    pub surroundings: Surroundings,
    pub theme: Theme,
    pub keymap: Keymap,
    pub refresh: Duration,
}

/// Length of a spinner's frame.
pub const SPINNER_FRAME: Duration = Duration::from_millis(250);

/// When the screen would change by the mere passing of time.
#[must_use]
pub fn next_wake(model: &Model) -> Option<Duration> {
    let spinner = model.is_spinning().then(|| next_multiple(model.now.since_start, SPINNER_FRAME));
    let candidates = [
        model.session.next_wake(),
        model.reload_at,
        model.heard.next_wake(),
        model.flashes.next_wake(model.now.since_start),
        model.notices.next_end(),
        model.quotes.next_wake(),
        looks::next_wake(model),
        chain::next_wake(model),
        errands::next_wake(model),
        crate::panes::open::marks::next_wake(model),
        spinner,
        Some(model.now.since_start + until_next_minute(model.trading_now())),
        next_age_step(model),
    ];
    candidates.into_iter().flatten().min()
}

/// The age counts from the last contact, and a live stream speaks at least once a heartbeat. While
/// nobody is heard every second counts.
#[must_use]
pub fn age_interval(model: &Model) -> Duration {
    if model.is_cut_off() {
        return Duration::from_secs(1);
    }
    model.session.refresh().max(Duration::from_secs(15)) + Duration::from_secs(5)
}

fn next_age_step(model: &Model) -> Option<Duration> {
    let contact = model.session.last_contact()?;
    Some(contact + crate::format::next_age_change(model.now.since(contact), age_interval(model)))
}

fn until_next_minute(at: DateTime<Utc>) -> Duration {
    let into_minute = u64::try_from(at.timestamp_millis().rem_euclid(60_000)).unwrap_or(0);
    Duration::from_millis(60_000 - into_minute)
}

fn next_multiple(at: Duration, step: Duration) -> Duration {
    let step_ms = step.as_millis().max(1);
    let next = (at.as_millis() / step_ms + 1) * step_ms;
    Duration::from_millis(u64::try_from(next).unwrap_or(u64::MAX))
}
