//! The one table of values: each state, reason and alarm with its stored word, and what follows
//! from it (which filter shows it, whether statistics count it). The database's CHECK constraints
//! and docs/DATABASE.md are tested against these lists.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A word that is not in a closed list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{word}` is not one of: {allowed}")]
pub struct UnknownWord {
    pub word: String,
    pub allowed: String,
}

/// Declares a closed list of words: serde, storage and parsing use the same spelling.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every value, in the order in which it is documented.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the database, on the socket and in exports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::domain::values::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::domain::values::UnknownWord {
                        word: word.to_owned(),
                        allowed: Self::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(" "),
                    }),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Which world an account and its orders belong to.
    BrokerMode {
        /// The simulator on this machine.
        Sim = "SIM",
        /// The broker's paper trading.
        Sandbox = "SANDBOX",
        /// Real money.
        Live = "LIVE",
    }
}

words! {
    /// Where a trade is in its life.
    TradeStatus {
        /// Wanted; nothing has reached the broker yet, as far as is known.
        Pending = "PENDING",
        /// The entry works at the broker; nothing is filled.
        Open = "OPEN",
        /// The entry works and is partly filled.
        Partial = "PARTIAL",
        /// The entry is final and something is held.
        Filled = "FILLED",
        /// The position is on its way out.
        Closing = "CLOSING",
        /// Nothing is held any more: locked.
        Closed = "CLOSED",
        /// The entry never became an order, or is proven absent.
        Void = "VOID",
        /// The broker refused the entry.
        Rejected = "REJECTED",
        /// The entry was cancelled or ran out before anything was filled.
        Canceled = "CANCELED",
    }
}

impl TradeStatus {
    /// An end: only a late fill leads out of it.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Open | Self::Partial | Self::Filled | Self::Closing => false,
            Self::Closed | Self::Void | Self::Rejected | Self::Canceled => true,
        }
    }
}

words! {
    /// Why a position is gone.
    CloseReason {
        TargetHit = "TP_HIT",
        StopHit = "SL_HIT",
        Manual = "MANUAL_CLOSE",
        Expired = "EXPIRED",
        /// Expired, and no proof of it could be had.
        ExpiredUnconfirmed = "EXPIRED_UNCONFIRMED",
        Exercised = "EXERCISED",
        /// Sold by somebody else; the order that did it is known.
        External = "EXTERNAL",
        /// Gone, and nothing explains it: the price is unknown.
        ExternalUnexplained = "EXTERNAL_UNEXPLAINED",
        /// Closed by policy because it could not be protected.
        Emergency = "EMERGENCY",
        /// The sandbox was wiped.
        SandboxReset = "SANDBOX_RESET",
    }
}

/// Whether a closed trade enters the figures of the Performance pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    Counted,
    /// Counted, and marked as an estimate wherever it is shown.
    Estimated,
    Excluded,
}

impl CloseReason {
    #[must_use]
    pub fn statistics(self) -> Statistics {
        match self {
            Self::TargetHit | Self::StopHit | Self::Manual | Self::Expired | Self::External | Self::Emergency => {
                Statistics::Counted
            }
            Self::ExpiredUnconfirmed | Self::Exercised => Statistics::Estimated,
            Self::ExternalUnexplained | Self::SandboxReset => Statistics::Excluded,
        }
    }

    /// Whether the History filter `Expired` shows it; wins and losses go by the P&L.
    #[must_use]
    pub fn is_expiry(self) -> bool {
        match self {
            Self::Expired | Self::ExpiredUnconfirmed => true,
            Self::TargetHit
            | Self::StopHit
            | Self::Manual
            | Self::Exercised
            | Self::External
            | Self::ExternalUnexplained
            | Self::Emergency
            | Self::SandboxReset => false,
        }
    }
}

words! {
    /// What a trader had behind them on the trading day of an entry.
    Turn {
        /// No trade that became a position was asked for before it.
        First = "FIRST",
        /// What the last result of the day was by then.
        AfterWin = "AFTER_WIN",
        AfterLoss = "AFTER_LOSS",
        AfterScratch = "AFTER_SCRATCH",
        /// Others were asked for before it, and none had ended with a result that is known.
        Amid = "AMID",
    }
}

words! {
    /// The History pane's filter.
    Outcome {
        Win = "win",
        Loss = "loss",
        Expired = "expired",
    }
}

words! {
    /// What the user wants of a trade.
    Desired {
        /// Keep it, with the stop and target given.
        Hold = "HOLD",
        /// Be out of it. Absorbing.
        Flat = "FLAT",
    }
}

words! {
    /// What is known about the exits that protect a position.
    Protection {
        /// Nothing is held.
        NotApplicable = "N/A",
        /// Held and not covered: never shown as anything else.
        Naked = "NAKED",
        /// Exits for the whole quantity were seen working in the newest snapshot.
        Confirmed = "CONFIRMED",
        /// Nobody knows; treated as naked.
        Unknown = "UNKNOWN",
    }
}

