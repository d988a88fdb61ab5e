//! Section 3 of the reference: orders, groups, and their ends, on the engine alone.

use blotter_sim::core::{
    CROSS_ZERO, Change, Class, Contract, Kind, Leg, LegIds, Opening, OrderId, Refusal, Settings, Sibling, Side, Status,
    Ticket, Touch, World,
};
use blotter_sim::time::{HOUR, Ms, SECOND};

use crate::support::{Bench, CALL, dec, inline};

fn sell() -> Leg {
    Leg::market(Side::SellToClose, CALL, 1)
}

fn oco(target: &str, stop: &str) -> Ticket {
    Ticket::group(Class::Oco, vec![sell().at(dec(target)).gtc(), sell().stopped(dec(stop)).gtc()])
}

fn legs(bench: &Bench, parent: OrderId) -> Vec<Status> {
    let order = bench.engine.order(&bench.account, parent).unwrap();
    order.legs.iter().map(|l| bench.status(*l)).collect()
}

#[test]
fn s3_1_a_market_order_is_pending_then_filled_within_a_second() {
    let mut b = Bench::new();
    let id = b.place(Ticket::single(Leg::market(Side::BuyToOpen, CALL, 1)));
    assert_eq!(b.status(id), Status::Pending);
    b.run(100);
    assert_eq!(b.status(id), Status::Filled);
    let order = b.engine.order(&b.account, id).unwrap();
    assert_eq!(order.average(), dec("1.00"));
    let account = b.engine.account(&b.account).unwrap();
    assert_eq!(account.cash, dec("99899.65"), "100 for the option, 0.35 commission");
}

#[test]
fn s3_1_a_resting_limit_fills_at_its_own_price() {
    let mut b = Bench::new();
    let id = b.place(Ticket::single(Leg::market(Side::BuyToOpen, CALL, 1).at(dec("0.95"))));
    b.run(5 * SECOND);
    assert_eq!(b.status(id), Status::Open);
    b.feed.set(CALL, "0.90", "0.93");
    b.run(2 * SECOND);
    assert_eq!(b.engine.order(&b.account, id).unwrap().average(), dec("0.95"));
}

#[test]
fn s3_1_size_at_the_touch_limits_each_fill() {
    let mut b = Bench::new();
    b.feed.put(CALL, Touch { bid: dec("0.98"), ask: dec("1.00"), bid_size: 5, ask_size: 3, last: dec("0.99") });
    let id = b.place(Ticket::single(Leg::market(Side::BuyToOpen, CALL, 7)));
    b.run(100);
    assert_eq!(b.status(id), Status::PartiallyFilled);
    assert_eq!(b.engine.order(&b.account, id).unwrap().executed, 3);
    b.run(3 * SECOND);
    assert_eq!(b.status(id), Status::Filled);
}

#[test]
fn s3_2_the_sibling_is_cancelled_after_a_lag_and_the_parent_after_it() {
    let mut b = Bench::new();
    b.own(1);
    let parent = b.place(oco("1.50", "0.50"));
    b.run(SECOND);
    assert_eq!(legs(&b, parent), [Status::Open, Status::Open]);
    b.feed.set(CALL, "1.55", "1.60");
    b.run(SECOND);
    assert_eq!(legs(&b, parent), [Status::Filled, Status::Open], "the window between fill and sibling cancel");
    assert_eq!(b.status(parent), Status::Open);
    b.run(200);
    assert_eq!(legs(&b, parent), [Status::Filled, Status::Canceled]);
    assert_eq!(b.status(parent), Status::Filled);
    assert_eq!(b.held(), 0);
}

#[test]
fn s3_2_leg_numbers_follow_the_parent_unless_told_otherwise() {
    let mut b = Bench::new();
    b.own(1);
    let parent = b.place(oco("1.50", "0.50"));
    let order = b.engine.order(&b.account, parent).unwrap();
    assert_eq!(order.legs, [OrderId(parent.0 + 1), OrderId(parent.0 + 2)]);
    let mut b = Bench::with(Settings { leg_ids: LegIds::Scattered, ..Settings::default() }, World::Live);
    b.own(1);
    let parent = b.place(oco("1.50", "0.50"));
    let order = b.engine.order(&b.account, parent).unwrap();
    assert_ne!(order.legs[0], OrderId(parent.0 + 1));
}

