//! Carries calls to the daemon and messages back, each in a task that this owns: dropping the
//! courier ends them all.

use std::path::PathBuf;
use std::sync::Arc;

use blotter_shared::protocol::trades::ExportQuery;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, JoinSet};

use super::calls::{Call, CallError};
use super::events::{PriceReader, SseReader};
use super::export::{self, Existing, ExportSaid};
use super::http::Daemon;
use crate::msg::{Msg, StreamSaid};
use crate::quotes::PricesSaid;

/// Runs calls and the event stream.
#[derive(Debug)]
pub struct Courier {
    daemon: Arc<Daemon>,
    out: UnboundedSender<Msg>,
    tasks: JoinSet<()>,
    stream: Option<AbortHandle>,
    prices: Option<AbortHandle>,
}

impl Courier {
    #[must_use]
    pub fn new(daemon: Daemon, out: UnboundedSender<Msg>) -> Self {
        Self { daemon: Arc::new(daemon), out, tasks: JoinSet::new(), stream: None, prices: None }
    }

    pub fn greet(&mut self) {
        let (daemon, out) = (Arc::clone(&self.daemon), self.out.clone());
        self.spawn(async move {
            let result = daemon.ask(&Call::Version).await;
            send(&out, Msg::Greeted(result));
        });
    }

    pub fn call(&mut self, call: Call) {
        let (daemon, out) = (Arc::clone(&self.daemon), self.out.clone());
        self.spawn(async move {
            let result = Box::new(daemon.call(&call).await);
            send(&out, Msg::Answered { call, result });
        });
    }

    /// Calls in turn; a daemon that is gone is not asked for the rest.
    pub fn load(&mut self, calls: Vec<Call>) {
        let (daemon, out) = (Arc::clone(&self.daemon), self.out.clone());
        self.spawn(async move {
            let mut outcome = Ok(());
            for call in calls {
                let result = daemon.call(&call).await;
                let error = result.as_ref().err().cloned();
                send(&out, Msg::Answered { call, result: Box::new(result) });
                let Some(error) = error else { continue };
                let is_over = error.is_silence();
                if outcome.is_ok() || is_over {
                    outcome = Err(error);
                }
                if is_over {
                    break;
                }
            }
            send(&out, Msg::Loaded(outcome));
        });
    }

    /// Writes an export into a new file, and tells how it goes.
    pub fn export(&mut self, query: ExportQuery, path: PathBuf) {
        let (daemon, out) = (Arc::clone(&self.daemon), self.out.clone());
        self.spawn(async move {
            let progress = |bytes| send(&out, Msg::Export(ExportSaid::Progress { bytes }));
            let said = match export::to_file(&daemon, &query, &path, Existing::Kept, progress).await {
                Ok((path, bytes)) => ExportSaid::Done { path: path.display().to_string(), bytes },
                Err(error) => ExportSaid::Failed(error.to_string()),
            };
            send(&out, Msg::Export(said));
        });
    }

    pub fn open_stream(&mut self, generation: u64, last_event_id: Option<i64>) {
        self.close_stream();
        let (daemon, out) = (Arc::clone(&self.daemon), self.out.clone());
        let read = async move {
            let result = match daemon.open_stream(last_event_id).await {
                Ok(body) => read_stream(body, generation, &out).await,
                Err(error) => Err(error),
            };
            send(&out, Msg::Stream { generation, said: StreamSaid::Ended(result.err()) });
        };
        self.stream = Some(self.spawn(read));
    }

    pub fn close_stream(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.abort();
        }
    }

    pub fn open_prices(&mut self, generation: u64) {
        self.close_prices();
        let (daemon, out) = (Arc::clone(&self.daemon), self.out.clone());
        let read = async move {
            if let Ok(body) = daemon.open_prices().await {
                read_prices(body, generation, &out).await;
            }
            // Why it ended is told by the session, which asks the same daemon.
            send(&out, Msg::Prices { generation, said: PricesSaid::Ended });
        };
        self.prices = Some(self.spawn(read));
    }

    pub fn close_prices(&mut self) {
        if let Some(prices) = self.prices.take() {
            prices.abort();
        }
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task)
    }
}

async fn read_stream(mut body: Incoming, generation: u64, out: &UnboundedSender<Msg>) -> Result<(), CallError> {
    let mut reader = SseReader::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| CallError::Broken)?;
        let Some(bytes) = frame.data_ref() else { continue };
        let items = reader.feed(bytes).map_err(|error| CallError::Garbled(error.to_string()))?;
        for item in items {
            send(out, Msg::Stream { generation, said: StreamSaid::Item(item) });
        }
    }
    Ok(())
}

async fn read_prices(mut body: Incoming, generation: u64, out: &UnboundedSender<Msg>) {
    let mut reader = PriceReader::default();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(bytes) = frame.data_ref() else { continue };
        let Ok(told) = reader.feed(bytes) else { return };
        for said in told {
            send(out, Msg::Prices { generation, said });
        }
    }
}

/// When nobody listens any more the client is ending, and nothing is lost.
fn send(out: &UnboundedSender<Msg>, msg: Msg) {
    let _ = out.send(msg);
}
