//! From a user's choice of world to an account at a broker. The only place that knows which token
//! belongs to which type, and the second lock on real money.

use std::sync::Arc;
use std::time::Duration;

use blotter_shared::domain::BrokerMode;
use rustls::ClientConfig;
use secrecy::SecretString;
use thiserror::Error;

use super::exits_only::ExitsOnly;
use super::market_data::MarketData;
use super::rate_limit::{Limiters, RateLimiter};
use super::tls::{self, TlsError};
use super::tradier::{self, ClientError, Patience, Setup, TokenVerdict, Tradier};
use super::world::{BaseUrl, BaseUrlError, Live, NoToken, Sandbox, Sim, Token, World};
use super::{AccountId, Broker, Profile};
use crate::clock::Clock;

/// `broker.allow_live` of the daemon's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiveLock {
    /// Nothing is bought with real money, whatever a user's settings say. What is held is looked after.
    #[default]
    Locked,
    Unlocked,
}

/// A person waits for the verdict about a token.
pub const BRIEFLY: Patience = Patience {
    connect: Duration::from_secs(3),
    read: Duration::from_secs(5),
    write: Duration::from_secs(5),
    permit: Duration::from_secs(1),
    repeats: 0,
    pause: Duration::ZERO,
};

/// Addresses on this machine in place of the broker's: for the simulator, and for tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    pub sim: Option<String>,
    pub sandbox: Option<String>,
    pub live: Option<String>,
}

impl Addresses {
    fn of(&self, mode: BrokerMode) -> Option<&str> {
        match mode {
            BrokerMode::Sim => self.sim.as_deref(),
            BrokerMode::Sandbox => self.sandbox.as_deref(),
            BrokerMode::Live => self.live.as_deref(),
        }
    }
}

/// Why there is no account.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FactoryError {
    #[error("live trading is locked: set broker.allow_live = true in the daemon's config.toml")]
    LiveLocked,
    #[error("this daemon lives in the simulator's time (broker.sim_time): it opens no {0} account")]
    OtherTime(BrokerMode),
    #[error("the broker's address for {mode} cannot be used: {why}")]
    Address { mode: BrokerMode, why: BaseUrlError },
    #[error("the token for {mode} cannot be used: {why}")]
    Token { mode: BrokerMode, why: NoToken },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// One account, seen from each side that somebody needs. All three are the same object.
#[derive(Clone, Debug)]
pub struct Account {
    pub broker: Arc<dyn Broker>,
    pub market: Arc<dyn MarketData>,
    /// For its event stream.
    pub tradier: Arc<Tradier>,
    /// Locked: it takes no order that opens a position.
    pub lock: LiveLock,
}

impl Account {
    /// # Errors
    /// When nothing may be bought in this account.
    pub fn lets_in(&self) -> Result<(), FactoryError> {
        match self.lock {
            LiveLock::Locked => Err(FactoryError::LiveLocked),
            LiveLock::Unlocked => Ok(()),
        }
    }
}

/// Opens accounts.
#[derive(Debug)]
pub struct BrokerFactory {
    lock: LiveLock,
    addresses: Addresses,
    limiters: Arc<Limiters>,
    clock: Clock,
    patience: Patience,
    time: TradingTime,
}

/// Whose time the daemon lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradingTime {
    Real,
    /// The simulator's: no account that is elsewhere is opened.
    Simulated,
}

impl BrokerFactory {
    #[must_use]
    pub fn new(lock: LiveLock, addresses: Addresses, limiters: Arc<Limiters>, clock: Clock) -> Self {
        Self { lock, addresses, limiters, clock, patience: Patience::default(), time: TradingTime::Real }
    }

    /// The same factory with another patience.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The same factory in another time.
    #[must_use]
    pub fn in_time(self, time: TradingTime) -> Self {
        Self { time, ..self }
    }

    #[must_use]
    pub fn time(&self) -> TradingTime {
        self.time
    }

    /// Where the accounts of real money are, when they are not at the broker.
    #[must_use]
    pub fn drill(&self, mode: BrokerMode) -> Option<&str> {
        self.addresses.of(mode).filter(|_| mode == BrokerMode::Live)
    }

    /// The limits of every token that was used.
    #[must_use]
    pub fn limiters(&self) -> Arc<Limiters> {
        Arc::clone(&self.limiters)
    }

