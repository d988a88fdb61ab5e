//! The machine: its memory, its step, and its answers to questions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::account::{Account, Opening};
use super::agenda::{Agenda, Due};
use super::feed::{Feed, Touch};
use super::ids::{AccountId, OrderId, Symbol};
use super::ledger::{Fact, Ledger};
use super::notices::Notice;
use super::order::{Duration, Order, Role, Status};
use super::refusal::Refusal;
use super::settings::{Range, Settings, World};
use crate::calendar::{self, Phase, Session};
use crate::rng::Stream;
use crate::time::Ms;

/// The broker as a machine. See the [module](super).
pub struct Engine {
    pub(super) book: Book,
    pub(super) feed: Box<dyn Feed>,
    /// Size already taken from the touch at `taken_at`, by symbol and direction.
    pub(super) taken: BTreeMap<(Symbol, bool), i64>,
    pub(super) taken_at: Ms,
}

/// All memory of the machine: what a state file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Book {
    pub(super) settings: Settings,
    pub(super) now: Ms,
    pub(super) day: Day,
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) orders: BTreeMap<OrderId, Order>,
    /// Reviewed orders that may meet the market; packages are here by their parent.
    pub(super) working: BTreeSet<OrderId>,
    /// Every order that is not final.
    pub(super) live: BTreeSet<OrderId>,
    pub(super) agenda: Agenda,
    pub(super) ledger: Ledger,
    pub(super) notices: VecDeque<Notice>,
    pub(super) chance: Chance,
    pub(super) next_order: i64,
}

/// The streams of chance, one for each use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chance {
    pub(super) accept: Stream,
    pub(super) reject: Stream,
    pub(super) cancel: Stream,
    pub(super) sibling: Stream,
    pub(super) activate: Stream,
    pub(super) price: Stream,
    pub(super) position: Stream,
    pub(super) number: Stream,
}

/// The day in New York that `now` lies on, and how far its boundaries were passed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Day {
    date: NaiveDate,
    passed: Ms,
    #[serde(skip)]
    session: Option<Session>,
    #[serde(skip)]
    bounds: Option<[(Ms, Bound); 6]>,
}

