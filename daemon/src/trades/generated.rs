//! Facts and plan over books and cuts that nobody thought of: whatever stands in the book and whatever the broker
//! shows of it, what was executed never shrinks, a cut is taken in once, what the pass would write is what it found
//! out, and no order comes of it that no line of the plan has a reason for.

mod deal;

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::{IntentId, IntentOp, IntentRole, IntentState, TradeId};
use proptest::prelude::*;
use uuid::Uuid;

use self::deal::{Deal, deals};
use super::facts::apply::{apply, difference};
use super::facts::derive::is_as_wished;
use super::facts::fold::{Context, View, fold};
use super::facts::{Book, Intent, Op, Standing, Trade};
use super::plan::{Action, Scene, account};
use super::ports::{OrderId, Symbol};
use super::rules::Rules;
use super::snapshot::Snapshot;
use super::state::intent_move;
use super::tag::{Epoch, Installation};
use super::timing::Timing;

/// The installation that every order of ours names.
fn installation() -> Installation {
    Installation::new(Uuid::from_u128(7))
}

/// One look at the broker.
fn folded(book: &Book, cut: &Snapshot) -> (Book, BTreeMap<TradeId, View>) {
    let (sessions, history) = (BTreeMap::new(), BTreeMap::new());
    let context = Context {
        now: cut.at,
        session: cut.session,
        sessions: &sessions,
        epoch: Epoch(1),
        installation: installation(),
        rules: Rules::ALL,
        timing: Timing::PRODUCTION,
        steady: true,
        history: &history,
        outage: None,
    };
    let mut book = book.clone();
    let views = fold(&mut book, cut, &context);
    (book, views)
}

/// What a pass would do after that look.
fn planned(book: &Book, views: &BTreeMap<TradeId, View>, cut: &Snapshot, writes: u32) -> Vec<(TradeId, Action)> {
    let scene = Scene {
        now: cut.at,
        session: cut.session,
        rules: Rules::ALL,
        timing: Timing::PRODUCTION,
        entries_wait: false,
        halted: false,
        outage: None,
    };
    account::pass(book, views, &scene, writes)
}

/// Numbers and tags that the cut shows.
fn shown(cut: &Snapshot) -> (BTreeSet<OrderId>, BTreeSet<&str>) {
    (cut.orders.iter().map(|order| order.id).collect(), cut.orders.iter().filter_map(|o| o.tag.as_deref()).collect())
}

fn is_shown(intent: &Intent, cut: &Snapshot) -> bool {
    let (ids, tags) = shown(cut);
    let by_tag = intent.order().is_some_and(|order| tags.contains(order.tag.as_str()));
    intent.order().is_some() && (intent.broker_id.is_some_and(|id| ids.contains(&id)) || by_tag)
}

/// What was taken in of each order that the cut shows, and what is booked of all of them.
fn taken_in(trade: &Trade, cut: &Snapshot) -> (Vec<Intent>, usize) {
    (trade.intents.iter().filter(|intent| is_shown(intent, cut)).cloned().collect(), trade.fills.len())
}

fn op(intent: &Intent) -> IntentOp {
    match intent.op {
        Op::Place(_) => IntentOp::Place,
        Op::Cancel { .. } => IntentOp::Cancel,
    }
}

/// The same, whatever the order in which intents were written.
fn in_order(mut book: Book) -> Book {
    for trade in book.trades.values_mut() {
        trade.intents.sort_by_key(|intent| intent.id);
    }
    book.alarms.clear();
    book
}

/// Nothing is to be done about it: what is held is kept, and the one exit that is wanted works over exactly that.
fn is_at_rest(trade: &Trade, view: &View) -> bool {
    let works = |exit: &Intent| {
        let sound = exit.state == IntentState::Working && view.seen.get(&exit.id) == Some(&Standing::Sound);
        sound && is_as_wished(trade, exit) && i64::from(exit.remaining()) == trade.marks.held
    };
    let live: Vec<&Intent> = trade.live_exits().collect();
    let one = matches!(live.as_slice(), [one] if works(one));
    let kept = trade.marks.held > 0 && !trade.wish.is_flat() && trade.marks.held <= i64::from(trade.wish.keep);
    one && kept && view.strays.is_empty() && !trade.entries().any(Intent::is_live)
}

/// Nothing is there and nothing is to come.
fn is_over(trade: &Trade, view: &View) -> bool {
    let works = trade.intents.iter().any(|intent| intent.is_live() && view.seen.contains_key(&intent.id));
    trade.is_ended() && trade.marks.held == 0 && view.strays.is_empty() && !works
}