#[test]
fn s3_2_the_gap_of_two_option_legs_is_ten_cents() {
    let mut b = Bench::with(inline(), World::Live);
    b.own(1);
    let refused = b.engine.place(&b.account, &oco("1.05", "0.97")).unwrap_err();
    assert_eq!(refused.to_string(), "OCO price difference should be at least 0.1$");
    b.engine.place(&b.account, &oco("1.05", "0.95")).unwrap();
}

#[test]
fn s3_2_a_stop_on_the_wrong_side_takes_the_oco_along() {
    let mut b = Bench::new();
    b.own(1);
    let parent = b.place(oco("1.50", "0.99"));
    b.run(2 * SECOND);
    assert_eq!(legs(&b, parent), [Status::Canceled, Status::Rejected]);
    assert_eq!(b.status(parent), Status::Canceled);
    assert!(b.reason(parent).contains("SellStopOrderStopPriceGreaterBid"));
}

#[test]
fn s3_2_a_partial_fill_shrinks_or_cancels_the_sibling() {
    for (rule, expected) in [(Sibling::Shrinks, (Status::Open, 1)), (Sibling::Cancels, (Status::Canceled, 3))] {
        let mut b = Bench::with(Settings { sibling: rule, ..Settings::default() }, World::Live);
        b.own(3);
        let exit = |leg: Leg| Leg { quantity: 3, ..leg };
        let parent =
            b.place(Ticket::group(Class::Oco, vec![exit(sell().at(dec("1.50"))), exit(sell().stopped(dec("0.50")))]));
        b.run(SECOND);
        b.feed.put(CALL, Touch { bid: dec("1.50"), ask: dec("1.60"), bid_size: 2, ask_size: 2, last: dec("1.50") });
        let next_step = SECOND - b.engine.now().0 % SECOND;
        b.run(next_step);
        let order = b.engine.order(&b.account, parent).unwrap();
        let stop = b.engine.order(&b.account, order.legs[1]).unwrap();
        assert_eq!((stop.status, stop.quantity), expected, "{rule:?}");
    }
}

#[test]
fn s3_3_exits_wait_for_the_entry_and_then_protect_it() {
    let mut b = Bench::new();
    let entry = Leg::market(Side::BuyToOpen, CALL, 1).at(dec("0.95"));
    let parent = b.place(Ticket::group(Class::Otoco, vec![entry, sell().at(dec("1.50")), sell().stopped(dec("0.50"))]));
    b.run(2 * SECOND);
    assert_eq!(legs(&b, parent), [Status::Open, Status::Pending, Status::Pending]);
    b.feed.set(CALL, "0.90", "0.94");
    b.run(2 * SECOND);
    assert_eq!(legs(&b, parent), [Status::Filled, Status::Open, Status::Open]);
    b.feed.set(CALL, "0.48", "0.52");
    b.run(2 * SECOND);
    assert_eq!(legs(&b, parent), [Status::Filled, Status::Canceled, Status::Filled]);
    assert_eq!(b.status(parent), Status::Filled);
    assert_eq!(b.held(), 0);
}

#[test]
fn s3_3_a_second_otoco_on_the_contract_is_refused() {
    let mut b = Bench::with(inline(), World::Live);
    let bracket = || {
        let entry = Leg::market(Side::BuyToOpen, CALL, 1);
        Ticket::group(Class::Otoco, vec![entry, sell().at(dec("1.50")), sell().stopped(dec("0.50"))])
    };
    b.place(bracket());
    b.run(2 * SECOND);
    assert_eq!(b.engine.place(&b.account, &bracket()).unwrap_err().to_string(), CROSS_ZERO);
}

