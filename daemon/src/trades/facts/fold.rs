//! Folding a cut into the book. Monotone: what was executed only grows, what came to an end stays
//! there. Idempotent: of the same cut nothing is taken in again, only that it was looked at counts. It decides nothing
//! about orders.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use blotter_shared::domain::{CloseReason, IntentId, IntentState, TradeId, TradeStatus};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::super::ports::{
    BrokerLeg, BrokerOrder, LegKind, Lookup, OrderId, OrderState, Quote, RefusalKind, Session, Symbol,
};
use super::super::pricing::{Fit, fit};
use super::super::rules::{Rule, Rules};
use super::super::snapshot::Snapshot;
use super::super::tag::{Epoch, Installation, Tag};
use super::super::timing::Timing;
use super::account::{Book, Outage};
use super::evidence::Shown;
use super::intent::{Fill, Intent, LegSeen, Op};
use super::others::Others;
use super::standing::{self, Standing};
use super::trade::{Bracket, Trade};
use super::{absence, derive, evidence, halt};

/// Seconds between two notes that a trade was verified: a quiet book is not written on each pass.
const VERIFIED_STEP: f64 = 14.0;

/// Seconds since a trade was verified after which somebody should have looked again (ruling 1), and that note's step.
const UNSEEN: f64 = 30.0;

/// What a fold looks at besides the facts.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    pub now: DateTime<Utc>,
    pub session: Session,
    /// Of contracts that trade for longer than the exchange.
    pub sessions: &'a BTreeMap<Symbol, Session>,
    pub epoch: Epoch,
    pub installation: Installation,
    pub rules: Rules,
    pub timing: Timing,
    /// The wall clock has not jumped for long enough to measure an absence by it.
    pub steady: bool,
    pub history: &'a BTreeMap<NaiveDate, Vec<BrokerOrder>>,
    /// The last time in which nobody read the account.
    pub outage: Option<Outage>,
}

/// What one cut says about one trade; true for this pass only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub ground: Ground,
    pub position: i64,
    /// Position less what orders of others may still sell.
    pub available: i64,
    /// Orders of ours that this cut shows, and how.
    pub seen: BTreeMap<IntentId, Standing>,
    /// Own orders that work although their intent says that they never were or are gone.
    pub strays: BTreeSet<OrderId>,
    pub quote: Option<Quote>,
    pub cover: u32,
    pub wished: u32,
    /// The hours of this contract.
    pub session: Session,
}

/// How far a cut may be trusted for one trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Both lists say the same about the symbol.
    pub stable: bool,
    /// The list shows every order of ours that is known to be in it.
    pub credible: bool,
    /// Ledger and position agree.
    pub agrees: bool,
}

impl Ground {
    /// Whether an order that the list does not show is worth counting.
    #[must_use]
    pub fn is_clean(self) -> bool {
        self.stable && self.credible
    }
}

/// Orders of one cut, found by tag and by number.
struct Index<'a> {
    by_tag: BTreeMap<&'a str, &'a BrokerOrder>,
    by_id: BTreeMap<OrderId, &'a BrokerOrder>,
    /// Orders that only the first list of the cut shows. No list takes an order back on its day, so what it says of them is
    /// taken in; and they are missed as if nothing had shown them.
    left_out: BTreeSet<OrderId>,
}

impl<'a> Index<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let found = snapshot.lookups.values().filter_map(|lookup| match lookup {
            Lookup::Found(order) => Some(order),
            Lookup::NotFound => None,
        });
        let rest: Vec<_> = snapshot.history.values().flatten().chain(found).chain(&snapshot.orders).collect();
        let known: BTreeSet<OrderId> = rest.iter().map(|order| order.id).collect();
        let first: Vec<_> = snapshot.before.iter().filter(|order| !known.contains(&order.id)).collect();
        let left_out = first.iter().map(|order| order.id).collect();
        let all: Vec<_> = first.into_iter().chain(rest).collect();
        let by_tag = all.iter().filter_map(|order| order.tag.as_deref().map(|tag| (tag, *order))).collect();
        Self { by_tag, by_id: all.iter().map(|order| (order.id, *order)).collect(), left_out }
    }

    /// Whether it is in no list that counts.
    fn misses(&self, intent: &Intent) -> bool {
        self.find(intent).is_none_or(|order| self.left_out.contains(&order.id))
    }

    fn find(&self, intent: &Intent) -> Option<&'a BrokerOrder> {
        let order = intent.order()?;
        let by_id = intent.broker_id.and_then(|id| self.by_id.get(&id));
        by_id.or_else(|| self.by_tag.get(order.tag.as_str())).copied()
    }
}

