//! A minute's reads, and others who use them up.

use blotter_daemon::broker::Priority;
use blotter_daemon::broker::rate_limit::BucketKind;
use blotter_daemon::trades::driver::Pass;
use blotter_daemon::trades::runtime::broker::BrokerAccount;

use super::{Rig, account, engine};

/// What production lets a token do in a minute.
const CEILING: u32 = 50;

impl Rig {
    /// From now on the token has the limits of production; another process carries on.
    pub(in super::super) async fn narrow(&mut self) {
        self.engine.release().await;
        let account = account(&format!("http://{}/v1", self.sim), &self.clock.clock, CEILING).await;
        self.broker.inner = BrokerAccount::new(account, self.clock.clock.clone());
        self.engine = engine(&self.ledger, &self.broker, &self.clock, &self.exchange);
    }

    /// Others look at the market until only so many reads are left to an engine that has nothing in flight.
    pub(in super::super) async fn crowd(&self, left: u32) {
        let symbols = [self.contract.occ()];
        while self.reads_left(Priority::Bracket) > left {
            let urgency = if self.reads_left(Priority::Read) > 0 { Priority::Read } else { Priority::Bracket };
            self.broker.inner.account.market.quotes(&symbols, urgency).await.unwrap();
        }
    }

    /// Looks at the market that somebody of this urgency has left in this minute.
    pub(in super::super) fn reads_left(&self, urgency: Priority) -> u32 {
        self.broker.inner.account.tradier.limiter().left(BucketKind::MarketData, urgency)
    }

    pub(in super::super) async fn pass(&mut self) -> Pass {
        self.engine.pass().await
    }
}
