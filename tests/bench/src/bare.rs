//! The fan-out floor: a Unix socket, one bounded queue a client, the same bytes for everybody.
//! No HTTP, no identity, no replay: the least that a push to many can cost.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

type Queues = Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>;

/// A running floor. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Bare {
    queues: Queues,
    _tasks: JoinSet<()>,
}

impl Bare {
    pub(crate) fn start(socket: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let queues = Queues::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&queues)));
        Ok(Self { queues, _tasks: tasks })
    }

    pub(crate) fn publish(&self, frame: &Bytes) {
        for queue in self.queues.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A full queue would be a slow reader: the floor drops the frame, the run then fails.
            let _ = queue.try_send(frame.clone());
        }
    }
}

async fn accept(listener: UnixListener, queues: Queues) {
    let mut writers = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let (queue, mut frames) = mpsc::channel::<Bytes>(64);
        // A greeting, so that a client knows that it is attached.
        let _ = queue.try_send(Bytes::from_static(b"event: health\ndata: {}\n\n"));
        queues.lock().unwrap_or_else(PoisonError::into_inner).push(queue);
        writers.spawn(async move {
            while let Some(frame) = frames.recv().await {
                if stream.write_all(&frame).await.is_err() {
                    return;
                }
            }
        });
    }
}
