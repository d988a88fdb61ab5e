//! What became of a placement that ended as `Unknown`: a search by looking, never by sending again.
//!
//! Our tag on one order is proof that it is ours. Not every order keeps its tag: the sandbox drops that of an OTOCO, and a
//! list may come without any. What only looks like ours (no tag, the same contract, the time fits) is therefore never
//! taken for ours: somebody may have typed the same. But it keeps the search from calling ours absent, and a person is
//! asked, with its number.
//!
//! Invariants, each tested against every order that another hand may have placed beside ours:
//! * `Found` names an order that bears our tag, and the only one.
//! * `Absent` needs time, several clean looks apart from each other, the list of the day on which it was sent, and
//!   nothing that could be ours.
//! * A verdict other than `Open` is the last word.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::America::New_York;

use super::{NewOrder, Order, OrderClass, OrderId, OrderList, Shape};

/// A placement whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub order: NewOrder,
    /// Before its first byte could leave.
    pub from: DateTime<Utc>,
    /// No byte left after this: [`super::Send::by`].
    pub by: DateTime<Utc>,
}

/// How careful a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Care {
    /// The longest that a request may travel.
    pub delivery: Duration,
    /// The longest that the broker may take to list it.
    pub settle: Duration,
    /// Clean looks after that, and how far apart they are.
    pub looks: u32,
    pub gap: Duration,
    /// How far the broker's clock may be from ours.
    pub skew: Duration,
}

impl Default for Care {
    fn default() -> Self {
        Self {
            delivery: Duration::from_secs(30),
            settle: Duration::from_secs(30),
            looks: 3,
            gap: Duration::from_secs(5),
            skew: Duration::from_secs(10),
        }
    }
}

/// Why only a person can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubtful {
    /// They could be ours and bear no name.
    Nameless,
    /// Our tag is on more than one order.
    TagTwice,
    /// The broker's list is of another day than the one on which it was sent.
    AnotherDay,
}

/// What the looks so far say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an order in doubt is found, absent or a person's business"]
pub enum Verdict {
    /// Look again.
    Open,
    Found(OrderId),
    /// It never arrived, and cannot arrive any more.
    Absent,
    NeedsPerson {
        why: Doubtful,
        candidates: Vec<OrderId>,
    },
}

/// One search.
#[derive(Clone, Debug)]
pub struct Search {
    sent: Sent,
    care: Care,
    clean: u32,
    last: Option<DateTime<Utc>>,
    /// What could be ours, in any look.
    nameless: BTreeSet<OrderId>,
}

impl Search {
    #[must_use]
    pub fn new(sent: Sent, care: Care) -> Self {
        Self { sent, care, clean: 0, last: None, nameless: BTreeSet::new() }
    }

    /// Takes one more list. `anchors` are orders that are known to be there: a list without one of them is not whole and
    /// proves nothing.
    pub fn look(&mut self, list: &OrderList, anchors: &[OrderId]) -> Verdict {
        let tag = self.sent.order.tag().as_str();
        let ours: Vec<OrderId> =
            list.orders.iter().filter(|order| order.tag.as_deref() == Some(tag)).map(|order| order.id).collect();
        match ours.as_slice() {
            [] => {}
            [one] => return Verdict::Found(*one),
            _ => return Verdict::NeedsPerson { why: Doubtful::TagTwice, candidates: ours },
        }
        if day(list.read_at) != day(self.sent.from) {
            return self.doubtful(Doubtful::AnotherDay);
        }
        for order in &list.orders {
            if order.tag.is_some() {
                // It has another name now, so it was never ours.
                self.nameless.remove(&order.id);
            } else if self.could_be_ours(order) {
                self.nameless.insert(order.id);
            }
        }
        let whole = anchors.iter().all(|anchor| list.orders.iter().any(|order| order.id == *anchor));
        if !whole || list.read_at < self.closed() {
            return Verdict::Open;
        }
        let apart = self.last.is_none_or(|last| list.read_at - last >= span(self.care.gap));
        if apart {
            self.clean += 1;
            self.last = Some(list.read_at);
        }
        match (self.clean >= self.care.looks, self.nameless.is_empty()) {
            (false, _) => Verdict::Open,
            (true, true) => Verdict::Absent,
            (true, false) => self.doubtful(Doubtful::Nameless),
        }
    }

    /// From when on it cannot turn up any more.
    #[must_use]
    pub fn closed(&self) -> DateTime<Utc> {
        self.sent.by + span(self.care.delivery) + span(self.care.settle)
    }

    fn doubtful(&self, why: Doubtful) -> Verdict {
        Verdict::NeedsPerson { why, candidates: self.nameless.iter().copied().collect() }
    }

