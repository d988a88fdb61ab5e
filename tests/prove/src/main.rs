//! `blotter-prove`: runs seeds, replays one, shrinks one, kills mutants.
fn main() {
    let from: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(0);
    let n: u64 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(100);
    let log = std::env::args().nth(3).is_some();
    let mut marks = std::collections::BTreeMap::new();
    let mut bad = 0;
    for s in from..from + n {
        let mut plan = blotter_prove::seed::Plan::of(s);
        plan.log = log;
        let r = blotter_prove::seed::run(&plan);
        for (k, v) in &r.marks {
            *marks.entry(*k).or_insert(0u64) += v;
        }
        if !r.violations.is_empty() {
            bad += 1;
            println!("seed {s} {:?} {:?} at {}", plan.family, r.violations, r.seconds);
        }
        if log {
            for l in &r.log {
                println!("{l}");
            }
            println!("{:?}", r.fired.len());
        }
    }
    println!("seeds {n} bad {bad} {marks:?}");
}