/// A moment of the day at which something is done for all orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bound {
    Premarket,
    Open,
    Close,
    Settle,
    End,
    Midnight,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("now", &self.book.now)
            .field("orders", &self.book.orders.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// A broker without accounts at `start`.
    #[must_use]
    pub fn new(settings: Settings, feed: Box<dyn Feed>, seed: u64, start: Ms) -> Self {
        let stream = |class| Stream::new(seed, class);
        let book = Book {
            next_order: settings.first_order_id,
            day: Day::at(start, settings.settle_hour),
            settings,
            now: start,
            accounts: BTreeMap::new(),
            orders: BTreeMap::new(),
            working: BTreeSet::new(),
            live: BTreeSet::new(),
            agenda: Agenda::default(),
            ledger: Ledger::default(),
            notices: VecDeque::new(),
            chance: Chance {
                accept: stream("accept"),
                reject: stream("reject"),
                cancel: stream("cancel"),
                sibling: stream("sibling"),
                activate: stream("activate"),
                price: stream("price"),
                position: stream("position"),
                number: stream("number"),
            },
        };
        Self::resume(book, feed)
    }

    /// A broker that goes on where a [`Book`] stopped.
    #[must_use]
    pub fn resume(mut book: Book, feed: Box<dyn Feed>) -> Self {
        book.day.refresh(book.settings.settle_hour);
        book.ledger.resume();
        Self { book, feed, taken: BTreeMap::new(), taken_at: Ms(0) }
    }

    /// All memory, to be written down.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Opens an account; an account of that number that exists already stays as it is.
    pub fn open_account(&mut self, opening: Opening) {
        self.book.accounts.entry(opening.number.clone()).or_insert_with(|| Account::open(opening));
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Ms {
        self.book.now
    }

    /// The knobs.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.book.settings
    }

    /// The knobs, to be turned.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.book.settings
    }

    /// The ledger so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.book.ledger
    }

    /// Writes a fact that happened outside the engine, such as a request.
    pub fn note(&mut self, fact: Fact) {
        self.book.ledger.push(self.book.now, fact);
    }

    /// The source of prices.
    pub fn feed(&mut self) -> &mut dyn Feed {
        self.feed.as_mut()
    }

    /// The accounts, by number.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.book.accounts.values()
    }

    /// One account.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] when there is no such account.
    pub fn account(&self, id: &AccountId) -> Result<&Account, Refusal> {
        self.book.accounts.get(id).ok_or_else(|| Refusal::Unauthorized(id.clone()))
    }

    /// One order or leg of an account, however old.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] when the account has no such order.
    pub fn order(&self, account: &AccountId, id: OrderId) -> Result<&Order, Refusal> {
        let found = self.book.orders.get(&id).filter(|o| o.account == *account);
        found.ok_or_else(|| Refusal::Unauthorized(account.clone()))
    }

    /// One order or leg, whoever's it is.
    #[must_use]
    pub fn any_order(&self, id: OrderId) -> Option<&Order> {
        self.book.orders.get(&id)
    }

    /// Every order and leg there ever was, by number.
    pub fn all_orders(&self) -> impl Iterator<Item = &Order> {
        self.book.orders.values()
    }

    /// The orders that the account's list shows now: those of this calendar day in New York, those that still work, and
    /// those that ended today. Legs are reached through their parents.
    pub fn orders<'a>(&'a self, account: &'a AccountId) -> impl Iterator<Item = &'a Order> {
        let today = self.book.day.start();
        let now = self.book.now;
        self.book.orders.values().filter(move |o| {
            o.account == *account
                && o.parent().is_none()
                && now >= o.inner.hidden_until
                && (o.created >= today || !o.status.is_final() || o.changed >= today)
        })
    }

    /// The market in a symbol as the account's world sees it: late in the sandbox.
    pub fn touch(&mut self, world: World, symbol: &Symbol) -> Option<Touch> {
        let at = world.view(self.book.now);
        self.feed.touch(symbol, at)
    }

    /// Moves time forward to `target`, doing everything that falls due on the way. Time never goes back.
    pub fn advance_to(&mut self, target: Ms) {
        self.run_due();
        while self.book.now < target {
            self.book.now = self.next_wake(target);
            self.pass_bounds();
            self.run_due();
            if self.book.now.0 % self.book.settings.step_ms.max(1) == 0 {
                self.match_working();
            }
        }
    }

    fn next_wake(&self, target: Ms) -> Ms {
        let now = self.book.now;
        let step = self.book.settings.step_ms.max(1);
        let matching = !self.book.working.is_empty() && self.phase() != Phase::Closed;
        let next_step = matching.then(|| Ms((now.0 / step + 1) * step));
        let next = [self.book.agenda.next_at(), self.book.day.next_bound().map(|(at, _)| at), next_step];
        next.into_iter().flatten().fold(target, Ord::min).max(now)
    }

    /// Does everything that is due by now.
    pub(super) fn run_due(&mut self) {
        while let Some(due) = self.book.agenda.pop(self.book.now) {
            match due {
                Due::Review(id) => self.review(id),
                Due::Reject(id) => self.show_rejection(id),
                Due::Cancel(id) => self.cancel_takes_effect(id),
                Due::Sibling { parent, keep } => self.cancel_siblings(parent, keep),
                Due::Parent(id) => self.settle_parent(id),
                Due::Activate(id) => self.activate(id),
                Due::Reveal(id) => self.notify(id),
            }
        }
    }

    fn pass_bounds(&mut self) {
        while let Some((at, bound)) = self.book.day.next_bound().filter(|(at, _)| *at <= self.book.now) {
            self.book.day.passed = at;
            match bound {
                Bound::Premarket => self.extended_opens(Duration::Pre),
                Bound::End => self.expire(|o| o.duration == Duration::Post),
                Bound::Open => self.session_opens(),
                Bound::Close => {
                    self.session_closes();
                    self.extended_opens(Duration::Post);
                }
                Bound::Settle => self.settle_expired(),
                Bound::Midnight => {
                    self.book.day = Day::at(at, self.book.settings.settle_hour);
                    self.new_day();
                }
            }
        }
    }

    fn new_day(&mut self) {
        for account in self.book.accounts.values_mut() {
            account.closed_today = rust_decimal::Decimal::ZERO;
        }
    }

    /// The phase of the market now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.book.day.session.map_or(Phase::Closed, |s| s.phase(self.book.now))
    }

    /// A moment `range` from now, drawn from one stream of chance.
    pub(super) fn later(&mut self, range: Range, pick: fn(&mut Chance) -> &mut Stream) -> Ms {
        let wait = pick(&mut self.book.chance).range(range.0.max(0), range.1.max(0));
        self.book.now.plus(wait)
    }

    /// Gives an order a status, in the ledger and on the stream.
    pub(super) fn set_status(&mut self, id: OrderId, to: Status, reason: Option<String>) {
        let now = self.book.now;
        let Some(order) = self.book.orders.get_mut(&id) else { return };
        let from = order.status;
        if from == to || from.is_final() {
            return;
        }
        order.status = to;
        order.changed = now;
        if let Some(text) = &reason {
            order.reason = Some(text.clone());
        }
        if to.is_final() {
            self.book.working.remove(&id);
            self.book.live.remove(&id);
        }
        self.book.ledger.push(now, Fact::Status { order: id, from, to, reason });
        self.notify(id);
    }

    /// The order, or the parent of the group that it is a leg of.
    pub(super) fn head(&self, id: OrderId) -> OrderId {
        self.book.orders.get(&id).and_then(Order::parent).unwrap_or(id)
    }

    /// The legs of a parent, in order; the order itself when it has none.
    pub(super) fn members(&self, id: OrderId) -> Vec<OrderId> {
        match self.book.orders.get(&id) {
            Some(order) if order.role == Role::Parent => order.legs.clone(),
            Some(_) => vec![id],
            None => Vec::new(),
        }
    }
}

