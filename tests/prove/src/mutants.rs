//! Mutation of the rules: the engine with one rule taken away must break an invariant in some
//! world. A rule whose removal nothing notices is not tested.

use std::fmt;

use blotter_daemon::trades::rules::{Rule, Rules};

use crate::seed::{Family, Plan, run};

/// An engine that lacks some rules, and where to look for the damage.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    pub without: &'static [Rule],
    pub families: &'static [Family],
    /// Seeds of each family that are tried.
    pub seeds: u64,
    /// Why no seed notices: another rule stands behind this one. A pair then takes both away.
    pub shadow: Option<&'static str>,
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
    /// The rules that it lacks, by name.
    #[must_use]
    pub fn name(&self) -> String {
        self.without.iter().map(|rule| rule.as_str()).collect::<Vec<_>>().join("+")
    }

    /// Runs seeds until one of them breaks that holds with all rules in force.
    #[must_use]
    pub fn hunt(&self) -> Verdict {
        let rules = self.without.iter().fold(Rules::ALL, |rules, rule| rules.without(*rule));
        for seed in 0..self.seeds {
            for family in self.families {
                let report = run(&Plan { family: *family, rules, ..Plan::of(seed) });
                let whole = Plan { family: *family, ..Plan::of(seed) };
                if let Some(violation) = report.violations.first()
                    && run(&whole).violations.is_empty()
                {
                    return Verdict::Killed { seed, family: *family, violation: violation.clone() };
                }
            }
        }
        let families = u64::try_from(self.families.len()).unwrap_or(1);
        Verdict::Survived { seeds: self.seeds * families }
    }
}

const fn mutant(without: &'static [Rule], families: &'static [Family], seeds: u64) -> Mutant {
    Mutant { without, families, seeds, shadow: None }
}

/// Every rule of the engine, one at a time.
pub const ALL: &[Mutant] = &[
    mutant(&[Rule::RecordBeforeSend], Family::EVERY, 100),
    mutant(&[Rule::NeverResend], Family::EVERY, 100),
    mutant(&[Rule::SilenceIsNoEvidence], Family::EVERY, 100),
    mutant(&[Rule::AllPages], Family::EVERY, 100),
    mutant(&[Rule::MissingIsNotCanceled], Family::EVERY, 100),
    mutant(&[Rule::AbsenceNeedsTime], Family::EVERY, 100),
    mutant(&[Rule::AbsenceNeedsReads], Family::EVERY, 100),
    mutant(&[Rule::AbsenceNeedsItsDay], Family::EVERY, 100),
    mutant(&[Rule::UnknownIsNotFailed], Family::EVERY, 100),
    mutant(&[Rule::LateArrivals], Family::EVERY, 100),
    mutant(&[Rule::MismatchNeedsReads], Family::EVERY, 100),
    mutant(&[Rule::Watchdog], Family::EVERY, 100),
    mutant(&[Rule::EntryDeadline], Family::EVERY, 100),
    mutant(&[Rule::SendBy], Family::EVERY, 100),
    mutant(&[Rule::CloseWaitsForFinal], Family::EVERY, 100),
    mutant(&[Rule::CancelAckIsNoEffect], Family::EVERY, 100),
    mutant(&[Rule::FinalIsNotCanceled], Family::EVERY, 100),
    mutant(&[Rule::GateChecksWish], Family::EVERY, 100),
    mutant(&[Rule::LeaseFence], Family::EVERY, 100),
    mutant(&[Rule::CommitRenewsLease], Family::EVERY, 100),
    mutant(&[Rule::UniqueLiveExit], Family::EVERY, 100),
    mutant(&[Rule::QuietForEntries], Family::EVERY, 100),
    mutant(&[Rule::PlaceNeedsAgreement], Family::EVERY, 100),
    mutant(&[Rule::UnknownIsNoCover], Family::EVERY, 100),
    mutant(&[Rule::ExecutedIsMonotone], Family::EVERY, 100),
    mutant(&[Rule::FinalIsSticky], Family::EVERY, 100),
    mutant(&[Rule::OrphanGuard], Family::EVERY, 100),
    mutant(&[Rule::OwnOrdersOnly], Family::EVERY, 100),
    mutant(&[Rule::ValidateBeforeCancel], Family::EVERY, 100),
    mutant(&[Rule::ClosedMarketKeepsBracket], Family::EVERY, 100),
    mutant(&[Rule::PartialEntryIsCut], Family::EVERY, 100),
    mutant(&[Rule::OneEntry], Family::EVERY, 100),
    mutant(&[Rule::FlatAbsorbs], Family::EVERY, 100),
    mutant(&[Rule::CumulativePrices], Family::EVERY, 100),
    mutant(&[Rule::EndNeedsProof], Family::EVERY, 100),
    mutant(&[Rule::ExitFitsPosition], Family::EVERY, 100),
    mutant(&[Rule::LateArrivals], &[Family::Late], 300),
    mutant(&[Rule::CloseWaitsForFinal, Rule::UniqueLiveExit], &[Family::Zombies], 300),
    mutant(&[Rule::UniqueLiveExit, Rule::LeaseFence], &[Family::Zombies], 300),
    mutant(&[Rule::FinalIsNotCanceled, Rule::FinalIsSticky], &[Family::Zombies, Family::Blind], 200),
    mutant(&[Rule::AbsenceNeedsReads, Rule::LateArrivals], &[Family::Blind], 400),
    mutant(&[Rule::AbsenceNeedsItsDay, Rule::LateArrivals], &[Family::Midnight], 400),
    mutant(&[Rule::QuietForEntries, Rule::SendBy], &[Family::Zombies], 300),
];
