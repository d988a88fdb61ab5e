//! Whether the daemon is up: it answers, and its database is well.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use blotter_shared::protocol::health::{ComponentState, Health};
use blotter_shared::protocol::{PROTOCOL_VERSION, headers};
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// What the daemon says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Well,
    /// Up, but waiting for something; the sentence says for what.
    NotYet(String),
    /// Nobody answers.
    Silent,
}

pub(super) async fn ask(socket: &Path) -> Verdict {
    match tokio::time::timeout(ANSWER_TIMEOUT, read(socket)).await {
        Ok(Ok(health)) => judge(&health),
        Ok(Err(_)) | Err(_) => Verdict::Silent,
    }
}

fn judge(health: &Health) -> Verdict {
    let database = &health.database;
    match database.state {
        ComponentState::Ok | ComponentState::Degraded => Verdict::Well,
        ComponentState::Starting | ComponentState::Unavailable | ComponentState::NotConfigured => {
            Verdict::NotYet(database.detail.clone().unwrap_or_else(|| format!("the database is {}", database.state)))
        }
    }
}

async fn read(socket: &Path) -> Result<Health> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // The connection lives as long as this set, which is as long as this call.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get("/v1/health")
        .header("host", "localhost")
        .header(headers::PROTOCOL, PROTOCOL_VERSION)
        .body(Empty::<bytes::Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await.map_err(|error| anyhow!(error))?;
    serde_json::from_slice(&body.to_bytes()).context("no health answer")
}
