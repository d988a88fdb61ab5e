//! `blotter-prove`: runs seeds, replays one, takes rules away.
use std::process::ExitCode;

use blotter_daemon::trades::rules::Rules;
use blotter_prove::faults::Fired;
use blotter_prove::mutants;
use blotter_prove::runs::{self, Range, Total};
use blotter_prove::seed::{Family, Plan};
use blotter_prove::shrink::shrink;
use blotter_prove::workflows;
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
    /// Run seeds of one family only; by itself a seed says its family
    #[arg(long, value_parser = family)]
    family: Option<Family>,
    /// Run one seed and print what happened in it
    #[arg(long, conflicts_with = "mutants")]
    replay: Option<u64>,
    /// In each seed the database is brought back from a backup once
    #[arg(long, conflicts_with = "mutants")]
    travel: bool,
    /// Take away one rule at a time and count which mutants a seed notices; with --family in the
    /// worlds that are asked for, else in those that each mutant is listed with
    #[arg(long)]
    mutants: bool,
    /// Carry out thirteen workflows and die at each await of each
    #[arg(long, conflicts_with = "mutants")]
    deaths: bool,
    /// Let so many brackets vanish at once
    #[arg(long, conflicts_with = "mutants")]
    crowd: Option<usize>,
    /// With --mutants: only those whose name contains this
    #[arg(long, default_value = "", requires = "mutants")]
    only: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let range = Range { from: args.from, count: args.seeds, family: args.family, travels: args.travel };
    let good = match args.replay {
        Some(seed) => replay(&range.plan(seed)),
        None if args.crowd.is_some() => lose_brackets(args.crowd.unwrap_or_default()),
        None if args.deaths => die_everywhere(),
        None if args.mutants => take_rules_away(&args.only, args.family.map(|_| range)),
        None => run(range),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn family(word: &str) -> Result<Family, String> {
    let known = Family::EVERY.iter().find(|family| family.as_str() == word);
    known.copied().ok_or_else(|| Family::EVERY.iter().map(|family| family.as_str()).collect::<Vec<_>>().join(", "))
}

/// Seeds between two words on how far it has come.
const SLICE: u64 = 10_000;

/// Ends with one line; before it, for each seed that breaks something, the few faults that matter.
fn run(range: Range) -> bool {
    let mut total = Total::default();
    let mut done = 0;
    while done < range.count {
        let slice = Range { from: range.from + done, count: SLICE.min(range.count - done), ..range };
        let part = runs::all(slice);
        for broken in &part.broken {
            explain(&range.plan(broken.seed));
        }
        total.add(part);
        done += slice.count;
        if range.count > SLICE {
            eprintln!("{done} of {} seeds, {} violations", range.count, total.broken.len());
        }
    }
    let marks: Vec<String> = total.marks.iter().map(|(mark, count)| format!("{mark}={count}")).collect();
    println!("seeds {} violations {} coverage {}", range.count, total.broken.len(), marks.join(" "));
    total.broken.is_empty()
}

fn explain(plan: &Plan) {
    let plan = Plan { log: true, ..plan.clone() };
    let (faults, report) = shrink(&plan);
    println!("seed {} of family {}: {}", plan.seed, plan.family.as_str(), report.violations.join("; "));
    println!("  with {} faults: {}", faults.len(), words(&faults));
    for line in &report.log {
        println!("  {line}");
    }
}

fn replay(plan: &Plan) -> bool {
    let report = blotter_prove::seed::run(&Plan { log: true, ..plan.clone() });
    for line in &report.log {
        println!("{line}");
    }
    println!("seed {} trace {:016x} faults {}", plan.seed, report.trace, words(&report.fired));
    println!("violations {}: {}", report.violations.len(), report.violations.join("; "));
    report.violations.is_empty()
}

fn words(faults: &[Fired]) -> String {
    let words: Vec<String> = faults.iter().map(|(class, n)| format!("{} {n}", class.as_str())).collect();
    words.join(", ")
}

fn lose_brackets(count: usize) -> bool {
    let rearmed = blotter_prove::crowd::vanish_at_once(count);
    println!("{rearmed:?}");
    rearmed.seconds.is_some() && rearmed.violations.is_empty()
}

/// A workflow's first bad end is told in full.
fn die_everywhere() -> bool {
    let (mut tried, mut bad) = (0, 0);
    for workflow in workflows::ALL {
        let deaths = workflows::every_death(workflow, Rules::ALL);
        println!("{:<40} deaths {} bad ends {}", workflow.name, deaths.tried, deaths.bad);
        if let Some(first) = deaths.first {
            println!("  {:?}: {}", first.death, first.violations.join("; "));
            first.log.iter().for_each(|line| println!("  {line}"));
        }
        tried += deaths.tried;
        bad += deaths.bad;
    }
    println!("workflows {} deaths {tried} bad ends {bad}", workflows::ALL.len());
    bad == 0
}

/// In the worlds that each is listed with, or in others.
fn take_rules_away(only: &str, elsewhere: Option<Range>) -> bool {
    let mut killed = 0;
    let chosen: Vec<_> = mutants::every().filter(|mutant| mutant.name().contains(only)).collect();
    for mutant in &chosen {
        let verdict = elsewhere.map_or(**mutant, |range| mutant.elsewhere(range)).hunt();
        println!("{:<28} {verdict}", mutant.name());
        killed += usize::from(verdict.is_killed());
    }
    println!("mutants {} killed {killed}", chosen.len());
    killed == chosen.len()
}