    /// Opens one account of a world with its token. Nothing is sent yet. While live trading is locked,
    /// a live account lets nothing in (ruling 14): what is held there stays managed.
    ///
    /// # Errors
    /// When address or token cannot be used.
    pub async fn open(
        &self,
        mode: BrokerMode,
        account: AccountId,
        secret: SecretString,
    ) -> Result<Account, FactoryError> {
        self.in_its_time(mode)?;
        let tradier = match mode {
            BrokerMode::Sim => self.open_in::<Sim>(account, secret).await?,
            BrokerMode::Sandbox => self.open_in::<Sandbox>(account, secret).await?,
            BrokerMode::Live => self.open_in::<Live>(account, secret).await?,
        };
        let tradier = Arc::new(tradier);
        let market = Arc::<Tradier>::clone(&tradier);
        let account = Arc::<Tradier>::clone(&tradier);
        Ok(match mode {
            BrokerMode::Live if self.lock == LiveLock::Locked => {
                Account { broker: Arc::new(ExitsOnly { account }), market, tradier, lock: LiveLock::Locked }
            }
            BrokerMode::Live | BrokerMode::Sim | BrokerMode::Sandbox => {
                Account { broker: account, market, tradier, lock: LiveLock::Unlocked }
            }
        })
    }

    /// Asks a world whether it knows a token, before the token is stored. Looking at a live token
    /// is allowed while live trading is locked: it trades nothing.
    ///
    /// # Errors
    /// When address or token cannot be used at all.
    pub async fn verify(&self, mode: BrokerMode, secret: SecretString) -> Result<TokenVerdict<Profile>, FactoryError> {
        self.in_its_time(mode)?;
        match mode {
            BrokerMode::Sim => self.verify_in::<Sim>(secret).await,
            BrokerMode::Sandbox => self.verify_in::<Sandbox>(secret).await,
            BrokerMode::Live => self.verify_in::<Live>(secret).await,
        }
    }

    /// In the simulator's time whatever is at its very address is at home.
    fn in_its_time(&self, mode: BrokerMode) -> Result<(), FactoryError> {
        let is_simulated = mode == BrokerMode::Sim
            || self.addresses.of(mode).is_some_and(|address| Some(address) == self.addresses.of(BrokerMode::Sim));
        let fits = self.time == TradingTime::Real || is_simulated;
        if fits { Ok(()) } else { Err(FactoryError::OtherTime(mode)) }
    }

    async fn open_in<W: World>(&self, account: AccountId, secret: SecretString) -> Result<Tradier, FactoryError> {
        let (base, token) = (self.base::<W>()?, Self::token::<W>(secret)?);
        let limiter = self.limiters.of(token.fingerprint()).await;
        let setup = self.setup(&base, limiter, account)?;
        Ok(Tradier::new(&base, &token, setup)?)
    }

    async fn verify_in<W: World>(&self, secret: SecretString) -> Result<TokenVerdict<Profile>, FactoryError> {
        let (base, token) = (self.base::<W>()?, Self::token::<W>(secret)?);
        let limiter = self.limiters.passing(token.fingerprint()).await;
        let setup = Setup { patience: BRIEFLY, ..self.setup(&base, limiter, AccountId::unknown())? };
        Ok(tradier::verify(&base, &token, setup).await?)
    }

    fn setup<W: World>(
        &self,
        base: &BaseUrl<W>,
        limiter: RateLimiter,
        account: AccountId,
    ) -> Result<Setup, FactoryError> {
        let tls = tls_for(base)?;
        Ok(Setup { account, limiter, clock: self.clock.clone(), tls, patience: self.patience })
    }

    fn base<W: World>(&self) -> Result<BaseUrl<W>, FactoryError> {
        let base = match self.addresses.of(W::MODE) {
            Some(address) => BaseUrl::loopback(address),
            None => BaseUrl::standard(),
        };
        base.map_err(|why| FactoryError::Address { mode: W::MODE, why })
    }

    fn token<W: World>(secret: SecretString) -> Result<Token<W>, FactoryError> {
        Token::new(secret).map_err(|why| FactoryError::Token { mode: W::MODE, why })
    }
}

/// The system's roots for the broker; nobody's for plain HTTP on this machine.
fn tls_for<W: World>(base: &BaseUrl<W>) -> Result<ClientConfig, TlsError> {
    if base.url().scheme() == "https" { tls::system() } else { tls::none() }
}

/// What a person must have typed before entries go to an account of real money: the account's own
/// number, which is on the screen beside it and is no reflex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConsent {
    account: AccountId,
}

/// The typed text is not the account's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("to trade real money, type the number of the live account")]
pub struct NoConsent;