/// Folds a cut into every trade of the book.
#[must_use]
pub fn fold(book: &mut Book, snapshot: &Snapshot, context: &Context<'_>) -> BTreeMap<TradeId, View> {
    book.account.outage = Outage::after(&book.account, snapshot.at);
    let context = &Context { outage: book.account.outage, ..context.clone() };
    let index = Index::new(snapshot);
    let shown: BTreeSet<OrderId> = snapshot.orders.iter().map(|order| order.id).collect();
    let credible = is_credible(book, &shown, context);
    evidence::account(book, snapshot, context);
    let cut = Cut { index: &index, shown: &shown, credible, books: halt::books(book, snapshot, context) };
    let ids: Vec<TradeId> = book.trades.keys().copied().collect();
    let mut seen = BTreeMap::new();
    for (id, trade) in &mut book.trades {
        seen.insert(*id, observe_all(trade, &cut, context));
    }
    let mut views = BTreeMap::new();
    for id in ids {
        let others = Others::of(book, id);
        let Some((trade, seen)) = book.trades.get_mut(&id).zip(seen.remove(&id)) else { continue };
        views.insert(id, fold_trade(trade, snapshot, Looked { cut, seen, others }, context));
    }
    halt::settle(book, &views, snapshot, context);
    if !halt::shows_nothing_of_what_was_given_up(book, snapshot, context) {
        book.account.seen_at = noted(book.account.seen_at, snapshot.at, context);
    }
    views
}

/// A cut as one trade looks at it.
#[derive(Clone, Copy)]
struct Cut<'a> {
    index: &'a Index<'a>,
    shown: &'a BTreeSet<OrderId>,
    credible: bool,
    books: halt::Books,
}

/// Whether the list shows every order that must be in it: what works, and what was sent today.
fn is_credible(book: &Book, shown: &BTreeSet<OrderId>, context: &Context<'_>) -> bool {
    if !context.rules.has(Rule::SilenceIsNoEvidence) {
        return true;
    }
    let intents = book.trades.values().flat_map(|trade| &trade.intents);
    let earlier: BTreeSet<OrderId> = context.history.values().flatten().map(|order| order.id).collect();
    intents.filter(|intent| intent.missing_reads < context.timing.missing_reads).all(|intent| {
        // A clock that was ahead over midnight took it for one of today, and the list of its day says otherwise.
        let of_earlier = intent.broker_id.is_some_and(|id| earlier.contains(&id));
        let today = intent.sent_on == Some(context.session.date) && !of_earlier;
        let listed = intent.state == IntentState::Working || (today && ended_in_the_list(intent.state));
        let expected = listed && intent.order().is_some();
        !expected || intent.broker_id.is_none_or(|id| shown.contains(&id))
    })
}

/// States that were read off a list of orders; what is lost, absent or void is in none.
fn ended_in_the_list(state: IntentState) -> bool {
    match state {
        IntentState::Filled | IntentState::Canceled | IntentState::Expired | IntentState::Rejected => true,
        IntentState::Prepared
        | IntentState::Sending
        | IntentState::Acked
        | IntentState::Unknown
        | IntentState::Working
        | IntentState::Void
        | IntentState::Absent
        | IntentState::Lost
        | IntentState::Done => false,
    }
}

/// What was seen of one trade before anything is concluded from it.
struct Looked<'a> {
    cut: Cut<'a>,
    seen: BTreeMap<IntentId, Standing>,
    others: Others,
}

/// Takes in the orders of one trade; which of them the list of today shows.
fn observe_all(trade: &mut Trade, cut: &Cut<'_>, context: &Context<'_>) -> BTreeMap<IntentId, Standing> {
    let mut seen = BTreeMap::new();
    for intent in trade.intents.iter_mut().filter(|intent| intent.order().is_some()) {
        settle_own(intent, context);
        if let Some(order) = cut.index.find(intent) {
            observe(intent, order, context);
            if let Some(sent) = intent.order().filter(|_| cut.shown.contains(&order.id)) {
                seen.insert(intent.id, standing::of(sent, order));
            }
        }
    }
    book_fills(trade, context);
    seen
}

