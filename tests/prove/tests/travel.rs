//! The database is brought back from a backup, at any moment of any world.

use blotter_daemon::trades::rules::Rules;
use blotter_prove::seed::{Plan, run};
use blotter_prove::travel;

fn plan(seed: u64, rules: Rules) -> Plan {
    Plan { travels: true, rules, ..Plan::of(seed) }
}

#[test]
fn a_backup_that_is_brought_back_breaks_no_invariant() {
    let reports: Vec<_> = (0..300).map(|seed| (seed, run(&plan(seed, Rules::ALL)))).collect();
    let broken: Vec<String> = reports
        .iter()
        .filter(|(_, report)| !report.violations.is_empty())
        .map(|(seed, report)| format!("{seed}: {}", report.violations.join("; ")))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let reached = |mark: &str| reports.iter().filter(|(_, report)| report.marks.contains_key(mark)).count();
    assert!(reached("travel") > 290, "{}", reached("travel"));
    assert!(reached("travel-lost-orders") > 30, "{}", reached("travel-lost-orders"));
}

/// Seeds that found something once: what they found must not come back.
const FOUND: &[u64] = &[2_016, 13_706, 14_781, 16_666, 26_090, 30_494, 45_882, 45_895, 49_022];

#[test]
fn what_a_backup_once_found_stays_mended() {
    for seed in FOUND {
        assert_eq!(run(&plan(*seed, Rules::ALL)).violations, Vec::<String>::new(), "{seed}");
    }
}

#[test]
fn each_rule_of_it_is_missed() {
    for mutant in travel::MUTANTS {
        let verdict = mutant.hunt();
        assert!(verdict.is_killed(), "nothing notices that {} is gone: {verdict}", mutant.name());
    }
}