#[test]
fn s3_3_an_entry_can_fill_while_an_exit_is_rejected() {
    let mut b = Bench::new();
    let entry = Leg::market(Side::BuyToOpen, CALL, 1);
    let parent = b.place(Ticket::group(Class::Otoco, vec![entry, sell().at(dec("1.50")), sell().stopped(dec("0.99"))]));
    b.run(2 * SECOND);
    assert_eq!(legs(&b, parent), [Status::Filled, Status::Canceled, Status::Rejected]);
    assert_eq!(b.held(), 1, "naked, and it is the client's business to notice");
}

#[test]
fn s3_3_the_sandbox_drops_the_tag_of_an_otoco_and_live_keeps_it() {
    for (world, kept) in [(World::Sandbox, None), (World::Live, Some("t-1".to_owned()))] {
        let mut b = Bench::with(Settings::default(), world);
        let entry = Leg::market(Side::BuyToOpen, CALL, 1);
        let id = b.place(
            Ticket::group(Class::Otoco, vec![entry, sell().at(dec("1.50")), sell().stopped(dec("0.50"))]).tagged("t-1"),
        );
        assert_eq!(b.engine.order(&b.account, id).unwrap().tag, kept);
    }
}

#[test]
fn s3_4_a_change_keeps_the_number_and_the_pairing() {
    let mut b = Bench::new();
    b.own(1);
    let parent = b.place(oco("1.50", "0.50"));
    b.run(SECOND);
    let stop = b.engine.order(&b.account, parent).unwrap().legs[1];
    b.engine.change(&b.account, stop, Change { stop: Some(dec("0.70")), ..Change::default() }).unwrap();
    b.feed.set(CALL, "0.69", "0.72");
    b.run(2 * SECOND);
    assert_eq!(legs(&b, parent), [Status::Canceled, Status::Filled]);
    let refused = b.engine.change(&b.account, parent, Change::default()).unwrap_err();
    assert_eq!(refused, Refusal::Finalized(Status::Filled));
}

#[test]
fn s3_4_a_parent_or_a_partly_filled_order_cannot_be_changed() {
    let mut b = Bench::new();
    b.own(1);
    let parent = b.place(oco("1.50", "0.50"));
    b.run(SECOND);
    let refused =
        b.engine.change(&b.account, parent, Change { price: Some(dec("2")), ..Change::default() }).unwrap_err();
    assert!(refused.to_string().contains("OrderContingentChangeNotAllowed"));
}

#[test]
fn s3_5_a_cancel_is_a_request_and_a_fill_can_win() {
    let slow = Settings { cancel_ms: (5_000, 5_000), ..Settings::default() };
    let mut b = Bench::with(slow, World::Live);
    let id = b.place(Ticket::single(Leg::market(Side::BuyToOpen, CALL, 1).at(dec("0.95"))));
    b.run(SECOND);
    b.engine.cancel(&b.account, id).unwrap();
    assert_eq!(b.status(id), Status::Open);
    b.feed.set(CALL, "0.90", "0.94");
    b.run(2 * SECOND);
    assert_eq!(b.status(id), Status::Filled);
    b.run(10 * SECOND);
    assert_eq!(b.status(id), Status::Filled, "the late cancel changes nothing");
    let again = b.engine.cancel(&b.account, id).unwrap_err();
    assert_eq!(again.to_string(), "order already in finalized state: filled");
}

#[test]
fn s3_5_cancelling_a_parent_or_a_leg_cancels_the_group() {
    for leg in [None, Some(0)] {
        let mut b = Bench::new();
        b.own(1);
        let parent = b.place(oco("1.50", "0.50"));
        b.run(SECOND);
        let target = leg.map_or(parent, |i: usize| b.engine.order(&b.account, parent).unwrap().legs[i]);
        b.engine.cancel(&b.account, target).unwrap();
        b.run(SECOND);
        assert_eq!(legs(&b, parent), [Status::Canceled, Status::Canceled]);
        assert_eq!(b.status(parent), Status::Canceled);
        let again = b.engine.cancel(&b.account, parent).unwrap_err();
        assert_eq!(again.to_string(), "order already in finalized state: canceled");
    }
}

