//! The tag on every order of ours: `b1-<installation>-<trade>-<role><attempt>-v<version>-e<epoch>`.
//!
//! It is the only thing by which an order is found again whose answer was lost, and it carries
//! enough to rebuild ownership when the database is lost. At most 60 characters, only letters,
//! digits and hyphens. Ids are in Crockford base32; the installation is the random tail of its id,
//! so that two databases on one account never take each other's orders for their own.

use std::fmt;
use std::str::FromStr;

use blotter_shared::domain::{IntentRole, TradeId};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const PREFIX: &str = "b1";
const INSTALLATION_DIGITS: usize = 10;
const ID_DIGITS: usize = 26;

/// Which database sent an order: the last 50 bits of the installation's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installation(u64);

impl Installation {
    #[must_use]
    pub fn new(id: Uuid) -> Self {
        let (_, low) = id.as_u64_pair();
        Self(low & ((1 << 50) - 1))
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.0.into(), INSTALLATION_DIGITS))
    }
}

/// The lease epoch under which an order was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

/// What a tag says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub installation: Installation,
    pub trade: TradeId,
    pub role: IntentRole,
    pub attempt: u32,
    pub version: i64,
    pub epoch: Epoch,
}

/// The text is not a tag of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is not a tag of this program")]
pub struct ForeignTag;

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trade = encode(self.trade.0.as_u128(), ID_DIGITS);
        let (role, attempt, version, epoch) = (letters(self.role), self.attempt, self.version, self.epoch.0);
        write!(f, "{PREFIX}-{}-{trade}-{role}{attempt}-v{version}-e{epoch}", self.installation)
    }
}

impl FromStr for Tag {
    type Err = ForeignTag;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let mut next = || parts.next().ok_or(ForeignTag);
        if next()? != PREFIX {
            return Err(ForeignTag);
        }
        let installation = decode(next()?, INSTALLATION_DIGITS)?;
        let trade = decode(next()?, ID_DIGITS)?;
        let (role, attempt) = next()?.split_at_checked(2).ok_or(ForeignTag)?;
        let version = next()?.strip_prefix('v').ok_or(ForeignTag)?;
        let epoch = next()?.strip_prefix('e').ok_or(ForeignTag)?;
        if parts.next().is_some() {
            return Err(ForeignTag);
        }
        Ok(Self {
            installation: Installation(u64::try_from(installation).map_err(|_| ForeignTag)?),
            trade: TradeId(Uuid::from_u128(trade)),
            role: role_of(role)?,
            attempt: attempt.parse().map_err(|_| ForeignTag)?,
            version: version.parse().map_err(|_| ForeignTag)?,
            epoch: Epoch(epoch.parse().map_err(|_| ForeignTag)?),
        })
    }
}

fn letters(role: IntentRole) -> &'static str {
    match role {
        IntentRole::Entry => "EN",
        IntentRole::Bracket => "BR",
        IntentRole::Close => "CL",
        IntentRole::Emergency => "EM",
    }
}

fn role_of(letters: &str) -> Result<IntentRole, ForeignTag> {
    match letters {
        "EN" => Ok(IntentRole::Entry),
        "BR" => Ok(IntentRole::Bracket),
        "CL" => Ok(IntentRole::Close),
        "EM" => Ok(IntentRole::Emergency),
        _ => Err(ForeignTag),
    }
}

fn encode(value: u128, digits: usize) -> String {
    (0..digits)
        .rev()
        .map(|place| {
            let digit = usize::try_from((value >> (5 * place)) & 31).unwrap_or_default();
            ALPHABET.get(digit).copied().map_or('0', char::from)
        })
        .collect()
}

fn decode(text: &str, digits: usize) -> Result<u128, ForeignTag> {
    if text.len() != digits {
        return Err(ForeignTag);
    }
    text.bytes().try_fold(0_u128, |value, byte| {
        let digit = ALPHABET.iter().position(|known| *known == byte).ok_or(ForeignTag)?;
        // 26 digits hold 130 bits: the first may be 7 at most.
        let shifted = value.checked_mul(32).ok_or(ForeignTag)?;
        Ok(shifted | u128::try_from(digit).map_err(|_| ForeignTag)?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tag_survives(
            installation: u128, trade: u128, role in 0_usize..4, attempt in 1_u32..1000, version in 1_i64..100_000,
            epoch in 1_i64..1_000_000_000,
        ) {
            let role = IntentRole::ALL[role];
            let installation = Installation::new(Uuid::from_u128(installation));
            let tag = Tag { installation, trade: TradeId(Uuid::from_u128(trade)), role, attempt, version, epoch: Epoch(epoch) };
            let text = tag.to_string();
            prop_assert!(text.len() <= 70 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{text}");
            prop_assert_eq!(text.parse::<Tag>(), Ok(tag));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = text.parse::<Tag>();
        }
    }

    #[test]
    fn a_usual_tag_has_at_most_sixty_characters() {
        let tag = Tag {
            installation: Installation::new(Uuid::max()),
            trade: TradeId(Uuid::max()),
            role: IntentRole::Bracket,
            attempt: 12,
            version: 34,
            epoch: Epoch(5678),
        };
        assert_eq!(tag.to_string(), "b1-ZZZZZZZZZZ-7ZZZZZZZZZZZZZZZZZZZZZZZZZ-BR12-v34-e5678");
        assert!(tag.to_string().len() <= 60);
        assert_eq!("b1-ZZZZZZZZZZ-8ZZZZZZZZZZZZZZZZZZZZZZZZZ-BR12-v34-e5678".parse::<Tag>(), Err(ForeignTag));
    }
}