/// Why an action must not be, if it must not.
fn objection(trade: &Trade, view: &View, open: bool, action: &Action) -> Option<&'static str> {
    let held = trade.marks.held;
    match action {
        Action::Place(place) if place.role == IntentRole::Entry => {
            let others = trade.entries().any(|entry| Some(entry.id) != place.again);
            let settled = view.ground.stable && view.position == 0;
            let wanted = !trade.wish.is_flat() && !trade.wish.cut;
            match (others, settled && open, wanted) {
                (true, _, _) => Some("a second entry"),
                (_, false, _) => Some("an entry over what is there, or in a closed market"),
                (_, _, false) => Some("an entry that nobody wants"),
                (false, true, true) => None,
            }
        }
        Action::Place(place) => {
            let quantity = i64::from(place.quantity.get());
            let agrees = view.ground.stable && (view.ground.agrees || trade.marks.quarantine.is_some());
            let market = !matches!(place.role, IntentRole::Bracket);
            if trade.live_exits().next().is_some() {
                Some("a second exit")
            } else if !agrees || quantity > held || quantity > view.available {
                Some("it sells what ledger and position do not both show")
            } else if market && !open {
                Some("a sale in a closed market")
            } else if trade.wish.is_flat() && !market {
                Some("a bracket after a close")
            } else {
                None
            }
        }
        Action::Cancel(cancel) => {
            let target = trade.intent(cancel.target)?;
            let bracket = target.is_exit() && held > 0 && trade.live_exits().count() == 1;
            if target.broker_id != Some(cancel.order) || !target.is_live() {
                Some("what it cancels is not alive")
            } else if bracket && !open {
                Some("a bracket is cancelled by night")
            } else {
                None
            }
        }
        Action::CancelStray(order) => (!view.strays.contains(order)).then_some("nothing of the kind works"),
        Action::Flatten(_) | Action::Revert => (held <= 0).then_some("there is nothing to decide about"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_cut_is_taken_in_once(deal in deals()) {
        let Deal { book, cut, .. } = deal;
        let (once, _) = folded(&book, &cut);
        let (twice, _) = folded(&once, &cut);
        for (id, trade) in &once.trades {
            prop_assert_eq!(taken_in(trade, &cut), taken_in(&twice.trades[id], &cut));
            prop_assert_eq!(&trade.fills, &twice.trades[id].fills);
            let executed = |trade: &Trade| trade.intents.iter().map(|it| (it.id, it.executed)).collect::<Vec<(IntentId, u32)>>();
            prop_assert_eq!(executed(trade), executed(&twice.trades[id]));
        }
    }

    #[test]
    fn nothing_that_was_executed_or_booked_shrinks_and_no_end_is_left_but_by_late_evidence(deal in deals()) {
        let Deal { book, cut, .. } = deal;
        let (after, _) = folded(&book, &cut);
        prop_assert_eq!(book.trades.len(), after.trades.len());
        for (id, was) in &book.trades {
            let now = &after.trades[id];
            prop_assert!(now.fills.starts_with(&was.fills), "{:?} {:?}", was.fills, now.fills);
            for intent in &was.intents {
                let known = now.intent(intent.id).unwrap();
                prop_assert!(known.executed >= intent.executed);
                for leg in &intent.legs {
                    prop_assert!(known.legs.iter().any(|it| it.id == leg.id && it.executed >= leg.executed));
                }
                let moved = intent_move(op(intent), intent.state, known.state);
                prop_assert!(moved.is_some(), "{} -> {}", intent.state, known.state);
            }
        }
    }

    #[test]
    fn what_a_pass_writes_is_what_it_found_out(deal in deals()) {
        let Deal { book, cut, .. } = deal;
        let (after, _) = folded(&book, &cut);
        let mut written = book.clone();
        for change in difference(&book, &after) {
            prop_assert_eq!(apply(&mut written, &change, Rules::ALL), Ok(()), "{:?}", change);
        }
        prop_assert_eq!(in_order(written), in_order(after.clone()));
        prop_assert_eq!(difference(&after, &after), Vec::new());
    }

    #[test]
    fn a_trade_has_one_action_at_most_and_none_without_a_need(deal in deals()) {
        let Deal { book, cut, writes, .. } = deal;
        let (after, views) = folded(&book, &cut);
        let actions = planned(&after, &views, &cut, writes);
        let trades: BTreeSet<TradeId> = actions.iter().map(|(id, _)| *id).collect();
        prop_assert_eq!(trades.len(), actions.len());
        prop_assert!(actions.iter().filter(|(_, action)| action.is_write()).count() <= usize::try_from(writes).unwrap());
        for (id, action) in &actions {
            let (trade, view) = (&after.trades[id], &views[id]);
            prop_assert_eq!(objection(trade, view, cut.session.open, action), None, "{:?} {:?} {:?}", action, trade, view);
            prop_assert!(!is_at_rest(trade, view) && !is_over(trade, view), "{:?} {:?} {:?}", action, trade, view);
        }
    }

    #[test]
    fn nothing_is_done_for_an_account_that_is_halted(deal in deals()) {
        let Deal { book, cut, .. } = deal;
        let (mut after, views) = folded(&book, &cut);
        after.account.halted = Some("look at it".to_owned());
        prop_assert_eq!(planned(&after, &views, &cut, 50), Vec::new());
    }
}

/// The cards reach what the properties are about; else they would hold of nothing.
#[test]
fn the_cards_reach_rest_ends_and_every_kind_of_action() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut reached, mut rest, mut over) = (BTreeSet::new(), 0, 0);
    for _ in 0..1500 {
        let Deal { book, cut, .. } = deals().new_tree(&mut runner).unwrap().current();
        let (after, views) = folded(&book, &cut);
        rest += after.trades.values().filter(|trade| is_at_rest(trade, &views[&trade.id()])).count();
        over += after.trades.values().filter(|trade| is_over(trade, &views[&trade.id()])).count();
        for (_, action) in planned(&after, &views, &cut, 50) {
            reached.insert(match action {
                Action::Place(place) => place.role.as_str(),
                Action::Cancel(_) => "cancel",
                Action::CancelStray(_) => "stray",
                Action::Flatten(_) => "flatten",
                Action::Revert => "revert",
            });
        }
    }
    for kind in ["ENTRY", "BRACKET", "CLOSE", "cancel", "stray"] {
        assert!(reached.contains(kind), "{kind} of {reached:?}");
    }
    assert!(rest > 20 && over > 20, "{rest} at rest, {over} over");
}

/// Symbols of the trades of a book.
fn symbol(number: usize) -> Symbol {
    Symbol::new(["ABC270115C00150000", "DEF270115P00090000", "GHI270115C00045000"][number % 3])
}
