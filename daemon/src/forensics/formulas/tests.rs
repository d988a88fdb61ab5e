use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_789_050_600 + seconds, 0).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn part(seconds: i64, side: Side, quantity: u32, price: &str) -> Execution {
    Execution { at: at(seconds), side, quantity, price: decimal(price) }
}

fn point(seconds: i64, mid: &str, bid: &str) -> Point {
    let price = |text: &str| (!text.is_empty()).then(|| decimal(text));
    Point { at: at(seconds), mid: price(mid), bid: price(bid), from: Origin::Own }
}

fn find(executions: &[Execution], points: &[Point]) -> Findings {
    let sessions = [(at(0), at(23_400))];
    let case = Case { multiplier: 100, executions, points, sessions: &sessions, interval: TimeDelta::seconds(40) };
    case.findings().unwrap()
}

#[test]
fn a_plain_winner() {
    let trade = [part(0, Side::Buy, 2, "5.00"), part(4000, Side::Sell, 2, "6.00")];
    let path = [
        point(40, "4.50", "4.40"),
        point(880, "5.55", "5.45"),
        point(3590, "7.05", "6.95"),
        point(5000, "8.05", "7.95"),
    ];
    let found = find(&trade, &path);
    assert_eq!(found.mid.pnl_15m, Some(decimal("110")), "(5.55 - 5.00) x 2 x 100, 20 s old");
    assert_eq!(found.mid.pnl_1h, Some(decimal("410")));
    assert_eq!((found.bid.pnl_15m, found.bid.pnl_1h), (Some(decimal("90")), Some(decimal("390"))));
    assert_eq!((found.mid.mfe_pct, found.mid.mae_pct), (Some(decimal("41")), Some(decimal("10"))));
    assert_eq!((found.bid.mfe_pct, found.bid.mae_pct), (Some(decimal("39")), Some(decimal("12"))));
    assert_eq!((found.mfe_at, found.mae_at), (Some(at(3590)), Some(at(40))));
    assert_eq!(found.mid.exit_efficiency_pct, Some(decimal("48.7805")), "200 of 410");
    assert_eq!(found.mid.post_exit_mfe_pct, Some(decimal("41")), "(8.05 - 6.00) x 200 of 1000");
    assert_eq!(found.bid.post_exit_mfe_pct, Some(decimal("39")));
}

#[test]
fn parts_that_were_sold_count_at_what_they_brought() {
    let trade = [part(0, Side::Buy, 3, "4.00"), part(600, Side::Sell, 1, "5.00"), part(1800, Side::Sell, 2, "4.50")];
    let path = [point(880, "6.00", "5.90"), point(1200, "3.00", "2.90")];
    let found = find(&trade, &path);
    assert_eq!(found.mid.pnl_15m, Some(decimal("500")), "100 brought, two at 6.00");
    assert_eq!(found.mid.pnl_1h, Some(decimal("200")), "all is sold: 100 + 100");
    assert_eq!(found.mid.mfe_pct, Some(decimal("41.6667")), "500 of 1200");
    assert_eq!(found.mid.mae_pct, Some(decimal("8.3333")), "100 - 200");
    assert_eq!(found.mid.exit_efficiency_pct, Some(decimal("40")));
}

#[test]
fn a_scratch_has_no_efficiency_and_a_loser_a_negative_one() {
    let scratch = [part(0, Side::Buy, 1, "2.00"), part(60, Side::Sell, 1, "2.00")];
    let found = find(&scratch, &[]);
    assert_eq!((found.mid.mfe_pct, found.mid.mae_pct), (Some(Decimal::ZERO), Some(Decimal::ZERO)));
    assert_eq!((found.mid.exit_efficiency_pct, found.mid.pnl_15m), (None, Some(Decimal::ZERO)));
    assert_eq!((found.mfe_at, found.mid.post_exit_mfe_pct), (None, None));
    assert_eq!(found.coverage_pct, Decimal::ZERO, "nobody looked");
    let loser = [part(0, Side::Buy, 1, "2.00"), part(600, Side::Sell, 1, "1.00")];
    let found = find(&loser, &[point(300, "2.50", "2.40")]);
    assert_eq!(found.mid.exit_efficiency_pct, Some(decimal("-200")));
    assert_eq!(found.mid.mae_pct, Some(decimal("50")), "the fill itself is the worst mark");
}