fn fold_trade(trade: &mut Trade, snapshot: &Snapshot, looked: Looked<'_>, context: &Context<'_>) -> View {
    let Looked { cut, seen, others } = looked;
    let symbol = trade.spec.symbol.clone();
    let position = snapshot.position(&symbol);
    let stable = snapshot.is_stable(&symbol);
    let own = others.leave(trade, position);
    let ground = Ground { stable, credible: cut.credible, agrees: own == derive::held(trade) };
    let known: BTreeSet<OrderId> = trade.intents.iter().filter_map(|intent| intent.broker_id).collect();
    let working: Vec<_> = snapshot.orders.iter().filter(|order| order.symbol == symbol).collect();
    let waits = halt::waits_for_its_orders(trade, cut.books);
    let holds_nothing = derive::held(trade) == 0;
    for intent in trade.intents.iter_mut().filter(|intent| intent.order().is_some()) {
        if !seen.contains_key(&intent.id) && cut.index.misses(intent) {
            let in_disguise = working.iter().any(|order| absence::could_be(intent, order, &known));
            if waits && halt::is_missed_in_vain(intent) {
                // Missed, so that nothing counts as verified; and as far from being lost as ever.
                intent.missing_reads = u32::from(holds_nothing);
            } else if !(in_disguise && intent.state == IntentState::Unknown) {
                missed(intent, snapshot, ground, context);
            }
        } else {
            intent.missing_reads = 0;
        }
    }
    finish_cancels(trade);
    evidence::give_back(trade);
    if others.succeed && ground.is_clean() {
        evidence::succeeded(trade, snapshot, context);
    }
    let own = others.leave(trade, position);
    let doubted = others.doubted || trade.is_doubted();
    let shown = Shown { position: own, ground, others, doubted };
    let own = evidence::position(trade, snapshot, shown, context);
    let agrees = own == derive::held(trade) && !evidence::agrees_by_chance(trade, snapshot, context);
    let ground = Ground { agrees, ..ground };
    let strays = strays(trade, snapshot, context);
    let foreign = snapshot.sold_by_others(&symbol, |order| is_ours(trade, order, context.installation));
    let session = context.sessions.get(&symbol).copied().unwrap_or(context.session);
    let cover = derive::cover(trade, &seen, &Context { session, ..context.clone() });
    let quote = snapshot.quotes.get(&symbol).copied();
    let available = own - i64::from(foreign);
    let derive::Cover { any: cover, wished } = cover;
    let view = View { ground, position, available, seen, strays, quote, cover, wished, session };
    settle_marks(trade, &view, (others, snapshot.at), context);
    view
}

/// An order that is ours by tag or by a number that an intent of ours recorded.
#[must_use]
pub fn is_ours(trade: &Trade, order: &BrokerOrder, installation: Installation) -> bool {
    let by_number = trade.intents.iter().any(|intent| intent.broker_id == Some(order.id));
    by_number || own_tag(order, installation).is_some()
}

/// The tag of an order, when this installation wrote it.
#[must_use]
pub fn own_tag(order: &BrokerOrder, installation: Installation) -> Option<Tag> {
    let tag: Tag = order.tag.as_deref()?.parse().ok()?;
    (tag.installation == installation).then_some(tag)
}

/// No send is under way while a pass folds: a SENDING intent is one whose answer was lost, and an
/// intent that was prepared under another epoch is not sent any more.
fn settle_own(intent: &mut Intent, context: &Context<'_>) {
    match intent.state {
        IntentState::Sending => intent.state = IntentState::Unknown,
        IntentState::Prepared => {
            let late = intent.valid_until.is_some_and(|until| context.now > until);
            if intent.is_exit() || late || intent.epoch != context.epoch {
                intent.state = IntentState::Void;
            }
        }
        IntentState::Acked
        | IntentState::Unknown
        | IntentState::Working
        | IntentState::Filled
        | IntentState::Canceled
        | IntentState::Expired
        | IntentState::Rejected
        | IntentState::Void
        | IntentState::Absent
        | IntentState::Lost
        | IntentState::Done => {}
    }
}

