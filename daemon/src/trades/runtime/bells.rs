//! How a loop hears that there is work: a bell for each account, which rings on while nobody looks. Another daemon
//! that accepted a command rings it through the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blotter_shared::domain::BrokerMode;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auth::Username;
use crate::db::WorkHint;

/// Every account's bell. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Bells {
    /// Whose they are: this run of this program.
    process: Uuid,
    bells: Arc<Mutex<HashMap<Account, Arc<Notify>>>>,
}

type Account = (Username, BrokerMode);

impl Bells {
    /// The bells of this run of the program.
    #[must_use]
    pub fn new(process: Uuid) -> Self {
        Self { process, bells: Arc::default() }
    }

    /// By whom others are told.
    #[must_use]
    pub fn process(&self) -> Uuid {
        self.process
    }

    /// The bell of an account, whether or not somebody listens yet.
    #[must_use]
    pub fn of(&self, user: &Username, mode: BrokerMode) -> Arc<Notify> {
        let mut bells = self.lock();
        Arc::clone(bells.entry((user.clone(), mode)).or_default())
    }

    /// Who works is not forgotten: the next sleep ends at once.
    pub fn ring(&self, user: &Username, mode: BrokerMode) {
        self.of(user, mode).notify_one();
    }

    /// Rings for what other daemons have accepted, until it is told to stop. Our own commands have rung already.
    pub async fn hear(self, mut work: broadcast::Receiver<WorkHint>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                heard = work.recv() => match heard {
                    Ok(WorkHint::Work { by, .. }) if by == self.process => {}
                    Ok(WorkHint::Work { username, mode, .. }) => self.ring_known(&(username, mode)),
                    Ok(WorkHint::Gap) | Err(RecvError::Lagged(_)) => self.ring_all(),
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }

    /// What is told from outside makes no new bells: whoever logs in to the database can tell anything.
    fn ring_known(&self, account: &Account) {
        if let Some(bell) = self.lock().get(account) {
            bell.notify_one();
        }
    }

    fn ring_all(&self) {
        self.lock().values().for_each(|bell| bell.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, Arc<Notify>>> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bell_that_rang_before_somebody_listened_is_heard() {
        let bells = Bells::default();
        let ann: Username = "ann".parse().unwrap();
        bells.ring(&ann, BrokerMode::Sim);
        bells.of(&ann, BrokerMode::Sim).notified().await;
        let silent = bells.of(&ann, BrokerMode::Live);
        assert!(futures_util::FutureExt::now_or_never(silent.notified()).is_none(), "another account's bell is silent");
    }
    #[tokio::test]
    async fn what_others_accepted_rings_and_what_we_accepted_does_not_ring_twice() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let bells = Bells::new(ours);
        let (ann, bob): (Username, Username) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        let (bell, silent) = (bells.of(&ann, BrokerMode::Sim), bells.of(&ann, BrokerMode::Live));
        let (tell, work) = broadcast::channel(8);
        let hint = |username: &Username, by| WorkHint::Work { username: username.clone(), mode: BrokerMode::Sim, by };
        let rang = |bell: &Notify| futures_util::FutureExt::now_or_never(bell.notified()).is_some();
        tell.send(hint(&ann, ours)).unwrap();
        tell.send(hint(&bob, theirs)).unwrap();
        drop(tell);
        bells.clone().hear(work, CancellationToken::new()).await;
        assert!(!rang(&bell), "our own");
        assert_eq!(bells.lock().len(), 2, "nobody listens for bob");

        let (tell, work) = broadcast::channel(8);
        tell.send(hint(&ann, theirs)).unwrap();
        drop(tell);
        bells.clone().hear(work, CancellationToken::new()).await;
        assert!(rang(&bell) && !rang(&silent));

        let (tell, work) = broadcast::channel(8);
        tell.send(WorkHint::Gap).unwrap();
        drop(tell);
        bells.clone().hear(work, CancellationToken::new()).await;
        assert!(rang(&bell) && rang(&silent), "either may have been told of");
    }
}
