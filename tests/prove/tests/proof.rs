//! The bounded part of the proof: what runs with every `make test`. Millions of seeds are
//! `blotter-prove --seeds`.

use blotter_daemon::trades::rules::Rule;
use blotter_prove::mutants;
use blotter_prove::runs::{self, Range};
use blotter_prove::seed::{Plan, run};

/// What must have been reached for a run to mean anything.
const REACHED: &[&str] = &[
    "absence-proof",
    "bracket-filled",
    "bracket-replaced",
    "bracket-then-close",
    "crash",
    "exit-refused",
    "leg-died",
    "lost",
    "new-day",
    "outside-cancel",
    "outside-order",
    "outside-sale",
    "partial-fill",
    "positions-gone",
    "quarantine",
    "takeover",
    "travel",
    "unwell",
    "wipe",
];

#[test]
fn no_seed_breaks_an_invariant() {
    let total = runs::all(Range { from: 0, count: 300 });
    let broken: Vec<String> = total.broken.iter().map(|broken| format!("{broken:?}")).collect();
    assert!(broken.is_empty(), "replay with `blotter-prove --replay SEED`:\n{}", broken.join("\n"));
    let missing: Vec<_> = REACHED.iter().filter(|mark| !total.marks.contains_key(**mark)).collect();
    assert!(missing.is_empty(), "the seeds never reached {missing:?}, only {:?}", total.marks);
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
fn every_rule_is_caught_or_known_to_be_open() {
    let caught = mutants::ALL.iter().map(|mutant| mutant.without).chain(blotter_prove::travel::MUTANTS.iter().copied());
    let mut listed: Vec<Rule> = caught.chain(mutants::SURVIVORS.iter().map(|(rule, _)| *rule)).collect();
    listed.sort();
    let mut every = Rule::EVERY.to_vec();
    every.sort();
    assert_eq!(listed, every);
}
