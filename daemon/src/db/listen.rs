//! Hints between daemons: "look, this user's feed has moved", and "this account has work". The rows are the truth.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_postgres::{Client, Notification};

use super::Db;
use super::connect::Obstacle;
use super::status::DbState;
use super::supervisor::Shared;
use super::work::WorkHint;
use crate::auth::Username;

/// Hints that wait for a slow reader; one more, and the reader is told of a gap instead.
const QUEUE: usize = 1024;
/// Between two looks whether the silent connection is still one.
const STILL_THERE: Duration = Duration::from_secs(15);
/// Pause after a connection that failed.
const RETRY: Duration = Duration::from_millis(250);

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeHint {
    /// The user's feed has reached `seq`.
    Changed { username: Username, seq: i64 },
    /// Something may have been missed (first connection, a break, a full queue): look at
    /// everything.
    Gap,
}

/// Listens on a connection of its own, and reconnects by itself.
#[derive(Debug)]
pub struct ChangeListener {
    hints: mpsc::Receiver<ChangeHint>,
}

impl ChangeListener {
    /// Starts to listen; the first hint is a [`ChangeHint::Gap`].
    #[must_use]
    pub fn start(db: &Db) -> Self {
        let (sender, hints) = mpsc::channel(QUEUE);
        let shared = Arc::clone(&db.shared);
        let stop = shared.tasks.stop.clone();
        db.shared.tasks.tracker.spawn(async move {
            stop.run_until_cancelled(listen(&shared, &sender)).await;
        });
        Self { hints }
    }

    /// The next hint; `None` once the [`Db`] is closed. Cancel safe.
    pub async fn next(&mut self) -> Option<ChangeHint> {
        self.hints.recv().await
    }
}

async fn listen(shared: &Shared, hints: &mpsc::Sender<ChangeHint>) {
    let mut status = shared.status.subscribe();
    while !hints.is_closed() {
        // The supervisor is the one who tries; this waits for it.
        if status.wait_for(|status| status.state == DbState::Ready).await.is_err() {
            return;
        }
        if let Err(obstacle) = hear(shared, hints).await {
            tracing::debug!(reason = obstacle.sentence(), "the listener's connection ended");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// One connection, until it ends.
async fn hear(shared: &Shared, hints: &mpsc::Sender<ChangeHint>) -> Result<(), Obstacle> {
    let (notes, mut heard) = mpsc::channel(QUEUE);
    let connector = shared.work_connector()?;
    connector.must_be_trusted()?;
    let (client, _) = connector.open(Some(notes)).await.map_err(|error| connector.explain(&error))?;
    client
        .batch_execute("LISTEN blotter_changes; LISTEN blotter_work")
        .await
        .map_err(|error| connector.explain(&error))?;
    // From here on nothing is missed; what happened before may have been. The listener falls
    // silent when its reader is gone.
    let _ = shared.work.send(WorkHint::Gap);
    if hints.send(ChangeHint::Gap).await.is_err() {
        return Ok(());
    }
    loop {
        tokio::select! {
            note = heard.recv() => {
                let Some(note) = note else {
                    return Err(Obstacle::Away("the listener's connection broke".to_owned()));
                };
                match note.channel() {
                    "blotter_work" => pass_work_on(&note, shared),
                    _ => pass_on(&note, hints).await,
                }
            }
            () = tokio::time::sleep(STILL_THERE) => still_there(&client, shared).await?,
            () = hints.closed() => return Ok(()),
        }
    }
}

/// Waits when the reader is slow; meanwhile the queue before this one fills, and its overflow ends
/// the connection, which the reader hears of as a gap.
async fn pass_on(note: &Notification, hints: &mpsc::Sender<ChangeHint>) {
    let parts = note.payload().split_once(' ');
    let hint = parts.and_then(|(seq, username)| {
        Some(ChangeHint::Changed { username: username.parse().ok()?, seq: seq.parse().ok()? })
    });
    // Anybody who may log in may notify: what we cannot read is skipped.
    let Some(hint) = hint else {
        tracing::warn!("a notification on blotter_changes was not written by blotterd");
        return;
    };
    let _ = hints.send(hint).await;
}

/// Nobody may be there to hear it: a program without loops.
fn pass_work_on(note: &Notification, shared: &Shared) {
    match WorkHint::read(note.payload()) {
        Some(hint) => drop(shared.work.send(hint)),
        None => tracing::warn!("a notification on blotter_work was not written by blotterd"),
    }
}

async fn still_there(client: &Client, shared: &Shared) -> Result<(), Obstacle> {
    let gone = || Obstacle::Away("the listener's connection does not answer".to_owned());
    let answer = tokio::time::timeout(shared.config.limits.statement, client.simple_query("")).await;
    answer.map_err(|_| gone())?.map_err(|_| gone())?;
    Ok(())
}