/// Takes in what the broker shows of one order.
fn observe(intent: &mut Intent, order: &BrokerOrder, context: &Context<'_>) {
    if intent.state == IntentState::Absent && !context.rules.has(Rule::LateArrivals) {
        return;
    }
    intent.broker_id = intent.broker_id.or(Some(order.id));
    intent.absence = super::Absence::default();
    for leg in &order.legs {
        observe_leg(intent, leg, context.rules);
    }
    let total: u32 = intent.legs.iter().map(|leg| leg.executed).sum();
    intent.executed = if context.rules.has(Rule::ExecutedIsMonotone) { intent.executed.max(total) } else { total };
    if intent.executed > 0 {
        intent.first_executed_at = intent.first_executed_at.or(Some(context.now));
    }
    if let Some(sent) = intent.order().cloned() {
        if standing::of(&sent, order) == Standing::Sound {
            intent.sound_at = intent.sound_at.or(Some(context.now));
        }
        if standing::lost_its_stop(&sent, order) {
            refuse(intent, order.reason.as_deref().unwrap_or("its stop was refused"));
        }
    }
    if order.state == OrderState::Rejected {
        refuse(intent, order.reason.as_deref().unwrap_or("no reason given"));
    }
    let next = observed_state(intent, order, context.rules);
    if intent.state == IntentState::Absent && next != IntentState::Absent {
        intent.late = true;
    }
    intent.state = next;
}

/// The list says why the broker did not want it after all.
fn refuse(intent: &mut Intent, why: &str) {
    if intent.refused.is_none() {
        (intent.refusal, intent.refused) = (Some(why.to_owned()), Some(RefusalKind::told(why)));
    }
}

fn observe_leg(intent: &mut Intent, leg: &BrokerLeg, rules: Rules) {
    let is_stop = matches!(leg.kind, LegKind::Stop(_));
    let now = LegSeen { id: leg.id, is_stop, executed: leg.executed, average: leg.average };
    match intent.legs.iter_mut().find(|known| known.id == leg.id) {
        // An older list: what is known is more.
        Some(known) if rules.has(Rule::ExecutedIsMonotone) && now.executed < known.executed => {}
        // The price of this quantity is known already and this list has none.
        Some(known) if now.executed == known.executed && now.average.is_none() => {}
        Some(known) => *known = now,
        None => intent.legs.push(now),
    }
}

/// Books the step from what is booked of each leg to what is executed of it now. Its value is the
/// difference of cumulative values, which the last fill's price is not. A step waits for its price.
fn book_fills(trade: &mut Trade, context: &Context<'_>) {
    let mut fresh = Vec::new();
    for intent in trade.intents.iter().filter(|intent| intent.order().is_some()) {
        for leg in &intent.legs {
            let (quantity, value) = booked(trade, leg.id);
            let Some(average) = leg.average.filter(|_| leg.executed > quantity) else { continue };
            let step = leg.executed - quantity;
            let value = if context.rules.has(Rule::CumulativePrices) {
                average * Decimal::from(leg.executed) - value
            } else {
                average * Decimal::from(step)
            };
            let (trade_id, intent_id) = (trade.id(), intent.id);
            let (cumulative, seen_at) = (leg.executed, context.now);
            fresh.push(Fill { trade_id, intent_id, leg: leg.id, cumulative, quantity: step, value, seen_at });
        }
    }
    trade.fills.extend(fresh);
}

/// What is booked of a leg: quantity and value.
fn booked(trade: &Trade, leg: OrderId) -> (u32, Decimal) {
    let fills = trade.fills.iter().filter(|fill| fill.leg == leg);
    fills.fold((0, Decimal::ZERO), |(quantity, value), fill| (quantity + fill.quantity, value + fill.value))
}

fn observed_state(intent: &Intent, order: &BrokerOrder, rules: Rules) -> IntentState {
    let says = match order.state {
        OrderState::Pending | OrderState::Live => IntentState::Working,
        OrderState::Filled => IntentState::Filled,
        OrderState::Canceled => IntentState::Canceled,
        OrderState::Expired => IntentState::Expired,
        OrderState::Rejected => IntentState::Rejected,
    };
    match intent.state {
        // Stale lists show the past; an end stays.
        IntentState::Filled | IntentState::Lost if rules.has(Rule::FinalIsSticky) => intent.state,
        // It was proven that no byte of it left.
        IntentState::Void | IntentState::Prepared => intent.state,
        IntentState::Canceled | IntentState::Expired | IntentState::Rejected if rules.has(Rule::FinalIsSticky) => {
            if says == IntentState::Filled {
                says
            } else {
                intent.state
            }
        }
        IntentState::Sending
        | IntentState::Acked
        | IntentState::Unknown
        | IntentState::Working
        | IntentState::Absent
        | IntentState::Filled
        | IntentState::Canceled
        | IntentState::Expired
        | IntentState::Rejected
        | IntentState::Lost
        | IntentState::Done => says,
    }
}

