//! The rules of the engine by name, so that a proof can take one away and see whether anything
//! notices. Production has one value, [`Rules::ALL`]; `tests/prove` builds the mutants.
//!
//! A rule stands here only when the code asks for it by name at the one place where it acts.

/// Declares the rules with the word by which a mutant is named.
macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One rule of the design.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// Every rule, in the order of the design document.
            pub const EVERY: &'static [Self] = &[$(Self::$name,)*];

            /// The name on the command line and in the table of mutants.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

rules! {
    /// The intent is durable before the first byte leaves.
    RecordBeforeSend = "record-before-send",
    /// A write whose fate is unknown is never sent again under any name.
    NeverResend = "never-resend",
    /// An empty or failed read says nothing.
    SilenceIsNoEvidence = "silence-is-no-evidence",
    /// The list of orders is read to its last page.
    AllPages = "all-pages",
    /// An order that a list does not show is not cancelled.
    MissingIsNotCanceled = "missing-is-not-canceled",
    /// Absence needs the longest delivery time to have passed.
    AbsenceNeedsTime = "absence-needs-time",
    /// Absence needs several clean reads.
    AbsenceNeedsReads = "absence-needs-reads",
    /// Absence is proven by a list of the day on which the order was sent.
    AbsenceNeedsItsDay = "absence-needs-its-day",
    /// No answer is not a refusal.
    UnknownIsNotFailed = "unknown-is-not-failed",
    /// An order that arrives after it was proven absent is taken up again.
    LateArrivals = "late-arrivals",
    /// A position that differs is believed after several agreeing reads.
    MismatchNeedsReads = "mismatch-needs-reads",
    /// A position that is gone without a reason ends nothing and takes no bracket away.
    EndNeedsExplanation = "end-needs-explanation",
    /// Anybody raises the alarm when a held trade was not verified for too long.
    Watchdog = "watchdog",
    /// An entry that could not be sent in time is void.
    EntryDeadline = "entry-deadline",
    /// The send deadline is looked at again with nothing between the look and the write.
    SendBy = "send-by",
    /// A close waits until every leg of the bracket is final in the list.
    CloseWaitsForFinal = "close-waits-for-final",
    /// The answer to a cancel is an acknowledgement and no effect.
    CancelAckIsNoEffect = "cancel-ack-is-no-effect",
    /// `already final` may mean filled: the list is read.
    FinalIsNotCanceled = "final-is-not-canceled",
    /// The send gate refuses what the wish no longer wants.
    GateChecksWish = "gate-checks-wish",
    /// Every write of engine state needs the lease.
    LeaseFence = "lease-fence",
    /// The owner renews its lease as a pass begins, with each commit and in its sleep.
    LeaseIsRenewed = "lease-is-renewed",
    /// One live exit for an account and a symbol.
    UniqueLiveExit = "unique-live-exit",
    /// A new owner sends no entry until the old one's requests have died.
    QuietForEntries = "quiet-for-entries",
    /// Nothing is placed unless ledger and position agree in the same cut.
    PlaceNeedsAgreement = "place-needs-agreement",
    /// Only an exit that was seen working covers anything.
    UnknownIsNoCover = "unknown-is-no-cover",
    /// Only a stop that is seen at the market, at its price, covers anything, or becomes the last good one.
    CoverIsSeen = "cover-is-seen",
    /// What was executed never shrinks.
    ExecutedIsMonotone = "executed-is-monotone",
    /// An order that came to an end stays there, whatever an older list says.
    FinalIsSticky = "final-is-sticky",
    /// Own orders that nothing wants any more are cancelled.
    OrphanGuard = "orphan-guard",
    /// An order without our tag is never touched.
    OwnOrdersOnly = "own-orders-only",
    /// A bracket is not cancelled for one that the market would refuse.
    ValidateBeforeCancel = "validate-before-cancel",
    /// A bracket stays while the market is closed.
    ClosedMarketKeepsBracket = "closed-market-keeps-bracket",
    /// The rest of a half-filled entry is cancelled and what is held is protected.
    PartialEntryIsCut = "partial-entry-is-cut",
    /// Refusals sell a position only when they are about the bracket, and go on for long enough.
    RefusalsNeedPatience = "refusals-need-patience",
    /// One entry for a trade, ever.
    OneEntry = "one-entry",
    /// A close is not protected again.
    FlatAbsorbs = "flat-absorbs",
    /// What a fill cost comes from cumulative averages.
    CumulativePrices = "cumulative-prices",
    /// A trade at its end needs a stable cut, no order in doubt and no position.
    EndNeedsProof = "end-needs-proof",
    /// The exit that is too large for what is held is replaced.
    ExitFitsPosition = "exit-fits-position",
    /// An order of ours that the database does not know is taken up by its tag.
    TakesUpLost = "takes-up-lost",
    /// While the database is older than the broker nothing is sent.
    RestoredWaits = "restored-waits",
}

/// The rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules(u64);

impl Rules {
    /// What production runs with.
    pub const ALL: Self = Self(u64::MAX);

    #[must_use]
    pub fn has(self, rule: Rule) -> bool {
        self.0 & Self::bit(rule) != 0
    }

    /// A mutant: for the proof alone; a test of `tests/prove` keeps it out of the daemon.
    #[must_use]
    pub fn without(self, rule: Rule) -> Self {
        Self(self.0 & !Self::bit(rule))
    }

    fn bit(rule: Rule) -> u64 {
        1 << (rule as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_lacks_exactly_one_rule() {
        assert!(Rule::EVERY.len() <= 64, "the set is 64 bits wide");
        for removed in Rule::EVERY {
            let rules = Rules::ALL.without(*removed);
            for rule in Rule::EVERY {
                assert_eq!(rules.has(*rule), rule != removed, "{}", rule.as_str());
            }
        }
    }
}