impl LiveConsent {
    /// # Errors
    /// When the text is anything but the account's number.
    pub fn from_typed(account: &AccountId, typed: &str) -> Result<Self, NoConsent> {
        if typed.trim() == account.as_str() { Ok(Self { account: account.clone() }) } else { Err(NoConsent) }
    }

    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Priority;
    use crate::broker::rate_limit::{BucketKind, Limits, MemoryStore};

    fn factory(lock: LiveLock, addresses: Addresses) -> BrokerFactory {
        let clock = Clock::system();
        let limiters = Limiters::new(Limits::default(), Arc::new(MemoryStore::default()), clock.clone());
        BrokerFactory::new(lock, addresses, Arc::new(limiters), clock)
    }

    fn account() -> AccountId {
        "VA00000001".parse().unwrap()
    }

    fn local() -> Addresses {
        let here = Some("http://127.0.0.1:9/v1".to_owned());
        Addresses { sim: here.clone(), sandbox: here.clone(), live: here }
    }

    #[tokio::test]
    async fn each_world_opens_as_itself_and_live_only_when_unlocked() {
        let locked = factory(LiveLock::Locked, local());
        let token = || SecretString::from("0123456789abcdef");
        for mode in [BrokerMode::Sim, BrokerMode::Sandbox] {
            assert_eq!(locked.open(mode, account(), token()).await.unwrap().broker.mode(), mode);
        }
        let live = locked.open(BrokerMode::Live, account(), token()).await.unwrap();
        assert_eq!(live.lets_in(), Err(FactoryError::LiveLocked));
        let there = Some("http://127.0.0.1:10/v1".to_owned());
        let apart = Addresses { sim: there, ..local() };
        let nowhere = Addresses { sim: None, live: None, ..local() };
        for addresses in [apart, nowhere, Addresses { live: None, sandbox: None, ..local() }] {
            let elsewhere = factory(LiveLock::Unlocked, addresses).in_time(TradingTime::Simulated);
            for mode in [BrokerMode::Sandbox, BrokerMode::Live] {
                let refused = elsewhere.open(mode, account(), token()).await.unwrap_err();
                assert_eq!(refused, FactoryError::OtherTime(mode));
            }
        }
        let beside = locked.in_time(TradingTime::Simulated);
        let drill = beside.open(BrokerMode::Live, account(), token()).await.unwrap();
        assert_eq!(drill.lets_in(), Err(FactoryError::LiveLocked), "the simulator itself, under the same lock");
        let unlocked = factory(LiveLock::Unlocked, local());
        let live = unlocked.open(BrokerMode::Live, account(), token()).await.unwrap();
        assert_eq!((live.broker.mode(), live.lets_in()), (BrokerMode::Live, Ok(())));
    }

    #[tokio::test]
    async fn another_machine_is_never_the_broker() {
        let addresses = Addresses { sandbox: Some("https://broker.example/v1".to_owned()), ..Addresses::default() };
        let error = factory(LiveLock::Locked, addresses)
            .open(BrokerMode::Sandbox, account(), SecretString::from("0123456789abcdef"))
            .await
            .unwrap_err();
        assert_eq!(error, FactoryError::Address { mode: BrokerMode::Sandbox, why: BaseUrlError::NotLoopback });
        let error = factory(LiveLock::Locked, Addresses::default())
            .open(BrokerMode::Sim, account(), SecretString::from("0123456789abcdef"))
            .await
            .unwrap_err();
        assert_eq!(error, FactoryError::Address { mode: BrokerMode::Sim, why: BaseUrlError::NoStandard });
    }

    #[tokio::test]
    async fn two_accounts_on_one_token_share_its_limits() {
        let factory = factory(LiveLock::Locked, local());
        let open = |text: &'static str| factory.open(BrokerMode::Sim, account(), SecretString::from(text));
        let (one, two) = (open("same-token").await.unwrap(), open("same-token").await.unwrap());
        let other = open("other-token").await.unwrap();
        let permit = one.tradier.limiter().acquire(
            BucketKind::Trading,
            Priority::Entry,
            Clock::system().now() + chrono::TimeDelta::seconds(5),
        );
        let _permit = permit.await.unwrap();
        let in_flight = |account: &Account| account.tradier.limiter().snapshot()[2].in_flight;
        assert_eq!((in_flight(&one), in_flight(&two), in_flight(&other)), (1, 1, 0));
    }

    #[test]
    fn consent_is_the_account_number_and_nothing_shorter() {
        assert!(LiveConsent::from_typed(&account(), " VA00000001\n").is_ok());
        for typed in ["", "yes", "LIVE", "VA0000000", "va00000001"] {
            assert_eq!(LiveConsent::from_typed(&account(), typed), Err(NoConsent), "{typed}");
        }
    }
}