#[test]
fn s3_5_an_unknown_order_is_an_unauthorized_account() {
    let mut b = Bench::new();
    let refused = b.engine.cancel(&b.account, OrderId(1)).unwrap_err();
    assert_eq!(refused.to_string(), "Unauthorized Account: 6YA00001");
}

#[test]
fn s3_6_the_list_rolls_at_midnight_in_new_york_and_keeps_working_gtc() {
    let mut b = Bench::new();
    b.own(1);
    let day = b.place(Ticket::single(Leg::market(Side::BuyToOpen, CALL, 1).at(dec("0.10"))));
    let gtc = b.place(oco("1.50", "0.50"));
    let midnight = Ms::at_et("2026-09-11".parse().unwrap(), 0, 0);
    b.engine.advance_to(midnight.plus(-1));
    let seen = |b: &Bench| b.engine.orders(&b.account).map(|o| o.id).collect::<Vec<_>>();
    assert!(seen(&b).contains(&day));
    assert_eq!(b.status(day), Status::Expired);
    b.engine.advance_to(midnight);
    assert_eq!(seen(&b), [gtc]);
    assert_eq!(b.status(gtc), Status::Open);
}

#[test]
fn s6_day_orders_end_with_an_early_close_and_gtc_ones_do_not() {
    let feed = blotter_sim::core::FixedFeed::default();
    feed.set("SPY", "600.00", "600.01");
    let at = |hour| Ms::at_et("2026-11-27".parse().unwrap(), hour, 0);
    let mut engine = blotter_sim::core::Engine::new(Settings::default(), Box::new(feed), 7, at(12));
    engine.open_account(Opening::new("6YA00001", World::Live));
    let account = blotter_sim::core::AccountId("6YA00001".into());
    let leg = Leg::market(Side::Buy, "SPY", 1).at(dec("500.00"));
    let day = engine.place(&account, &Ticket::single(leg.clone())).unwrap();
    let gtc = engine.place(&account, &Ticket::single(leg.gtc())).unwrap();
    engine.advance_to(at(13).plus(-1));
    assert_eq!(engine.order(&account, day).unwrap().status, Status::Open);
    engine.advance_to(at(13).plus(SECOND));
    let status = |id| engine.order(&account, id).unwrap().status;
    assert_eq!((status(day), status(gtc)), (Status::Expired, Status::Open));
}

#[test]
fn s3_6_an_order_stays_pending_while_the_market_is_closed_and_opens_at_half_past_nine() {
    let mut b = Bench::at(Settings::default(), World::Live, 8, 0);
    let id = b.place(Ticket::single(Leg::market(Side::BuyToOpen, CALL, 1)));
    b.run(HOUR);
    assert_eq!(b.status(id), Status::Pending);
    b.run(HOUR);
    assert_eq!(b.status(id), Status::Filled);
    let order = b.engine.order(&b.account, id).unwrap();
    assert_eq!(order.changed.iso(), "2026-09-10T13:30:00.000Z");
}

#[test]
fn s3_6_a_bracket_placed_while_closed_is_accepted_and_protects_from_the_open() {
    let mut b = Bench::at(Settings::default(), World::Live, 15, 59);
    b.own(1);
    b.run(HOUR);
    let parent = b.place(oco("1.50", "0.50"));
    b.run(HOUR);
    assert_eq!(b.status(parent), Status::Pending);
    b.engine.advance_to(Ms::at_et("2026-09-11".parse().unwrap(), 9, 31));
    assert_eq!(legs(&b, parent), [Status::Open, Status::Open]);
    assert_eq!(b.status(parent), Status::Open);
}

#[test]
fn s3_6_a_fill_can_show_before_its_price() {
    let late = Settings { price_lag_chance: 1.0, price_lag_ms: (400, 400), accept_ms: (0, 0), ..Settings::default() };
    let mut b = Bench::with(late, World::Live);
    let id = b.place(Ticket::single(Leg::market(Side::BuyToOpen, CALL, 1)));
    let now = b.engine.now();
    let order = b.engine.order(&b.account, id).unwrap();
    assert_eq!(
        (order.status, order.price_visible(now), order.price_visible(now.plus(400))),
        (Status::Filled, false, true)
    );
}

