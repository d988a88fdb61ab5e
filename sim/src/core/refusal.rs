//! Every way in which the broker says no, and how it words it.

use thiserror::Error;

use super::ids::AccountId;
use super::order::Status;

/// The sentence for selling more than is held and free. Its trailing blank is the broker's.
pub const CROSS_ZERO: &str = "Sell order is for more shares than your current long position, please review current position quantity along with open orders for security. ";

/// The line before a code.
const OVERRIDE: &str = "Backoffice rejected override of the order.";

/// A request that was refused in its answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// 400, plain text.
    #[error("Invalid parameter, {name}: {reason}.")]
    Parameter {
        /// The parameter, as the client spells it.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// 400, plain text: nothing can be done to a finished order.
    #[error("order already in finalized state: {}", .0.word())]
    Finalized(Status),
    /// 401, plain text: an unknown order, or somebody else's account.
    #[error("Unauthorized Account: {0}")]
    Unauthorized(AccountId),
    /// 200 with an `errors` object.
    #[error("{0}")]
    Reject(Reject),
}

impl Refusal {
    /// A 400 about one parameter.
    #[must_use]
    pub fn parameter(name: &str, reason: &str) -> Self {
        Self::Parameter { name: name.to_owned(), reason: reason.to_owned() }
    }
}

/// A refusal by the broker's order system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The code of the error table.
    pub code: &'static str,
}

impl Reject {
    /// The strings of an `errors` object. Codes with a sentence of their own answer with that alone.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self.sentence() {
            Some(sentence) => vec![sentence.to_owned()],
            None => vec![OVERRIDE.to_owned(), self.code.to_owned()],
        }
    }

    fn sentence(&self) -> Option<&'static str> {
        match self.code {
            "LongPositionCrossZero" => Some(CROSS_ZERO),
            "OcoPriceDifferenceIsLessThanDelta" => Some("OCO price difference should be at least 0.1$"),
            _ => None,
        }
    }
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.sentence() {
            Some(sentence) => f.write_str(sentence),
            None => write!(f, "{OVERRIDE} {}", self.code),
        }
    }
}
