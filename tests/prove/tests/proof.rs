//! The bounded part of the proof: what runs with every `make test`. Millions of seeds are
//! `blotter-prove --seeds`.

use blotter_daemon::trades::rules::{Rule, Rules};
use blotter_prove::crowd::vanish_at_once;
use blotter_prove::faults::Fired;
use blotter_prove::mutants;
use blotter_prove::runs::{self, Range, Total};
use blotter_prove::seed::{Family, Plan, run};
use blotter_prove::shrink::{kind, shrink};
use blotter_prove::workflows::{self, every_death};

/// What must have been reached for a run to mean anything.
const REACHED: &[&str] = &[
    "absence-proof",
    "bracket-filled",
    "bracket-replaced",
    "bracket-then-close",
    "crash",
    "exit-refused",
    "left-of-others",
    "leg-died",
    "lost",
    "new-day",
    "outside-cancel",
    "outside-order",
    "outside-sale",
    "late-fill",
    "outage",
    "outside-purchase",
    "partial-fill",
    "positions-gone",
    "quarantine",
    "takeover",
    "travel",
    "unwell",
    "wipe",
];

/// Seeds that found something once: what they found must not come back.
const FOUND: &[u64] = &[
    166, 215, 1_399, 6_429, 8_428, 9_205, 10_779, 10_989, 11_099, 11_485, 20_547, 71_607, 100_319, 110_738, 113_469,
    128_913, 140_303, 150_897, 152_357, 153_136, 197_315, 1_008_053, 1_025_009, 1_028_607, 2_001_417, 2_009_924,
    1_033_128, 1_046_129, 1_056_917, 1_106_644, 1_146_345, 1_188_240, 1_198_891, 1_216_915, 1_227_945, 1_231_755,
    1_231_990, 2_024_547, 2_036_909, 2_043_147, 2_053_887, 2_222_915, 2_253_169, 2_336_397, 2_365_825, 2_372_931,
    2_389_619, 2_405_115, 2_419_829, 2_449_337, 2_629_791, 2_699_909, 2_704_983, 2_746_304, 2_850_808, 2_906_877,
    2_919_187, 2_977_419, 3_022_719, 3_153_819, 3_219_917, 3_428_231, 3_586_774, 3_651_399, 3_653_314, 3_944_848,
    4_138_381, 5_235_557, 6_329_629, 7_902_389, 8_595_929, 9_296_324, 10_119_337, 10_377_787, 10_394_125, 10_579_965,
    10_764_557, 12_108_447, 13_413_688, 13_505_996, 13_608_773, 13_823_059, 15_827_530, 15_898_447, 17_296_708,
    17_680_988, 17_791_975, 17_943_815, 18_624_537, 18_642_236, 20_709_357, 20_850_025, 20_936_927, 22_395_874,
    24_977_288,
];

/// The same in worlds of another family than their own.
const FOUND_IN: &[(Family, u64)] = &[
    (Family::Late, 2_504_782),
    (Family::Live, 621),
    (Family::Live, 1_661),
    (Family::Live, 2_694),
    (Family::Live, 2_716),
    (Family::Live, 3_415),
    (Family::Live, 3_526),
    (Family::Live, 3_565),
    (Family::Live, 3_660),
    (Family::Live, 5_679),
];

fn check(total: &Total) {
    let broken: Vec<String> = total.broken.iter().map(|broken| format!("{broken:?}")).collect();
    assert!(broken.is_empty(), "replay with `blotter-prove --replay SEED`:\n{}", broken.join("\n"));
}

/// A quarter of three thousand seeds: none breaks anything, and together they reach everything.
fn quarter(from: u64) {
    let total = runs::all(Range::new(from, 750));
    check(&total);
    let missing: Vec<_> = REACHED.iter().filter(|mark| !total.marks.contains_key(**mark)).collect();
    assert!(missing.is_empty(), "the seeds never reached {missing:?}, only {:?}", total.marks);
}

#[test]
fn no_seed_of_the_first_quarter_breaks_an_invariant() {
    quarter(0);
}

#[test]
fn no_seed_of_the_second_quarter_breaks_an_invariant() {
    quarter(750);
}

#[test]
fn no_seed_of_the_third_quarter_breaks_an_invariant() {
    quarter(1500);
}

#[test]
fn no_seed_of_the_last_quarter_breaks_an_invariant() {
    quarter(2250);
}

#[test]
fn what_a_seed_once_found_stays_mended() {
    for seed in FOUND {
        check(&runs::all(Range::new(*seed, 1)));
    }
    for (family, seed) in FOUND_IN {
        check(&runs::all(Range { family: Some(*family), ..Range::new(*seed, 1) }));
    }
}