impl World {
    /// The moment whose prices this world shows at `now`.
    #[must_use]
    pub fn view(self, now: Ms) -> Ms {
        match self {
            Self::Live => now,
            Self::Sandbox => now.plus(-super::SANDBOX_DELAY_MS),
        }
    }
}

impl Day {
    fn at(now: Ms, settle_hour: u32) -> Self {
        let mut day = Self { date: now.date(), passed: now, session: None, bounds: None };
        day.refresh(settle_hour);
        day
    }

    fn refresh(&mut self, settle_hour: u32) {
        self.session = calendar::session(self.date);
        let midnight = (Ms::at_et(calendar::next_day(self.date), 0, 0), Bound::Midnight);
        self.bounds = Some(self.session.map_or([midnight; 6], |s| {
            let settle = Ms::at_et(self.date, settle_hour.min(23), 0).max(s.close);
            let mut all = [
                (s.premarket, Bound::Premarket),
                (s.open, Bound::Open),
                (s.close, Bound::Close),
                (settle, Bound::Settle),
                (s.end, Bound::End),
                midnight,
            ];
            all.sort_by_key(|(at, _)| *at);
            all
        }));
    }

    /// The first boundary that was not passed yet.
    fn next_bound(&self) -> Option<(Ms, Bound)> {
        self.bounds.as_ref()?.iter().copied().find(|(at, _)| *at > self.passed)
    }

    fn start(&self) -> Ms {
        Ms::at_et(self.date, 0, 0)
    }
}
