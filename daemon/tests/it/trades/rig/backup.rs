//! A backup of the database, and bringing it back while the broker has gone on.

use std::time::Duration;

use blotter_daemon::db::installation::installation_ensure;
use blotter_daemon::db::{Db, DbState};

use super::{Rig, engine};
use crate::support::{DEADLINE, Raw, config, looks, reach};

impl Rig {
    /// A copy of the database as it is, while nobody is at work on it.
    pub(in super::super) async fn back_up(&mut self, copy: &str) {
        let tx = self.ledger.db.system_tx().await.unwrap();
        installation_ensure(&tx).await.unwrap();
        tx.commit().await.unwrap();
        self.ledger.db.close().await;
        self.aside(&format!("CREATE DATABASE {copy} TEMPLATE blotter")).await;
        self.connect().await;
        self.engine.ports.store.db = self.ledger.db.clone();
    }

    /// The daemon stops, the copy takes the place of the database, another daemon begins with it.
    pub(in super::super) async fn bring_back(&mut self, copy: &str) {
        self.engine.release().await;
        self.ledger.db.close().await;
        self.aside("DROP DATABASE blotter WITH (FORCE)").await;
        self.aside(&format!("ALTER DATABASE {copy} RENAME TO blotter")).await;
        self.connect().await;
        self.engine = engine(&self.ledger, &self.broker, &self.clock, &self.exchange);
        // Five cuts, without their twenty seconds.
        self.engine.settings.timing.mismatch = Duration::from_millis(200);
        let admin = Raw::connect(&self.cluster.url()).await;
        admin.batch_execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 s'").await.unwrap();
    }

    /// Lets the engine pass until the account only reconciles, or does so no more.
    pub(in super::super) async fn until_reconciling(&mut self, wanted: bool) {
        let (mut looks, begun) = (looks(), self.now());
        while self.book().await.account.reconciling.is_some() != wanted {
            looks.tick().await;
            let pass = self.engine.pass().await;
            let waited = (self.now() - begun).to_std().unwrap_or_default();
            assert!(waited < DEADLINE, "waited for reconciling = {wanted}; {pass:?}; {:#?}", self.book().await);
        }
    }

    async fn connect(&mut self) {
        self.ledger.db = Db::connect(config(&self.cluster.url()), &self.clock.clock);
        reach(&self.ledger.db, DbState::Ready).await;
    }

    /// Said by the superuser from another database, once the last session of this one is gone.
    async fn aside(&self, sql: &str) {
        let admin = Raw::connect(&self.cluster.url().replace("@/blotter?", "@/template1?")).await;
        let others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'blotter'";
        admin.batch_execute(others).await.unwrap();
        admin.batch_execute(sql).await.unwrap();
    }
}