    /// Whether an order without a tag could be the lost one. What is not told speaks for it: this only ever makes the search
    /// more careful.
    fn could_be_ours(&self, order: &Order) -> bool {
        let class = match self.sent.order.shape() {
            Shape::Single(_) => OrderClass::Option,
            Shape::Oco(_) => OrderClass::Oco,
            Shape::Otoco { .. } => OrderClass::Otoco,
        };
        let contract = self.sent.order.instrument().contract.occ();
        let told = order.legs.iter().chain([order]).filter_map(|part| part.option_symbol.as_deref());
        let told: Vec<&str> = told.collect();
        let elsewhere = !told.is_empty() && told.iter().all(|symbol| *symbol != contract);
        let skew = span(self.care.skew);
        let (first, last) = (self.sent.from - skew, self.sent.by + span(self.care.delivery) + skew);
        let timely = order.created_at.is_none_or(|at| first <= at && at <= last);
        order.class.as_ref().is_none_or(|told| *told == class) && !elsewhere && timely
    }
}

/// The broker's lists are of a calendar day in New York.
fn day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&New_York).date_naive()
}

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::broker::{Instrument, Leg, Lifetime, OrderStatus, Pricing, TradeSide};

    const CONTRACT: &str = "SPY260918C00600000";
    const OURS: i64 = 500;

    fn at(seconds: i64) -> DateTime<Utc> {
        "2026-09-10T15:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
    }

    fn sent() -> Sent {
        let leg = |side, pricing| Leg { side, quantity: blotter_shared::domain::Quantity::new(1).unwrap(), pricing };
        let exits = [
            leg(TradeSide::SellToClose, Pricing::Limit("9.00".parse().unwrap())),
            leg(TradeSide::SellToClose, Pricing::Stop("0.30".parse().unwrap())),
        ];
        let entry = leg(TradeSide::BuyToOpen, Pricing::Limit("0.55".parse().unwrap()));
        let instrument = Instrument { underlying: "SPY".parse().unwrap(), contract: CONTRACT.parse().unwrap() };
        let shape = Shape::Otoco { entry, exits };
        let order = NewOrder::new(instrument, shape, Lifetime::Gtc, "g1-7f3a".parse().unwrap()).unwrap();
        Sent { order, from: at(0), by: at(3) }
    }

    fn listed(id: i64, tag: Option<&str>, contract: &str, created: i64) -> Order {
        let mut order = blank(id, OrderClass::Otoco);
        order.tag = tag.map(str::to_owned);
        order.created_at = Some(at(created));
        let mut leg = blank(id + 1, OrderClass::Option);
        leg.option_symbol = Some(contract.to_owned());
        order.legs = vec![leg];
        order
    }

    fn blank(id: i64, class: OrderClass) -> Order {
        Order {
            id: OrderId::new(id).unwrap(),
            status: OrderStatus::Open,
            class: Some(class),
            symbol: None,
            option_symbol: None,
            side: None,
            order_type: None,
            duration: None,
            quantity: None,
            price: None,
            stop_price: None,
            avg_fill_price: None,
            exec_quantity: None,
            last_fill_price: None,
            last_fill_quantity: None,
            remaining_quantity: None,
            tag: None,
            reason: None,
            errors: Vec::new(),
            created_at: None,
            changed_at: None,
            legs: Vec::new(),
        }
    }

    fn list(seconds: i64, orders: &[Order]) -> OrderList {
        OrderList { orders: orders.to_vec(), pages: 1, read_at: at(seconds) }
    }

    fn id(number: i64) -> OrderId {
        OrderId::new(number).unwrap()
    }

    fn search() -> Search {
        Search::new(sent(), Care::default())
    }

    #[test]
    fn a_tag_is_proof_at_once_and_two_are_a_persons_business() {
        let ours = listed(OURS, Some("g1-7f3a"), CONTRACT, 1);
        assert_eq!(search().look(&list(1, std::slice::from_ref(&ours)), &[]), Verdict::Found(id(OURS)));
        let twice = [ours, listed(OURS + 9, Some("g1-7f3a"), CONTRACT, 2)];
        let doubt = Verdict::NeedsPerson { why: Doubtful::TagTwice, candidates: vec![id(OURS), id(OURS + 9)] };
        assert_eq!(search().look(&list(1, &twice), &[]), doubt);
    }

    #[test]
    fn absence_takes_time_and_three_looks_apart() {
        let mut search = search();
        for seconds in [1, 30, 62] {
            assert_eq!(search.look(&list(seconds, &[]), &[]), Verdict::Open, "{seconds} s: it may still arrive");
        }
        assert_eq!(search.look(&list(63, &[]), &[]), Verdict::Open);
        assert_eq!(search.look(&list(64, &[]), &[]), Verdict::Open, "too near to the last look to count");
        assert_eq!(search.look(&list(68, &[]), &[]), Verdict::Open);
        assert_eq!(search.look(&list(73, &[]), &[]), Verdict::Absent);
    }

    #[test]
    fn a_list_that_lacks_what_must_be_there_proves_nothing() {
        let mut search = search();
        for seconds in [70, 80, 90, 100] {
            assert_eq!(search.look(&list(seconds, &[]), &[id(7)]), Verdict::Open, "{seconds}");
        }
    }

    #[test]
    fn what_could_be_ours_is_never_taken_and_never_overlooked() {
        let doubt = |candidates| Verdict::NeedsPerson { why: Doubtful::Nameless, candidates };
        let end = |orders: &[Order]| {
            let mut search = search();
            let mut last = Verdict::Open;
            for seconds in [70, 80, 90] {
                last = search.look(&list(seconds, orders), &[]);
            }
            last
        };
        let lookalike = listed(OURS, None, CONTRACT, 1);
        assert_eq!(end(std::slice::from_ref(&lookalike)), doubt(vec![id(OURS)]));
        let mut untold = lookalike.clone();
        untold.created_at = None;
        untold.legs.clear();
        assert_eq!(end(&[untold]), doubt(vec![id(OURS)]), "what is not told speaks for it");
        for other in [
            listed(OURS, None, "SPY260918C00605000", 1),
            listed(OURS, None, CONTRACT, -60),
            listed(OURS, None, CONTRACT, 300),
            listed(OURS, Some("somebody-elses"), CONTRACT, 1),
        ] {
            assert_eq!(end(std::slice::from_ref(&other)), Verdict::Absent, "{other:?}");
        }
    }

    #[test]
    fn a_name_that_comes_later_decides() {
        let mut search = search();
        let nameless = listed(OURS, None, CONTRACT, 1);
        assert_eq!(search.look(&list(5, &[nameless]), &[]), Verdict::Open);
        let mut theirs = search.clone();
        assert_eq!(
            search.look(&list(70, &[listed(OURS, Some("g1-7f3a"), CONTRACT, 1)]), &[]),
            Verdict::Found(id(OURS))
        );
        let mut last = Verdict::Open;
        for seconds in [70, 80, 90] {
            last = theirs.look(&list(seconds, &[listed(OURS, Some("x"), CONTRACT, 1)]), &[]);
        }
        assert_eq!(last, Verdict::Absent);
    }

    #[test]
    fn the_list_of_another_day_proves_nothing() {
        let next_day = 14 * 3_600;
        let doubt = Verdict::NeedsPerson { why: Doubtful::AnotherDay, candidates: Vec::new() };
        assert_eq!(search().look(&list(next_day, &[]), &[]), doubt);
    }

    #[derive(Clone, Debug)]
    struct Other {
        contract: bool,
        tag: Option<u8>,
        created: i64,
    }

    fn other() -> impl Strategy<Value = Other> {
        (any::<bool>(), proptest::option::of(0..3_u8), -100_i64..200).prop_map(|(contract, tag, created)| Other {
            contract,
            tag,
            created,
        })
    }

    proptest! {
        /// Whatever others place beside ours, and however lists flap: no stranger is taken for ours, and ours is never
        /// called absent.
        #[test]
        fn no_stranger_is_found_and_ours_is_not_lost(
            arrived in any::<bool>(),
            keeps_tag in any::<bool>(),
            created in 0_i64..33,
            others in proptest::collection::vec(other(), 0..6),
            flaps in proptest::collection::vec((any::<bool>(), any::<bool>()), 12),
        ) {
            let strangers: Vec<Order> = others.iter().zip(1_i64..).map(|(other, number)| {
                let contract = if other.contract { CONTRACT } else { "SPY260918C00605000" };
                let tag = other.tag.map(|tag| format!("other-{tag}"));
                listed(number * 10, tag.as_deref(), contract, other.created)
            }).collect();
            let ours = listed(OURS, keeps_tag.then_some("g1-7f3a"), CONTRACT, created);
            let anchor = blank(7, OrderClass::Option);
            let mut search = search();
            for (step, (hides, drops_tags)) in (0_i64..).zip(flaps) {
                let now = step * 10;
                let mut orders: Vec<Order> = strangers.iter().filter(|o| o.created_at <= Some(at(now))).cloned().collect();
                if arrived && created <= now {
                    orders.push(ours.clone());
                }
                if drops_tags {
                    orders.iter_mut().for_each(|order| order.tag = None);
                }
                // A list that hides orders hides what is known to be there as well.
                if hides { orders.clear() } else { orders.push(anchor.clone()) }
                match search.look(&list(now, &orders), &[anchor.id]) {
                    Verdict::Open => {}
                    Verdict::Found(found) => {
                        prop_assert!(arrived && keeps_tag && found == id(OURS));
                        return Ok(());
                    }
                    Verdict::Absent => {
                        prop_assert!(!arrived);
                        return Ok(());
                    }
                    Verdict::NeedsPerson { candidates, .. } => {
                        prop_assert!(!arrived || candidates.contains(&id(OURS)));
                        return Ok(());
                    }
                }
            }
        }
    }
}
