//! An account that cannot be read, or not fast enough, and one that looks wiped: who is told, when, and until when.

use blotter_prove::crowd;
use blotter_prove::runs::{self, Range, Total};
use blotter_prove::seed::Family;
use blotter_prove::sim::Sim;
use blotter_prove::world::{Gap, World};
use blotter_shared::domain::AlarmKind;

/// The second in which the one position has had its bracket for long.
const HELD: u64 = 60;

/// One position, protected, watched by one daemon.
fn holding() -> Sim {
    let mut sim = Sim::in_turn(crowd::world(1), 1);
    sim.run_until(HELD * 1000);
    let held = sim.world.lock().broker.contracts.iter().any(|contract| contract.position > 0);
    assert!(held, "it is bought by now");
    sim
}

/// What the page about the account says in a second.
fn says(sim: &mut Sim, second: u64, kind: AlarmKind) -> Option<String> {
    sim.run_until(second * 1000);
    let world = sim.world.lock();
    let mut alarms = world.store.book.alarms.iter();
    alarms.find(|alarm| alarm.kind == kind && alarm.trade.is_none()).map(|alarm| alarm.message.clone())
}

fn begin(sim: &Sim, what: impl FnOnce(&mut World)) {
    what(&mut sim.world.lock());
}

#[test]
fn a_token_that_is_not_accepted_is_told_of_by_name_after_forty_seconds_until_a_cut_is_whole() {
    let mut sim = holding();
    begin(&sim, |world| world.refused_until = 160_000);
    // The pass that was due last begins 15 s later at most.
    assert_eq!(says(&mut sim, HELD + 38, AlarmKind::AccountBlind), None, "not before its time");
    let told = says(&mut sim, HELD + 65, AlarmKind::AccountBlind).expect("somebody is told");
    assert!(told.contains("does not accept its token"), "{told}");
    assert!(says(&mut sim, 159, AlarmKind::AccountBlind).is_some(), "for as long as it lasts");
    assert_eq!(says(&mut sim, 175, AlarmKind::AccountBlind), None, "a whole cut takes it back");
    assert_eq!(says(&mut sim, 176, AlarmKind::CutTooSlow), None);
}

#[test]
fn a_broker_that_does_not_answer_is_told_of_and_the_name_follows_the_reason() {
    let mut sim = holding();
    begin(&sim, |world| world.outage_until = 140_000);
    let told = says(&mut sim, HELD + 65, AlarmKind::AccountBlind).expect("somebody is told");
    assert!(told.contains("does not answer (502)"), "{told}");
    begin(&sim, |world| (world.outage_until, world.refused_until) = (0, 180_000));
    let told = says(&mut sim, 150, AlarmKind::AccountBlind).expect("it still cannot be read");
    assert!(told.contains("does not accept its token"), "{told}");
    assert_eq!(says(&mut sim, 195, AlarmKind::AccountBlind), None);
}

#[test]
fn by_night_a_broker_that_is_away_is_no_news_and_a_token_that_is_refused_is() {
    let night = |world: &mut World| world.gaps = vec![Gap { from: HELD, to: 500, new_day: false }];
    let mut sim = holding();
    begin(&sim, night);
    begin(&sim, |world| world.outage_until = 300_000);
    assert_eq!(says(&mut sim, 299, AlarmKind::AccountBlind), None, "it is being mended");
    begin(&sim, |world| world.refused_until = 480_000);
    let told = says(&mut sim, 420, AlarmKind::AccountBlind).expect("at the open it will be refused as well");
    assert!(told.contains("does not accept its token"), "{told}");
}

#[test]
fn an_account_without_a_live_trade_calls_nobody() {
    let mut sim = Sim::in_turn(crowd::world(0), 1);
    sim.run_until(HELD * 1000);
    begin(&sim, |world| (world.refused_until, world.slow_until) = (160_000, 300_000));
    assert_eq!(says(&mut sim, 150, AlarmKind::AccountBlind), None);
    assert_eq!(says(&mut sim, 290, AlarmKind::CutTooSlow), None);
}

#[test]
fn a_cut_that_takes_longer_than_a_pass_is_told_of_until_one_is_whole() {
    let mut sim = holding();
    begin(&sim, |world| world.slow_until = 200_000);
    assert_eq!(says(&mut sim, HELD + 1, AlarmKind::CutTooSlow), None);
    let told = says(&mut sim, HELD + 45, AlarmKind::CutTooSlow).expect("a pass was given up for it");
    assert!(told.contains("longer than the 18 s of a pass") && told.contains("after 3 reads"), "{told}");
    assert_eq!(says(&mut sim, 199, AlarmKind::AccountBlind), None, "it answers");
    assert_eq!(says(&mut sim, 240, AlarmKind::CutTooSlow), None, "a whole cut takes it back");
}

fn check(total: &Total, reached: &[&str]) {
    let broken: Vec<String> = total.broken.iter().map(|broken| format!("{broken:?}")).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let missing: Vec<_> = reached.iter().filter(|mark| !total.marks.contains_key(**mark)).collect();
    assert!(missing.is_empty(), "the seeds never reached {missing:?}, only {:?}", total.marks);
}

#[test]
fn an_account_of_real_money_that_looks_wiped_for_a_while_breaks_no_invariant() {
    let total = runs::all(Range { family: Some(Family::Live), ..Range::new(0, 300) });
    check(&total, &["blank", "halted", "bracket-filled", "bracket-then-close", "quarantine"]);
    assert!(!total.marks.contains_key("SANDBOX_RESET"), "{:?}", total.marks);
}

#[test]
fn reads_that_are_refused_or_take_too_long_break_no_invariant() {
    let total = runs::all(Range { family: Some(Family::Refused), ..Range::new(0, 300) });
    check(&total, &["refused-reads", "slow-reads", "account-blind", "cut-too-slow", "bracket-filled"]);
}
