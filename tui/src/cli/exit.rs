//! Why a command failed, and the exit code that says it to scripts.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use blotter_shared::protocol::problem::ProblemCode;

use crate::client::calls::CallError;
use crate::config::ConfigErrors;
use crate::widgets::text::clean;

const FAULT: u8 = 1;
pub(super) const USAGE: u8 = 2;
const REFUSED: u8 = 3;
const CONFLICT: u8 = 4;
const UNREACHABLE: u8 = 5;
const BROKER: u8 = 6;

/// A failure with its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }

    pub(super) fn fault(message: impl Into<String>) -> Self {
        Self { code: FAULT, message: message.into() }
    }

    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self { code: REFUSED, message: message.into() }
    }

    /// Ended by a signal, with the code by which shells know it.
    pub(super) fn interrupted(signal: i32, message: impl Into<String>) -> Self {
        const SIGNALLED: u8 = 128;
        Self { code: SIGNALLED.saturating_add(u8::try_from(signal).unwrap_or(0)), message: message.into() }
    }

    pub(super) fn config(errors: &ConfigErrors) -> Self {
        let ConfigErrors(list) = errors;
        let count = if list.len() == 1 { "a mistake".to_owned() } else { format!("{} mistakes", list.len()) };
        Self { code: USAGE, message: format!("{count} in the configuration\n{errors}") }
    }

    /// Says it where people read failures, and gives the exit code.
    pub fn tell(&self) -> ExitCode {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(io::stderr(), "blotter: {self}");
        self.code()
    }

    #[must_use]
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    #[must_use]
    pub fn number(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let code = match &error {
            CallError::Unreachable(_) | CallError::Broken | CallError::TimedOut { .. } => UNREACHABLE,
            CallError::Garbled(_) => FAULT,
            CallError::Refused(problem) => code_of(problem.code),
        };
        // What a daemon says may be what a broker said, and what a broker said may be anything.
        Self { code, message: clean(&error.to_string()) }
    }
}

fn code_of(code: ProblemCode) -> u8 {
    use ProblemCode as P;
    match code {
        P::StaleVersion | P::KeyReused | P::AlreadyClosing => CONFLICT,
        P::BrokerUnavailable => BROKER,
        P::DatabaseUnavailable | P::ShuttingDown | P::TimedOut | P::ProtocolMismatch | P::TooMany => UNREACHABLE,
        P::Malformed | P::Invalid | P::BodyTooLarge | P::NotAdmitted | P::Forbidden | P::NotFound => REFUSED,
        P::MethodNotAllowed | P::KeyMissing => REFUSED,
        P::Ended | P::NothingHeld | P::EntryWorking | P::QuantityTooLarge | P::PartWithLimit | P::MarketClosed => {
            REFUSED
        }
        P::NoQuote | P::Expired | P::OffGrid | P::StopNotBelowBid | P::TargetNotAboveBid | P::LegsTooNear => REFUSED,
        P::NothingToChange | P::AlreadyBegun | P::SymbolTaken | P::EntriesStopped | P::Halted => REFUSED,
        P::LimitBroken | P::NoPosition => REFUSED,
        P::Internal => FAULT,
    }
}

#[cfg(test)]
mod tests {
    use blotter_shared::protocol::problem::Problem;

    use super::*;

    #[test]
    fn what_was_refused_cannot_write_on_the_terminal() {
        let detail = "no\u{1b}]0;pwned\u{7} \u{9b}2J\u{202e}ereht";
        let failure = Failure::from(CallError::Refused(Box::new(Problem::new(ProblemCode::Invalid, detail))));
        assert_eq!(failure.to_string(), "no\\u{1b}]0;pwned\\u{7} \\u{9b}2J\\u{202e}ereht");
        assert_eq!(failure.number(), REFUSED);
    }
}
