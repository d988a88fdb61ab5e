//! The account's event stream on such a day: lost, doubled, late and cut events. It is a hint, so
//! all that can be wrong of it is to name what is not there, to be lost for good, or to be believed.

use std::time::Duration;

use blotter_daemon::broker::tradier::Tradier;
use blotter_daemon::broker::tradier::stream::{AccountStream, Hint, StreamPatience, StreamState};
use blotter_daemon::broker::{OrderId, tls};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// In calm weather the stream is back within this.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// And tells of an order within this, once it is subscribed.
const SOON: Duration = Duration::from_millis(200);

fn patience() -> StreamPatience {
    StreamPatience {
        shortest_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(20),
        ..StreamPatience::default()
    }
}

pub(super) struct Ears {
    hints: mpsc::Receiver<Hint>,
    state: watch::Receiver<StreamState>,
    heard: Vec<Hint>,
    shutdown: CancellationToken,
    _task: JoinSet<()>,
}

impl Ears {
    pub(super) fn listen(adapter: &Tradier) -> Self {
        let (stream, hints, state) = AccountStream::new(adapter, tls::none().unwrap(), patience());
        let (shutdown, mut task) = (CancellationToken::new(), JoinSet::new());
        task.spawn(stream.run(shutdown.clone()));
        Self { hints, state, heard: Vec::new(), shutdown, _task: task }
    }

    /// Takes what was heard so far, so that the channel never fills.
    pub(super) fn attend(&mut self) {
        while let Ok(hint) = self.hints.try_recv() {
            self.heard.push(hint);
        }
    }

    /// Waits until the stream is live; the faults are lifted.
    pub(super) async fn back(&mut self) -> Result<(), String> {
        let live = self.state.wait_for(|state| matches!(state, StreamState::Live { .. }));
        let back = matches!(tokio::time::timeout(BACK_WITHIN, live).await, Ok(Ok(_)));
        if back { Ok(()) } else { Err(format!("the stream did not come back: {:?}", *self.state.borrow())) }
    }

    /// Whether it tells of an order that was just placed, soon.
    pub(super) async fn tells_of(&mut self, order: OrderId) -> bool {
        let told = async {
            while let Some(hint) = self.hints.recv().await {
                let is = [hint.order, hint.parent].contains(&Some(order));
                self.heard.push(hint);
                if is {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(SOON, told).await.unwrap_or(false)
    }

    /// Ends the stream; every order that it ever named.
    pub(super) fn end(mut self) -> Vec<OrderId> {
        self.shutdown.cancel();
        self.attend();
        self.heard.iter().flat_map(|hint| [hint.order, hint.parent]).flatten().collect()
    }
}
