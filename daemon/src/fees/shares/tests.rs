use proptest::prelude::*;

use super::*;

const CALL: &str = "SPY261218C00600000";

fn day(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 9, number).unwrap()
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// As the broker lists it: a sale is negative, money that went out is.
fn event(on: u32, quantity: i64, commission: &str) -> HistoryEvent {
    let midnight = day(on).and_time(NaiveTime::MIN).and_utc();
    HistoryEvent {
        kind: HistoryKind::Trade,
        amount: -Decimal::from(quantity * 500) - dec(commission),
        at: Some(midnight),
        symbol: Some(CALL.to_owned()),
        description: None,
        quantity: Some(quantity.into()),
        price: Some(Decimal::from(5)),
        commission: Some(dec(commission)),
        detail: Some("Option".to_owned()),
    }
}

fn part(order: u32, seen_on: u32, quantity: i64) -> Part {
    let key = FillKey { order: order.to_string(), leg: order.to_string(), cumulative: 1 };
    Part {
        whose: Whose::Fill(key),
        symbol: CALL.to_owned(),
        bought: quantity > 0,
        contracts: u32::try_from(quantity.abs()).unwrap(),
        seen_on: day(seen_on),
        earliest: day(seen_on),
        fee: None,
    }
}

fn told(events: &[HistoryEvent]) -> Told {
    Told::of(events, &BTreeMap::from([(CALL.to_owned(), 100)]), day(20))
}

fn charged(parts: &[Part], events: &[HistoryEvent]) -> Vec<(usize, String)> {
    let mut fees = shares(parts, &told(events), day(20));
    fees.sort_unstable();
    fees.into_iter().map(|(index, fee)| (index, fee.normalize().to_string())).collect()
}

fn of(fees: &[(usize, &str)]) -> Vec<(usize, String)> {
    fees.iter().map(|(index, fee)| (*index, (*fee).to_owned())).collect()
}

#[test]
fn a_day_is_shared_by_contracts_and_no_cent_is_lost() {
    let parts = [part(1, 10, 1), part(2, 10, 1), part(3, 10, 1), part(4, 10, -3)];
    let fees = charged(&parts, &[event(10, 3, "1.00"), event(10, -2, "0.70"), event(10, -1, "0.355")]);
    assert_eq!(fees, of(&[(0, "0.33"), (1, "0.34"), (2, "0.33"), (3, "1.055")]), "the sale's sum is not in cents");
}

#[test]
fn beside_somebody_elses_contracts_ours_are_charged_what_falls_to_them() {
    let fees = charged(&[part(1, 10, 2)], &[event(10, 2, "0.70"), event(10, 3, "1.05")]);
    assert_eq!(fees, of(&[(0, "0.7")]));
    assert_eq!(charged(&[part(1, 10, 1)], &[event(10, 3, "1.00")]), of(&[(0, "0.33")]));
}

#[test]
fn no_commission_is_told_and_silence_is_not() {
    assert_eq!(charged(&[part(1, 10, 2)], &[event(10, 2, "0")]), of(&[(0, "0")]));
    assert_eq!(charged(&[part(1, 10, 2)], &[]), of(&[]));
    let silent = HistoryEvent { commission: None, ..event(10, 2, "0") };
    assert_eq!(charged(&[part(1, 10, 2)], &[silent]), of(&[]));
    assert_eq!(charged(&[part(1, 10, 2)], &[event(9, 2, "0.70")]), of(&[]), "another day is another trade");
    assert_eq!(charged(&[part(1, 10, 2)], &[event(10, -2, "0.70")]), of(&[]), "and so is another side");
}

#[test]
fn half_a_history_charges_nobody() {
    let parts = [part(1, 10, 2), part(2, 10, 2)];
    assert_eq!(charged(&parts, &[event(10, 2, "0.70")]), of(&[]));
    let odd = HistoryEvent { quantity: Some(dec("1.5")), ..event(12, 1, "0.35") };
    assert_eq!(charged(&parts, &[event(10, 4, "1.40"), odd]), of(&[]), "what else is not understood is not known");
}

#[test]
fn today_is_not_told_yet() {
    let events = [event(10, 2, "0.70")];
    let told = Told::of(&events, &BTreeMap::from([(CALL.to_owned(), 100)]), day(10));
    assert_eq!(shares(&[part(1, 10, 2)], &told, day(10)), []);
}

