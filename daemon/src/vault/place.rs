//! Where a secret belongs. The place is bound into the seal, so that a sealed value that was moved
//! does not open.

use blotter_shared::domain::BrokerMode;

use crate::auth::Username;

/// Which world a secret opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    Broker(BrokerMode),
    Orats,
}

impl World {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broker(mode) => mode.as_str(),
            Self::Orats => "ORATS",
        }
    }
}

/// The one place at which a sealed value opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub table: &'static str,
    pub column: &'static str,
    pub username: Username,
    /// Empty for a token that opens all accounts of its owner.
    pub account_id: String,
    pub world: World,
}

impl Place {
    /// The column of `user_settings` that holds a user's token for a world of the broker.
    #[must_use]
    pub fn broker_token(username: Username, mode: BrokerMode) -> Self {
        let column = match mode {
            BrokerMode::Sim => "tradier_sim_token",
            BrokerMode::Sandbox => "tradier_sandbox_token",
            BrokerMode::Live => "tradier_live_token",
        };
        Self { table: "user_settings", column, username, account_id: String::new(), world: World::Broker(mode) }
    }

    /// The column of `user_settings` that holds a user's ORATS token.
    #[must_use]
    pub fn orats_token(username: Username) -> Self {
        let column = "orats_token";
        Self { table: "user_settings", column, username, account_id: String::new(), world: World::Orats }
    }

    /// The place as bytes: every part behind its length, so that no two places have the same.
    pub(super) fn bytes(&self, purpose: &str, numbers: &[u64]) -> Vec<u8> {
        let parts = [
            "blotterd/v1",
            purpose,
            "AES-256-GCM",
            self.table,
            self.column,
            self.username.as_str(),
            &self.account_id,
            self.world.as_str(),
        ];
        let mut bytes = Vec::new();
        for part in parts {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        for number in numbers {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_move_from_one_part_to_the_next_make_another_place() {
        let place = |username: &str, account: &str| Place {
            account_id: account.to_owned(),
            ..Place::broker_token(username.parse().unwrap(), BrokerMode::Live)
        };
        let bytes = |place: Place| place.bytes("secret", &[1]);
        assert_ne!(bytes(place("ab", "c")), bytes(place("a", "bc")));
        assert_ne!(place("a", "").bytes("secret", &[1]), place("a", "").bytes("key", &[1]));
        assert_ne!(place("a", "").bytes("secret", &[1]), place("a", "").bytes("secret", &[2]));
    }
}