#[test]
fn s4_selling_more_than_is_held_and_free_is_acknowledged_and_then_rejected() {
    let mut b = Bench::new();
    b.own(1);
    b.place(oco("1.50", "0.50"));
    b.run(SECOND);
    let id = b.place(Ticket::single(sell()));
    b.run(20);
    assert_eq!(b.status(id), Status::Pending);
    b.run(3 * SECOND);
    assert_eq!(b.status(id), Status::Rejected);
    assert_eq!(b.reason(id), CROSS_ZERO);
    assert_eq!(b.held(), 1);
}

#[test]
fn s4_codes_of_the_error_table() {
    let mut b = Bench::with(inline(), World::Live);
    b.feed.set("PENNY", "2.00", "2.01");
    b.feed.set("SPX", "6500", "6500");
    let cases = [
        ("UnexpectedSellOrderOption", sell()),
        ("MarketOrderIsGtc", Leg::market(Side::BuyToOpen, CALL, 1).gtc()),
        ("InitialMargin", Leg::market(Side::BuyToOpen, CALL, 5_000)),
        ("SecurityUndefined", Leg::market(Side::BuyToOpen, "SPY260918C00999000", 1)),
        ("ExpirationDateUndefined", Leg::market(Side::BuyToOpen, "SPY260909C00600000", 1)),
        ("IncorrectOrderQuantity", Leg::market(Side::BuyToOpen, CALL, 10_000_001)),
        ("SellShortOrderLastPriceBelow5", Leg::market(Side::SellShort, "PENNY", 1)),
        ("TradingDeniedForSecurity", Leg::market(Side::Buy, "SPX", 1)),
        ("PricePrecisionIsOutOfRange", Leg::market(Side::BuyToOpen, CALL, 1).at(dec("0.955"))),
        ("OrderPriceIsInvalid", Leg::market(Side::BuyToOpen, CALL, 1).at(dec("0"))),
        ("UnexpectedSellOrder", Leg::market(Side::Sell, "SPY", 1)),
        ("UnexpectedBuyToCoverOrderOption", Leg::market(Side::BuyToClose, CALL, 1)),
        ("BuyStopOrderStopPriceLessAsk", Leg::market(Side::BuyToOpen, CALL, 1).stopped(dec("0.99"))),
    ];
    for (code, leg) in cases {
        match b.engine.place(&b.account, &Ticket::single(leg)).unwrap_err() {
            Refusal::Reject(reject) => assert_eq!(reject.code, code),
            other => panic!("{code}: {other}"),
        }
    }
    let mut long_only = Opening::new("6YA00002", World::Live);
    long_only.option_level = 1;
    b.engine.open_account(long_only);
    let second = blotter_sim::core::AccountId("6YA00002".into());
    let refused = b.engine.place(&second, &Ticket::single(Leg::market(Side::BuyToOpen, CALL, 1))).unwrap_err();
    assert!(refused.to_string().contains("LongOptionTradingDeniedForAccount"));
}

#[test]
fn s4_group_codes() {
    let mut b = Bench::with(inline(), World::Live);
    b.own(1);
    let code =
        |b: &mut Bench, legs: Vec<Leg>| match b.engine.place(&b.account, &Ticket::group(Class::Oco, legs)).unwrap_err()
        {
            Refusal::Reject(reject) => reject.code,
            other => panic!("{other}"),
        };
    assert_eq!(code(&mut b, vec![sell(), sell().stopped(dec("0.5"))]), "OtoOcoMarketNotAllowed");
    assert_eq!(
        code(&mut b, vec![sell().at(dec("1.5")).gtc(), sell().stopped(dec("0.5"))]),
        "OcoExpirationTypeNotTheSame"
    );
    let buy = Leg::market(Side::BuyToOpen, CALL, 1).stopped(dec("1.5"));
    assert_eq!(code(&mut b, vec![sell().at(dec("1.5")), buy]), "OcoOrderWithOppositeLegs");
}

