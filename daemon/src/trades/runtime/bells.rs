//! How a loop hears that there is work: a bell for each account, which rings on while nobody looks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use blotter_shared::domain::BrokerMode;
use tokio::sync::Notify;

use crate::auth::Username;

/// Every account's bell. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Bells(Arc<Mutex<HashMap<Account, Arc<Notify>>>>);

type Account = (Username, BrokerMode);

impl Bells {
    /// The bell of an account, whether or not somebody listens yet.
    #[must_use]
    pub fn of(&self, user: &Username, mode: BrokerMode) -> Arc<Notify> {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(bells.entry((user.clone(), mode)).or_default())
    }

    /// Who works is not forgotten: the next sleep ends at once.
    pub fn ring(&self, user: &Username, mode: BrokerMode) {
        self.of(user, mode).notify_one();
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
}