#[test]
fn an_old_mark_is_no_mark() {
    let trade = [part(0, Side::Buy, 1, "2.00"), part(7200, Side::Sell, 1, "2.00")];
    let found = find(&trade, &[point(819, "3.00", "2.90"), point(3520, "3.00", "")]);
    assert_eq!(found.mid.pnl_15m, None, "81 s old");
    assert_eq!((found.mid.pnl_1h, found.bid.pnl_1h), (Some(decimal("100")), None), "80 s old, and without a bid");
}

#[test]
fn coverage_counts_the_markets_time_and_no_moment_twice() {
    let trade = [part(0, Side::Buy, 1, "2.00"), part(30_000, Side::Sell, 1, "2.00")];
    let every = |step: i64| (0..=23_400 / step).map(|turn| point(turn * step, "2.00", "1.90")).collect::<Vec<_>>();
    assert_eq!(find(&trade, &every(40)).coverage_pct, decimal("100"), "after the close nothing is missing");
    assert_eq!(find(&trade, &every(200)).coverage_pct, decimal("40"));
    let mut bars = every(200);
    bars.iter_mut().for_each(|point| point.from = Origin::Bar);
    let found = find(&trade, &bars);
    assert_eq!((found.coverage_pct, found.own_coverage_pct), (decimal("40"), Decimal::ZERO));
}

#[test]
fn what_was_never_held_or_never_sold_has_no_figures() {
    let sessions = [(at(0), at(23_400))];
    for executions in
        [vec![], vec![part(0, Side::Buy, 1, "2.00")], vec![part(0, Side::Buy, 1, "0"), part(9, Side::Sell, 1, "1")]]
    {
        let case = Case {
            multiplier: 100,
            executions: &executions,
            points: &[],
            sessions: &sessions,
            interval: TimeDelta::seconds(40),
        };
        assert_eq!(case.findings(), None);
    }
}

proptest! {
    #[test]
    fn the_best_is_no_worse_than_the_result_and_the_bid_no_better_than_the_middle(
        marks in prop::collection::vec((1_i64..20_000, 10_i64..2000, 0_i64..10), 0..60),
        (bought, first, last, left) in (2_u32..9, 10_i64..1500, 10_i64..1500, 1_u32..9),
    ) {
        let cents = |cents: i64| Decimal::new(cents, 2);
        let mut points: Vec<Point> = marks.iter().map(|(seconds, mid, half)| Point {
            at: at(*seconds), mid: Some(cents(*mid)), bid: Some(cents((mid - half).max(0))), from: Origin::Own,
        }).collect();
        points.sort_by_key(|point| point.at);
        let (left, bid) = (left.min(bought - 1), Decimal::ONE);
        let trade = [
            Execution { at: at(0), side: Side::Buy, quantity: bought, price: bid * cents(500) },
            Execution { at: at(7000), side: Side::Sell, quantity: bought - left, price: cents(first) },
            Execution { at: at(15_000), side: Side::Sell, quantity: left, price: cents(last) },
        ];
        let found = find(&trade, &points);
        prop_assert!(found.mid.mfe_pct >= found.bid.mfe_pct);
        prop_assert!(found.mid.mae_pct <= found.bid.mae_pct);
        prop_assert!(found.mid.exit_efficiency_pct.is_none_or(|share| share <= Decimal::ONE_HUNDRED));
        prop_assert!((Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&found.coverage_pct));
    }
}