words! {
    /// How far the engine has got with what is wanted of a trade.
    Step {
        EntryNext = "ENTRY_NEXT",
        EntrySent = "ENTRY_SENT",
        EntryWorks = "ENTRY_WORKS",
        FirstBracket = "FIRST_BRACKET",
        /// The entry's rest is not wanted.
        EntryLeaves = "ENTRY_LEAVES",
        /// Another bracket is wanted.
        BracketNext = "BRACKET_NEXT",
        BracketLeaves = "BRACKET_LEAVES",
        BracketComes = "BRACKET_COMES",
        /// A bracket was lost.
        BracketAgain = "BRACKET_AGAIN",
        PartNext = "PART_NEXT",
        PartBracketLeaves = "PART_BRACKET_LEAVES",
        PartSells = "PART_SELLS",
        PartBracketComes = "PART_BRACKET_COMES",
        CloseAtOpen = "CLOSE_AT_OPEN",
        CloseEntryLeaves = "CLOSE_ENTRY_LEAVES",
        CloseBracketNext = "CLOSE_BRACKET_NEXT",
        CloseBracketLeaves = "CLOSE_BRACKET_LEAVES",
        CloseCounts = "CLOSE_COUNTS",
        CloseSells = "CLOSE_SELLS",
        CloseConfirms = "CLOSE_CONFIRMS",
    }
}

impl Step {
    /// Which one of how many; none where there is nothing to count.
    #[must_use]
    pub fn place(self) -> Option<(u8, u8)> {
        match self {
            Self::EntryNext => Some((1, 4)),
            Self::EntrySent => Some((2, 4)),
            Self::EntryWorks => Some((3, 4)),
            Self::FirstBracket => Some((4, 4)),
            Self::EntryLeaves | Self::BracketAgain | Self::CloseAtOpen => None,
            Self::BracketNext => Some((1, 3)),
            Self::BracketLeaves => Some((2, 3)),
            Self::BracketComes => Some((3, 3)),
            Self::PartNext => Some((1, 4)),
            Self::PartBracketLeaves => Some((2, 4)),
            Self::PartSells => Some((3, 4)),
            Self::PartBracketComes => Some((4, 4)),
            Self::CloseEntryLeaves => Some((1, 5)),
            Self::CloseBracketNext => Some((2, 5)),
            Self::CloseBracketLeaves => Some((3, 5)),
            Self::CloseCounts => Some((4, 5)),
            Self::CloseSells | Self::CloseConfirms => Some((5, 5)),
        }
    }

    /// What happens now, as words for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::EntryNext => "the entry is about to be sent",
            Self::EntrySent => "the entry is on its way",
            Self::EntryWorks => "the entry works at the broker",
            Self::FirstBracket => "filled: the bracket is being placed",
            Self::EntryLeaves => "the rest of the entry is being cancelled",
            Self::BracketNext => "the old bracket is about to be cancelled",
            Self::BracketLeaves => "the old bracket is being cancelled",
            Self::BracketComes => "the new bracket is being placed",
            Self::BracketAgain => "the bracket was lost: it is being placed again",
            Self::PartNext => "the bracket is about to be cancelled",
            Self::PartBracketLeaves => "the bracket is being cancelled",
            Self::PartSells => "the part is being sold",
            Self::PartBracketComes => "the rest gets its bracket",
            Self::CloseAtOpen => "closes when the market opens",
            Self::CloseEntryLeaves => "the rest of the entry is cancelled",
            Self::CloseBracketNext => "the bracket is about to be cancelled",
            Self::CloseBracketLeaves => "the bracket is being cancelled",
            Self::CloseCounts => "what is still held is counted",
            Self::CloseSells => "the sale is at the broker",
            Self::CloseConfirms => "the end is being confirmed",
        }
    }

    /// With its place, as in `step 3 of 5: the bracket is being cancelled`.
    #[must_use]
    pub fn sentence(self) -> String {
        match self.place() {
            Some((number, all)) => format!("step {number} of {all}: {}", self.words()),
            None => self.words().to_owned(),
        }
    }
}

words! {
    /// What can call for a person.
    AlarmKind {
        Naked = "NAKED",
        Unverified = "UNVERIFIED",
        NeedsPerson = "NEEDS_PERSON",
        AccountBlind = "ACCOUNT_BLIND",
        CannotProtect = "CANNOT_PROTECT",
        FillAfterTerminal = "FILL_AFTER_TERMINAL",
        LateArrival = "LATE_ARRIVAL",
        Quarantine = "QUARANTINE",
        CutTooSlow = "CUT_TOO_SLOW",
        CalendarDisagrees = "CALENDAR_DISAGREES",
        BackupFailed = "BACKUP_FAILED",
        PricesAstray = "PRICES_ASTRAY",
        SecretUnreadable = "SECRET_UNREADABLE",
    }
}

/// How loud an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Notice,
    Warning,
    /// Money may be unprotected: repeats until somebody acknowledges it.
    Page,
}

impl AlarmKind {
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::LateArrival | Self::FillAfterTerminal => Severity::Notice,
            Self::CutTooSlow | Self::CalendarDisagrees | Self::BackupFailed | Self::PricesAstray => Severity::Warning,
            Self::Naked
            | Self::Quarantine
            | Self::Unverified
            | Self::NeedsPerson
            | Self::AccountBlind
            | Self::CannotProtect
            | Self::SecretUnreadable => Severity::Page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_same_everywhere() {
        for status in TradeStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn an_unknown_word_is_named_with_what_is_allowed() {
        let error = "PAPER".parse::<BrokerMode>().unwrap_err();
        assert_eq!(error.to_string(), "`PAPER` is not one of: SIM SANDBOX LIVE");
    }
}
