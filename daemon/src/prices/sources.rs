//! Who is asked for a user's prices: ORATS where a token is set, the broker for everything else.
//!
//! ORATS knows the real market. The simulator's prices are of another world, so there ORATS is asked only
//! when its address is on this machine, too: then the simulator plays it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use blotter_shared::domain::BrokerMode;
use secrecy::SecretString;

use crate::accounts::{AccountError, Accounts};
use crate::auth::Username;
use crate::broker::tls;
use crate::broker::tradier::Patience;
use crate::clock::Clock;
use crate::db::secrets::{SealedToken, TokenColumn};
use crate::market::orats::{Orats, OratsUrl};

/// Opens ORATS for those who have a token.
#[derive(Clone, Debug)]
pub struct OratsDesk {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    accounts: Accounts,
    /// An address on this machine in place of theirs.
    address: Option<String>,
    clock: Clock,
    open: Mutex<HashMap<Username, (SealedToken, Arc<Orats>)>>,
}

impl OratsDesk {
    #[must_use]
    pub fn new(accounts: Accounts, address: Option<String>, clock: Clock) -> Self {
        Self { inner: Arc::new(Inner { accounts, address, clock, open: Mutex::default() }) }
    }

    /// The user's ORATS for an account of this world, if there is a token that can be used.
    pub async fn of(&self, who: &Username, mode: BrokerMode) -> Option<Arc<Orats>> {
        if mode == BrokerMode::Sim && self.inner.address.is_none() {
            return None;
        }
        match self.open(who).await {
            Ok(orats) => orats,
            Err(why) => {
                tracing::warn!(user = %who, "the ORATS token cannot be used: {why}");
                None
            }
        }
    }

    async fn open(&self, who: &Username) -> Result<Option<Arc<Orats>>, String> {
        let sealed = match self.inner.accounts.sealed(who, TokenColumn::Orats).await {
            Ok(Some(sealed)) => sealed,
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if let Some(known) = self.known(who, &sealed) {
            return Ok(Some(known));
        }
        let orats = Arc::new(self.connect(who, &sealed).await?);
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(who.clone(), (sealed, Arc::clone(&orats)));
        Ok(Some(orats))
    }

    fn known(&self, who: &Username, sealed: &SealedToken) -> Option<Arc<Orats>> {
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(who).filter(|(known, _)| known == sealed).map(|(_, orats)| Arc::clone(orats))
    }

    async fn connect(&self, who: &Username, sealed: &SealedToken) -> Result<Orats, String> {
        let secret = self.inner.accounts.plain(who, sealed).map_err(|error: AccountError| error.to_string())?;
        self.with(secret).await
    }

    async fn with(&self, secret: SecretString) -> Result<Orats, String> {
        let token = Orats::token(secret).map_err(|error| error.to_string())?;
        let (url, tls) = match &self.inner.address {
            Some(address) => (OratsUrl::loopback(address), tls::none()),
            None => (OratsUrl::standard(), tls::system()),
        };
        let url = url.map_err(|error| error.to_string())?;
        let tls = tls.map_err(|error| error.to_string())?;
        let orats = Orats::new(url, token, self.inner.clock.clone(), (&tls, Patience::default())).await;
        orats.map_err(|error| error.to_string())
    }
}