#[test]
fn two_brokers_by_two_hands_agree() {
    let total = runs::all(Range { family: Some(Family::Mirrored), ..Range::new(0, 1000) });
    check(&total);
    for mark in ["bracket-filled", "bracket-replaced", "exit-refused", "partial-fill", "outside-sale", "crash"] {
        assert!(total.marks.contains_key(mark), "the seeds never reached {mark}, only {:?}", total.marks);
    }
}

#[test]
fn fifty_brackets_that_vanish_at_once_are_back_within_two_minutes() {
    let rearmed = vanish_at_once(50);
    assert_eq!(rearmed.protected, 50, "all were protected before: {rearmed:?}");
    assert!(rearmed.seconds.is_some_and(|seconds| seconds <= 120), "{rearmed:?}");
    assert_eq!(rearmed.violations, Vec::<String>::new());
}

/// Workflows from one number to another die at each of their awaits.
fn die(some: std::ops::Range<usize>) {
    for workflow in workflows::ALL.iter().take(some.end).skip(some.start) {
        let deaths = every_death(workflow, Rules::ALL);
        let told = deaths.first.map(|first| {
            format!("{}, {:?}: {}\n{}", first.workflow, first.death, first.violations.join("; "), first.log.join("\n"))
        });
        assert_eq!((deaths.bad, told), (0, None), "of {} deaths", deaths.tried);
        assert!(deaths.tried > 200, "{workflow:?} has awaits: {}", deaths.tried);
    }
}

#[test]
fn entries_survive_a_death_at_any_await() {
    die(0..3);
}

#[test]
fn closes_survive_a_death_at_any_await() {
    die(3..7);
}

#[test]
fn brackets_survive_a_death_at_any_await() {
    die(7..13);
}

#[test]
fn a_death_shows_what_is_not_recorded() {
    assert_eq!(workflows::ALL.len(), 13);
    let without = Rules::ALL.without(Rule::RecordBeforeSend);
    let deaths = every_death(&workflows::ALL[3], without);
    assert!(deaths.bad > 0, "an order that nobody wrote down is lost with the process: {deaths:?}");
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..20 {
        let (first, second) = (run(&Plan::of(seed)), run(&Plan::of(seed)));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.fired, second.fired, "seed {seed}");
        assert_eq!(first.marks, second.marks, "seed {seed}");
    }
}

/// A seed that breaks when an answer that was lost is taken for a refusal, and holds otherwise.
fn broken() -> Option<Plan> {
    let without = Rules::ALL.without(Rule::NeverResend);
    let plans = (3..503).map(|seed| Plan { family: Family::Zombies, rules: without, ..Plan::of(seed) });
    let breaks = |plan: &Plan| {
        let holds = || run(&Plan { rules: Rules::ALL, ..plan.clone() }).violations.is_empty();
        !run(plan).violations.is_empty() && holds()
    };
    plans.into_iter().find(breaks)
}

#[test]
fn a_failing_seed_shrinks_to_the_faults_that_matter() {
    let plan = broken().expect("a mutant that is caught");
    let first = run(&plan);
    let (faults, report) = shrink(&plan);
    assert_eq!((kind(&report), kind(&report).is_some()), (kind(&first), true), "it is the same that breaks");
    assert_eq!(report.fired, faults);
    assert!(!faults.is_empty() && faults.len() * 2 < first.fired.len(), "{} of {}", faults.len(), first.fired.len());
    let only = |faults: &[Fired]| run(&Plan { only: Some(faults.iter().copied().collect()), ..plan.clone() });
    let again = only(&faults);
    assert_eq!((again.violations, again.trace), (report.violations, report.trace), "they are all that it takes");
    assert_eq!(kind(&only(&[])), None, "and it takes some");
}

#[test]
fn a_seed_that_breaks_nothing_has_nothing_to_shrink() {
    let (faults, report) = shrink(&Plan::of(0));
    assert_eq!((faults, report.violations), (Vec::new(), Vec::new()));
}

#[test]
fn every_mutant_is_caught() {
    let verdicts = mutants::ALL.iter().map(|mutant| (mutant, mutant.hunt()));
    let alive: Vec<String> = verdicts
        .filter(|(_, verdict)| !verdict.is_killed())
        .map(|(mutant, verdict)| format!("{} {verdict}", mutant.name()))
        .collect();
    assert!(alive.is_empty(), "nothing notices that these rules are gone: {alive:?}");
}

#[test]
fn every_rule_has_a_mutant() {
    let mut listed: Vec<Rule> = mutants::every().flat_map(|mutant| mutant.without).copied().collect();
    listed.sort();
    let mut every = Rule::EVERY.to_vec();
    every.sort();
    assert_eq!(listed, every);
}
