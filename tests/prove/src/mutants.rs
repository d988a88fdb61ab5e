//! Mutation of the rules: the engine with one rule taken away must break an invariant in some
//! world. A rule whose removal nothing notices is not tested. Two rules that stand before each
//! other are taken away together.

use std::fmt;

use blotter_daemon::trades::rules::{Rule, Rules};

use crate::runs::Range;
use crate::seed::{Family, Plan, run};
use crate::travel;

/// An engine that lacks a rule, or a pair of them, and where to look for the damage.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    pub without: &'static [Rule],
    /// Each seed in worlds of this family; without it each in those of its own.
    pub family: Option<Family>,
    /// In each of them the database is brought back from a backup.
    pub travels: bool,
    /// The first seed that is tried, and how many.
    pub from: u64,
    pub seeds: u64,
}

/// What came of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Killed { seed: u64, family: Family, violation: String },
    Survived { seeds: u64 },
}

impl Verdict {
    #[must_use]
    pub fn is_killed(&self) -> bool {
        matches!(self, Self::Killed { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed { seed, family, violation } => {
                write!(f, "killed by seed {seed} of {}: {violation}", family.as_str())
            }
            Self::Survived { seeds } => write!(f, "survives {seeds} seeds"),
        }
    }
}

impl Mutant {
    /// What it lacks, by name.
    #[must_use]
    pub fn name(&self) -> String {
        self.without.iter().map(|rule| rule.as_str()).collect::<Vec<_>>().join("+")
    }

    /// The same, to be looked for in other worlds.
    #[must_use]
    pub fn elsewhere(self, range: Range) -> Self {
        Self { family: range.family.or(self.family), from: range.from, seeds: range.count, ..self }
    }

    /// Runs seeds until one of them breaks that holds with all rules in force.
    #[must_use]
    pub fn hunt(&self) -> Verdict {
        let rules = self.without.iter().fold(Rules::ALL, |rules, removed| rules.without(*removed));
        for seed in self.from..self.from + self.seeds {
            let plan = Plan::of(seed);
            let family = self.family.unwrap_or(plan.family);
            let whole = Plan { family, travels: self.travels || plan.travels, ..plan };
            let report = run(&Plan { rules, ..whole.clone() });
            if let Some(violation) = report.violations.first()
                && run(&whole).violations.is_empty()
            {
                return Verdict::Killed { seed, family, violation: violation.clone() };
            }
        }
        Verdict::Survived { seeds: self.seeds }
    }
}

/// Every rule of the engine is in one of them, or in one of those that only a backup shows.
pub fn every() -> impl Iterator<Item = &'static Mutant> {
    ALL.iter().chain(travel::MUTANTS)
}

/// Those that ordinary worlds notice.
pub const ALL: &[Mutant] = &[
    mutant(&[Rule::RecordBeforeSend], Family::Swarm, 0, 500),
    mutant(&[Rule::NeverResend], Family::Zombies, 3, 500),
    mutant(&[Rule::SilenceIsNoEvidence], Family::Swarm, 3, 500),
    mutant(&[Rule::AllPages], Family::Blind, 1, 500),
    mutant(&[Rule::MissingIsNotCanceled], Family::Blind, 1, 500),
    mutant(&[Rule::AbsenceNeedsTime], Family::Restarts, 21, 500),
    mutant(&[Rule::AbsenceNeedsReads], Family::Copies, 130, 500),
    mutant(&[Rule::AbsenceNeedsItsDay], Family::Midnight, 6_486, 500),
    mutant(&[Rule::UnknownIsNotFailed], Family::Zombies, 13, 500),
    mutant(&[Rule::LateArrivals], Family::Late, 1, 500),
    mutant(&[Rule::MismatchNeedsReads], Family::Blind, 2, 500),
    mutant(&[Rule::EndNeedsExplanation], Family::Books, 5, 500),
    mutant(&[Rule::Watchdog], Family::Swarm, 21, 500),
    mutant(&[Rule::EntryDeadline], Family::Lost, 0, 500),
    mutant(&[Rule::SendBy], Family::Zombies, 1, 500),
    mutant(&[Rule::CancelAckIsNoEffect], Family::Zombies, 6, 500),
    mutant(&[Rule::FinalIsNotCanceled], Family::Copies, 178, 500),
    mutant(&[Rule::GateChecksWish], Family::Blind, 67, 500),
    mutant(&[Rule::LeaseFence], Family::Swarm, 0, 500),
    mutant(&[Rule::LeaseIsRenewed], Family::Swarm, 0, 500),
    mutant(&[Rule::CloseWaitsForFinal, Rule::UniqueLiveExit], Family::Zombies, 3, 500),
    mutant(&[Rule::QuietForEntries], Family::Restarts, 9, 500),
    mutant(&[Rule::PlaceNeedsAgreement], Family::Reports, 376, 500),
    mutant(&[Rule::CoverIsSeen], Family::Books, 1, 500),
    mutant(&[Rule::RefusalsNeedPatience], Family::Books, 39, 500),
    mutant(&[Rule::UnknownIsNoCover], Family::Midnight, 12, 500),
    mutant(&[Rule::ExecutedIsMonotone], Family::Blind, 22, 500),
    mutant(&[Rule::FinalIsSticky], Family::Blind, 6, 500),
    mutant(&[Rule::OrphanGuard], Family::Reports, 233, 500),
    mutant(&[Rule::OwnOrdersOnly], Family::Swarm, 51, 500),
    mutant(&[Rule::ValidateBeforeCancel], Family::Midnight, 40, 500),
    mutant(&[Rule::ClosedMarketKeepsBracket], Family::Midnight, 2, 500),
    mutant(&[Rule::PartialEntryIsCut], Family::Reports, 19, 500),
    mutant(&[Rule::OneEntry], Family::Swarm, 172, 500),
    mutant(&[Rule::FlatAbsorbs], Family::Swarm, 0, 500),
    mutant(&[Rule::CumulativePrices], Family::Blind, 4, 500),
    mutant(&[Rule::EndNeedsProof], Family::Reports, 41, 500),
    mutant(&[Rule::ExitFitsPosition], Family::Reports, 163, 500),
];

const fn mutant(without: &'static [Rule], family: Family, from: u64, seeds: u64) -> Mutant {
    Mutant { without, family: Some(family), travels: false, from, seeds }
}