#[test]
fn what_was_charged_stays_and_the_rest_shares_the_rest() {
    let booked = Part { fee: Some(dec("0.35")), ..part(1, 10, 1) };
    let parts = [booked, part(2, 10, 1), part(3, 10, 1)];
    assert_eq!(charged(&parts, &[event(10, 3, "1.00")]), of(&[(1, "0.33"), (2, "0.32")]));
}

#[test]
fn an_execution_that_was_seen_days_later_is_found_on_its_day() {
    // Sent on the 10th, made on the 11th, seen by a daemon that came back on the 14th.
    let late = Part { earliest: day(10), ..part(1, 14, -2) };
    let fees = charged(std::slice::from_ref(&late), &[event(11, -2, "0.70"), event(9, -2, "9")]);
    assert_eq!(fees, of(&[(0, "0.7")]));
    // That day's contracts are another trade's.
    assert_eq!(charged(&[part(2, 11, -2), late.clone()], &[event(11, -2, "0.70")]), of(&[(0, "0.7")]));
    // Of what was seen yesterday the day may still come.
    let fresh = Part { seen_on: day(18), ..late };
    assert_eq!(charged(&[fresh], &[event(11, -2, "0.70")]), of(&[]));
}

#[test]
fn a_sale_without_a_sign_is_known_by_its_money() {
    for (quantity, amount, price, bought) in [
        ("2", "-1000.70", "5", true),
        ("2", "-1000", "5", true),
        ("2", "999.30", "5", false),
        ("2", "1000", "5", false),
        ("-2", "999.30", "5", false),
        // One dollar's worth at a commission of five.
        ("1", "-4", "0.01", false),
        ("1", "-6", "0.01", true),
    ] {
        let commission = if price == "5" { "0.70" } else { "5" };
        let event = HistoryEvent {
            quantity: Some(dec(quantity)),
            amount: dec(amount),
            price: Some(dec(price)),
            ..event(10, 1, commission)
        };
        assert_eq!(charge_of(&event, 100).unwrap().1, bought, "{quantity} for {amount}");
    }
}

#[test]
fn midnight_in_utc_is_the_day_itself_and_any_other_time_is_new_yorks() {
    assert_eq!(day_of("2026-09-10T00:00:00Z".parse().unwrap()), day(10));
    assert_eq!(day_of("2026-09-11T01:30:00Z".parse().unwrap()), day(10));
}

proptest! {
    #[test]
    fn whoever_traded_everything_pays_everything(sizes in proptest::collection::vec(1_u32..9, 1..12), mils in 0_i64..20_000) {
        let parts: Vec<Part> = (0..).zip(&sizes).map(|(order, size)| part(order, 10, i64::from(*size))).collect();
        let all: u32 = sizes.iter().sum();
        let commission = Decimal::new(mils, 3);
        let fees = shares(&parts, &told(&[event(10, i64::from(all), &commission.to_string())]), day(20));
        prop_assert_eq!(fees.iter().map(|(_, fee)| *fee).sum::<Decimal>(), commission);
        for (index, fee) in fees {
            let fair = commission * Decimal::from(sizes[index]) / Decimal::from(all);
            prop_assert!((fee - fair).abs() <= dec("0.0151"), "{fee} for {fair}");
        }
    }

    #[test]
    fn nights_in_any_order_charge_the_same_sum(first in 1_u32..9, second in 1_u32..9, foreign in 0_u32..5, cents in 0_i64..5000) {
        let commission = Decimal::new(cents, 2);
        let events = [event(10, i64::from(first + second + foreign), &commission.to_string())];
        let both = [part(1, 10, i64::from(first)), part(2, 10, i64::from(second))];
        let at_once: Decimal = shares(&both, &told(&events), day(20)).iter().map(|(_, fee)| *fee).sum();
        let one = shares(&both[..1], &told(&events), day(20))[0].1;
        let booked = [Part { fee: Some(one), ..both[0].clone() }, both[1].clone()];
        let other = shares(&booked, &told(&events), day(20));
        prop_assert_eq!(other.len(), 1);
        prop_assert_eq!(one + other[0].1, at_once);
        prop_assert_eq!(shares(&[Part { fee: Some(one), ..both[0].clone() }], &told(&events), day(20)), vec![]);
    }
}
