//! ORATS for a user: a token is asked about before it is sealed.

use secrecy::SecretString;

use super::AccountError;
use crate::broker::tls;
use crate::broker::tradier::{Patience, TokenVerdict};
use crate::clock::Clock;
use crate::market::orats::{Orats, OratsUrl};

/// Where ORATS is: at its own address, or on this machine.
#[derive(Clone, Debug)]
pub struct OratsPlace {
    pub address: Option<String>,
    pub clock: Clock,
}

impl OratsPlace {
    /// Asks ORATS whether it knows a token.
    pub(super) async fn verify(
        &self,
        secret: SecretString,
        patience: Patience,
    ) -> Result<TokenVerdict<()>, AccountError> {
        Ok(self.open(secret, patience).await?.verify().await)
    }

    async fn open(&self, secret: SecretString, patience: Patience) -> Result<Orats, AccountError> {
        let url = match &self.address {
            Some(address) => OratsUrl::loopback(address),
            None => OratsUrl::standard(),
        };
        let url = url.map_err(AccountError::OratsAddress)?;
        let token = Orats::token(secret).map_err(AccountError::OratsToken)?;
        let tls = if self.address.is_some() { tls::none() } else { tls::system() };
        let tls = tls.map_err(AccountError::Tls)?;
        Ok(Orats::new(url, token, self.clock.clone(), (&tls, patience)).await?)
    }
}