#[test]
fn s5_expired_options_are_exercised_assigned_or_worthless() {
    let mut b = Bench::at(Settings::default(), World::Live, 15, 0);
    b.own(1);
    let short = "SPY260918P00610000";
    b.feed.set(short, "10.00", "10.10");
    b.place(Ticket::single(Leg::market(Side::SellToOpen, short, 1)));
    let worthless = "SPY260918C00700000";
    b.feed.set(worthless, "0.01", "0.02");
    b.place(Ticket::single(Leg::market(Side::BuyToOpen, worthless, 2)));
    b.run(5 * SECOND);
    b.feed.set("SPY", "605.00", "605.01");
    b.engine.advance_to(Ms::at_et("2026-09-18".parse().unwrap(), 19, 0));
    let account = b.engine.account(&b.account).unwrap();
    let held: Vec<_> = account.positions.iter().map(|(s, p)| (s.as_str().to_owned(), p.quantity)).collect();
    assert_eq!(held, [("SPY".to_owned(), 200)], "100 by exercise at 600, 100 by assignment at 610");
    // 100000 − 100.35 + 999.65 − 4.70 − 60000 − 61000
    assert_eq!(account.cash, dec("-20105.40"));
    let words: Vec<_> = account.history.iter().filter_map(|h| h.option_type.clone()).collect();
    assert!(
        words.contains(&"OPTEXP".to_owned())
            && words.contains(&"exercise".to_owned())
            && words.contains(&"assignment".to_owned())
    );
}

#[test]
fn s5_an_index_option_settles_in_cash() {
    let mut b = Bench::at(Settings::default(), World::Live, 15, 0);
    let spxw = "SPXW260910C06000000";
    b.feed.set("SPX", "6010", "6010");
    b.feed.set(spxw, "9.90", "10.00");
    b.place(Ticket::single(Leg::market(Side::BuyToOpen, spxw, 1)));
    b.engine.advance_to(Ms::at_et("2026-09-10".parse().unwrap(), 19, 0));
    let account = b.engine.account(&b.account).unwrap();
    assert!(account.positions.is_empty());
    assert_eq!(account.cash, dec("99999.65"), "−1000 − 0.35 + 1000");
}

#[test]
fn s8_an_expired_option_can_linger_in_the_sandbox() {
    let lingering = Settings { sandbox_lingers: blotter_sim::core::Switch::On, ..Settings::default() };
    let mut b = Bench::with(lingering, World::Sandbox);
    b.own(1);
    b.engine.advance_to(Ms::at_et("2026-09-21".parse().unwrap(), 19, 0));
    assert_eq!(b.held(), 1);
    let contract = Contract::parse(CALL).unwrap();
    assert!(contract.expiry < b.engine.now().date());
}

#[test]
fn s3_6_a_package_fills_whole_at_its_net_price() {
    let mut b = Bench::new();
    let other = "SPY260918C00605000";
    b.feed.set(other, "0.40", "0.42");
    let buy = Leg { kind: Kind::Debit, ..Leg::market(Side::BuyToOpen, CALL, 2) };
    let sell = Leg { kind: Kind::Debit, ..Leg::market(Side::SellToOpen, other, 2) };
    let net = |price: &str| Some(blotter_sim::core::Net { kind: Kind::Debit, price: Some(dec(price)) });
    let ticket =
        |price| Ticket { class: Class::Multileg, tag: None, net: net(price), legs: vec![buy.clone(), sell.clone()] };
    let too_low = b.place(ticket("0.55"));
    let good = b.place(ticket("0.60"));
    b.run(2 * SECOND);
    assert_eq!((b.status(too_low), b.status(good)), (Status::Open, Status::Filled));
    assert_eq!(b.engine.order(&b.account, good).unwrap().average(), dec("0.60"));
    assert_eq!(legs(&b, good), [Status::Filled, Status::Filled]);
}