/// A clean read did not show this order.
fn missed(intent: &mut Intent, snapshot: &Snapshot, ground: Ground, context: &Context<'_>) {
    match intent.state {
        IntentState::Unknown => absence::miss(intent, ground, context),
        IntentState::Acked | IntentState::Working => {
            if !context.rules.has(Rule::MissingIsNotCanceled) {
                intent.state = IntentState::Canceled;
                return;
            }
            intent.missing_reads = intent.missing_reads.saturating_add(1);
            let asked = intent.broker_id.and_then(|id| snapshot.lookups.get(&id));
            if asked == Some(&Lookup::NotFound) && intent.missing_reads >= context.timing.missing_reads {
                intent.state = IntentState::Lost;
            }
        }
        IntentState::Filled | IntentState::Canceled | IntentState::Expired | IntentState::Rejected => {
            if intent.sent_on == Some(context.session.date) && intent.missing_reads < context.timing.missing_reads {
                intent.missing_reads += 1;
            }
        }
        IntentState::Prepared
        | IntentState::Sending
        | IntentState::Void
        | IntentState::Absent
        | IntentState::Lost
        | IntentState::Done => {}
    }
}

/// A cancel is done when its target has come to an end in the list, and for no other reason.
fn finish_cancels(trade: &mut Trade) {
    let live: BTreeSet<IntentId> =
        trade.intents.iter().filter(|intent| intent.is_live()).map(|intent| intent.id).collect();
    for intent in &mut trade.intents {
        if let Op::Cancel { target } = intent.op
            && !live.contains(&target)
            && intent.is_live()
        {
            intent.state = if intent.state == IntentState::Prepared { IntentState::Void } else { IntentState::Done };
        }
    }
}

/// Own orders that still work although the ledger has done with them.
fn strays(trade: &Trade, snapshot: &Snapshot, context: &Context<'_>) -> BTreeSet<OrderId> {
    let ours = |order: &&BrokerOrder| match own_tag(order, context.installation) {
        Some(tag) => tag.trade == trade.id(),
        None => !context.rules.has(Rule::OwnOrdersOnly) && order.symbol == trade.spec.symbol,
    };
    let done = |order: &&BrokerOrder| {
        let mut intents = trade.intents.iter();
        match intents.find(|intent| intent.order().is_some_and(|o| order.tag.as_deref() == Some(o.tag.as_str()))) {
            Some(intent) => {
                let works = order.legs.iter().any(|leg| leg.state == OrderState::Live);
                matches!(intent.state, IntentState::Void | IntentState::Lost)
                    || (intent.state == IntentState::Rejected && works)
            }
            None => !context.rules.has(Rule::OwnOrdersOnly),
        }
    };
    let live = snapshot.orders.iter().filter(|order| !order.state.is_final());
    live.filter(ours).filter(done).map(|order| order.id).collect()
}

/// Works out what is derived and stores it.
fn settle_marks(trade: &mut Trade, view: &View, (others, read_at): (Others, DateTime<Utc>), context: &Context<'_>) {
    let held = derive::held(trade);
    trade.marks.held = held;
    trade.marks.protection = derive::protection(trade, held, derive::Cover { any: view.cover, wished: view.wished });
    if let Some((good, version)) = working_bracket(trade, view, context) {
        (trade.marks.good, trade.marks.good_version) = (Some(good), Some(version));
    }
    trade.marks.breaches = if is_breached(trade, view) { trade.marks.breaches.saturating_add(1) } else { 0 };
    let naked = held > 0 && i64::from(view.cover) < held && (trade.wish.stop.is_some() || trade.wish.is_flat());
    let was = trade.marks.naked_since;
    trade.marks.naked_since = if naked {
        was.or(Some(bare_from(trade, context)))
    } else {
        was.filter(|_| held > 0 && is_on_probation(trade, context))
    };
    // A list that does not show an order of the trade shows nothing of what became of it.
    let whole = view.ground.stable && !trade.has_doubt() && !trade.misses_a_live_order();
    let sure = whole && view.ground.agrees && !is_leaving(trade, context);
    if sure && !naked && !trade.is_ended() {
        trade.marks.verified_at = noted(trade.marks.verified_at, read_at, context);
    }
    unsent_entry(trade, context);
    let ground = derive::Ground { stable: view.ground.stable, agrees: view.ground.agrees };
    let status = derive::status(trade, ground, context.rules);
    // A fill that comes for a trade at its end, while another has the symbol, waits for that one's end.
    let waits = trade.is_ended() && others.live;
    let status = if waits { trade.marks.status } else { status };
    set_status(trade, status, context.now);
}

