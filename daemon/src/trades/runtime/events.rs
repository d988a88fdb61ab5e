//! The accounts' event streams at work: each hint makes its account's loop look sooner, and that is all.
//!
//! Invariants:
//! * A stream that is down delays nothing: the loop keeps its own pace.
//! * A stream that talks too much makes at most one look a second.

use std::sync::Arc;
use std::time::Duration;

use blotter_shared::protocol::health::ComponentState;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::broker::factory::Account;
use crate::broker::tradier::stream::{AccountStream, Hint, StreamPatience, StreamState};

/// Between two looks that hints ask for.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Whom a stream may wake.
#[derive(Clone, Debug)]
pub(super) struct Wakes {
    /// The account's loop.
    pub(super) rouse: Arc<Notify>,
    /// Whoever shows how the streams are.
    pub(super) changed: Arc<Notify>,
}

/// Starts an account's stream; its state is for the health page.
pub(super) fn listen(
    tasks: &mut JoinSet<()>,
    account: &Account,
    wakes: Wakes,
    stop: &CancellationToken,
) -> watch::Receiver<StreamState> {
    match account.tradier.stream_tls() {
        Ok(tls) => {
            let (stream, hints, state) = AccountStream::new(&account.tradier, tls, StreamPatience::default());
            tasks.spawn(stream.run(stop.clone()));
            tasks.spawn(hear(hints, state.clone(), wakes, AT_MOST_EVERY));
            state
        }
        Err(error) => {
            tracing::warn!("an account has no event stream, it is polled: {error}");
            watch::channel(StreamState::Off).1
        }
    }
}

/// Passes hints on until the stream ends, which ends the channel.
async fn hear(
    mut hints: mpsc::Receiver<Hint>,
    mut state: watch::Receiver<StreamState>,
    wakes: Wakes,
    at_most_every: Duration,
) {
    loop {
        tokio::select! {
            hint = hints.recv() => {
                if hint.is_none() {
                    return;
                }
                wakes.rouse.notify_one();
                tokio::time::sleep(at_most_every).await;
                // Whatever came meanwhile is one reason to look, not several.
                let mut more = false;
                while hints.try_recv().is_ok() {
                    more = true;
                }
                if more {
                    wakes.rouse.notify_one();
                }
            }
            changed = state.changed() => {
                wakes.changed.notify_one();
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// All streams in one word. No account is named: everybody may read it.
pub(super) fn summary(states: &[StreamState]) -> (ComponentState, Option<String>) {
    let live = states.iter().filter(|state| matches!(state, StreamState::Live { .. })).count();
    let why = states.iter().find_map(|state| match state {
        StreamState::Waiting { why, .. } => Some(why.as_str()),
        StreamState::Off | StreamState::Connecting | StreamState::Live { .. } => None,
    });
    match (states.len(), live, why) {
        (0, _, _) => (ComponentState::NotConfigured, None),
        (all, live, _) if live == all => (ComponentState::Ok, None),
        (_, _, None) => (ComponentState::Starting, None),
        (all, live, Some(why)) => {
            let sentence = format!("{live} of {all} event streams are open, polling goes on: {why}");
            (ComponentState::Degraded, Some(sentence))
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn one_stream_that_is_down_is_told_with_its_reason_and_none_is_no_trouble() {
        let live = || StreamState::Live { since: DateTime::UNIX_EPOCH };
        let waits = StreamState::Waiting { why: "closed by the broker".into(), next_try: DateTime::UNIX_EPOCH };
        assert_eq!(summary(&[]).0, ComponentState::NotConfigured);
        assert_eq!(summary(&[live(), live()]), (ComponentState::Ok, None));
        assert_eq!(summary(&[live(), StreamState::Connecting]).0, ComponentState::Starting);
        let (state, detail) = summary(&[live(), waits]);
        assert_eq!(state, ComponentState::Degraded);
        assert_eq!(detail.unwrap(), "1 of 2 event streams are open, polling goes on: closed by the broker");
    }

    #[tokio::test]
    async fn a_burst_of_hints_is_one_look_now_and_one_later() {
        let every = Duration::from_millis(100);
        let (sender, hints) = mpsc::channel(8);
        let (_state, watcher) = watch::channel(StreamState::Connecting);
        let wakes = Wakes { rouse: Arc::default(), changed: Arc::default() };
        let mut task = JoinSet::new();
        let began = tokio::time::Instant::now();
        for _ in 0..5 {
            sender.send(Hint { order: None, parent: None, status: None }).await.unwrap();
        }
        task.spawn(hear(hints, watcher, wakes.clone(), every));
        wakes.rouse.notified().await;
        wakes.rouse.notified().await;
        assert!(began.elapsed() >= every, "the second look waits");
        let third = tokio::time::timeout(every * 3, wakes.rouse.notified()).await;
        assert!(third.is_err(), "five hints were more than two looks");
    }
}
