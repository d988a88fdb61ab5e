//! Prices for those who look: between two recordings, quotes of the trades of users with an open screen.
//! Nobody looks, nobody asks.

use std::time::Duration;

use blotter_shared::protocol::market::SessionPhase;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::recorder::Recorder;
use crate::calendar::MarketClock;

/// Between two looks while the market is closed.
const CLOSED: Duration = Duration::from_secs(60);

/// Asks for prices while somebody looks.
#[derive(Clone, Debug)]
pub struct Live {
    pub recorder: Recorder,
    pub market: MarketClock,
    /// Between two questions for one user.
    pub every: Duration,
}

impl Live {
    /// Runs until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                for user in self.recorder.board.watched() {
                    if let Err(error) = self.recorder.show(&user).await {
                        tracing::debug!(%user, "no prices for the screens: {error}");
                    }
                }
                tokio::select! {
                    () = sleep(self.pause()) => {}
                    () = self.recorder.board.newcomer() => {}
                }
            }
        })
        .await;
    }

    fn pause(&self) -> Duration {
        let open = self.market.market().is_ok_and(|market| market.phase == SessionPhase::Open);
        if open { self.every } else { CLOSED.max(self.every) }
    }
}