/// When something was last seen to be so: by the reading of the cut, which may be long before it is decided on. A note that is
/// young enough is left as it is.
fn noted(before: Option<DateTime<Utc>>, read_at: DateTime<Utc>, context: &Context<'_>) -> Option<DateTime<Utc>> {
    let young = |at: &DateTime<Utc>| (0.0..VERIFIED_STEP).contains(&absence::since(*at, context.now));
    before.filter(young).or(Some(read_at))
}

/// A naked time begins when it is seen. After a time in which nobody could have seen it, it has begun by all
/// likelihood, and is told at once.
fn bare_from(trade: &Trade, context: &Context<'_>) -> DateTime<Utc> {
    let sent = trade.intents.iter().filter_map(|intent| intent.sent_at).min();
    let looked = trade.marks.verified_at.or(sent);
    let unseen = looked.is_some_and(|at| absence::since(at, context.now) >= UNSEEN);
    context.now - if unseen { context.timing.naked_alarm } else { Duration::ZERO }
}

/// What covers the position was asked to go a moment ago: it is gone at any time, and a list that has stayed behind
/// shows it all the same.
fn is_leaving(trade: &Trade, context: &Context<'_>) -> bool {
    let wait = (context.timing.delivery + context.timing.settle).as_secs_f64();
    let asked = trade.live_exits().filter_map(|exit| trade.cancel_of(exit.id)?.sent_at);
    asked.map(|at| absence::since(at, context.now)).any(|ago| (0.0..wait).contains(&ago))
}

/// What covers the position was sent a moment ago: it is in the list, and may be refused yet.
fn is_on_probation(trade: &Trade, context: &Context<'_>) -> bool {
    let probation = context.timing.probation.as_secs_f64();
    let young = |at: DateTime<Utc>| (0.0..probation).contains(&absence::since(at, context.now));
    trade.live_exits().filter_map(|exit| exit.sent_at).any(young)
}

/// The stop lies at or above the bid and nothing works that could have fired.
fn is_breached(trade: &Trade, view: &View) -> bool {
    let bare = trade.marks.held > 0 && view.session.open && trade.live_exits().next().is_none();
    bare && trade.wish.shape().is_some_and(|shape| fit(shape, view.quote) == Fit::Breached)
}

/// An entry that nobody wants any more, or not at this price any more, never becomes an order.
fn unsent_entry(trade: &mut Trade, context: &Context<'_>) {
    let unsent = trade.marks.status == TradeStatus::Pending && trade.is_unbegun();
    let late = context.rules.has(Rule::EntryDeadline)
        && absence::since(trade.wish.since.min(trade.spec.asked_at), context.now)
            > context.timing.entry_valid.as_secs_f64();
    if unsent && (late || trade.wish.is_flat()) {
        set_status(trade, TradeStatus::Void, context.now);
    }
}

fn set_status(trade: &mut Trade, status: TradeStatus, now: DateTime<Utc>) {
    if status == trade.marks.status {
        return;
    }
    let ended = status.is_terminal();
    trade.marks.closed_at = ended.then_some(now);
    let reason: Option<CloseReason> = (status == TradeStatus::Closed).then(|| derive::close_reason(trade));
    trade.marks.close_reason = reason;
    trade.marks.status = status;
}

/// The bracket that works. The cut that first shows it at the market proves too little for it to
/// take the place of the last good one.
fn working_bracket(trade: &Trade, view: &View, context: &Context<'_>) -> Option<(Bracket, i64)> {
    let proven = |intent: &&Intent| {
        let sound = view.seen.get(&intent.id) == Some(&Standing::Sound);
        let twice = intent.sound_at.is_some_and(|at| at != context.now);
        sound && twice || !context.rules.has(Rule::CoverIsSeen) && view.seen.contains_key(&intent.id)
    };
    let working = trade.live_exits().filter(|intent| intent.state == IntentState::Working).filter(proven);
    working.filter_map(|intent| Some((Bracket::of(intent.order()?.shape)?, intent.version))).next()
}
