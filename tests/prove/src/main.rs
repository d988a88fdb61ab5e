//! `blotter-prove`: runs seeds, replays one, takes rules away.
use std::process::ExitCode;

use blotter_prove::faults::Fired;
use blotter_prove::mutants;
use blotter_prove::runs::{self, Range};
use blotter_prove::seed::Plan;
use blotter_prove::shrink::shrink;
use clap::Parser;

/// Simulates whole days of trading, with faults, against the trade engine.
#[derive(Debug, Parser)]
#[command(name = "blotter-prove")]
struct Args {
    /// How many seeds to run
    #[arg(long, default_value_t = 3000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run one seed and print what happened in it
    #[arg(long, conflicts_with = "mutants")]
    replay: Option<u64>,
    /// With --replay: the database is brought back from a backup once
    #[arg(long, requires = "replay")]
    travel: bool,
    /// Take away one rule at a time and count which mutants a seed notices
    #[arg(long)]
    mutants: bool,
    /// With --mutants: only those whose name contains this
    #[arg(long, default_value = "", requires = "mutants")]
    only: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let good = match args.replay {
        Some(seed) => replay(&Plan { log: true, travels: args.travel || Plan::of(seed).travels, ..Plan::of(seed) }),
        None if args.mutants => take_rules_away(&args.only),
        None => run(Range { from: args.from, count: args.seeds }),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends with one line; before it, for each seed that breaks something, the few faults that matter.
fn run(range: Range) -> bool {
    let total = runs::all(range);
    for broken in &total.broken {
        explain(broken.seed);
    }
    let marks: Vec<String> = total.marks.iter().map(|(mark, count)| format!("{mark}={count}")).collect();
    println!("seeds {} violations {} coverage {}", range.count, total.broken.len(), marks.join(" "));
    total.broken.is_empty()
}

fn explain(seed: u64) {
    let plan = Plan { log: true, ..Plan::of(seed) };
    let (faults, report) = shrink(&plan);
    println!("seed {seed} of family {}: {}", plan.family.as_str(), report.violations.join("; "));
    println!("  with {} faults: {}", faults.len(), words(&faults));
    for line in &report.log {
        println!("  {line}");
    }
}

fn replay(plan: &Plan) -> bool {
    let report = blotter_prove::seed::run(plan);
    let seed = plan.seed;
    for line in &report.log {
        println!("{line}");
    }
    println!("seed {seed} trace {:016x} faults {}", report.trace, words(&report.fired));
    println!("violations {}: {}", report.violations.len(), report.violations.join("; "));
    report.violations.is_empty()
}

fn words(faults: &[Fired]) -> String {
    let words: Vec<String> = faults.iter().map(|(class, n)| format!("{} {n}", class.as_str())).collect();
    words.join(", ")
}

fn take_rules_away(only: &str) -> bool {
    let mut killed = 0;
    let chosen: Vec<_> = mutants::ALL.iter().filter(|mutant| mutant.name().contains(only)).collect();
    for mutant in &chosen {
        let verdict = mutant.hunt();
        println!("{:<28} {verdict}", mutant.name());
        killed += usize::from(verdict.is_killed());
    }
    for (rule, shadow) in mutants::SURVIVORS.iter().filter(|(rule, _)| rule.as_str().contains(only)) {
        println!("{:<28} open: {shadow}", rule.as_str());
    }
    println!("mutants {} killed {killed} open {}", chosen.len(), mutants::SURVIVORS.len());
    killed == chosen.len()
}
