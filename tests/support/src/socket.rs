//! A plain HTTP/1.1 client on a Unix socket, as small as `curl --unix-socket`: it knows nothing of
//! the protocol, so that it can also say wrong things.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(60);

/// One keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// # Errors
    /// When the body is no JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.text()))
    }

    /// # Errors
    /// When the body is not such a value.
    pub fn to<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| format!("unexpected body: {}", self.text()))
    }

    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Connection {
    /// # Errors
    /// When nobody listens on the socket.
    pub async fn open(socket: &Path) -> Result<Self> {
        let stream =
            UnixStream::connect(socket).await.with_context(|| format!("connecting to {}", socket.display()))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        #[expect(clippy::disallowed_methods, reason = "owned by this connection and ended with it")]
        let driver = tokio::spawn(async move {
            // An end of the connection shows in the request that waits for its answer.
            let _ = connection.await;
        });
        Ok(Self { sender, driver })
    }

    /// # Errors
    /// When no answer comes.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(request(Method::GET, path, &[], None)?).await
    }

    /// Sends JSON with the headers given.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &serde_json::Value,
    ) -> Result<Answer> {
        self.send(request(method, path, headers, Some(body))?).await
    }

    /// # Errors
    /// When no answer comes.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let answer = tokio::time::timeout(PATIENCE, async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, anyhow::Error>(Answer { status: head.status, headers: head.headers, body })
        });
        answer.await.context("no answer in time")?
    }

    /// Sends a request and hands out the body as it comes: event streams.
    ///
    /// # Errors
    /// When no head of an answer comes.
    pub async fn stream(mut self, path: &str, headers: &[(&str, &str)]) -> Result<(Self, StatusCode, Incoming)> {
        let request = request(Method::GET, path, headers, None)?;
        let answer = tokio::time::timeout(PATIENCE, self.sender.send_request(request)).await.context("no answer")??;
        let status = answer.status();
        Ok((self, status, answer.into_body()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&serde_json::Value>,
) -> Result<Request<Full<Bytes>>> {
    let mut builder = Request::builder().method(method).uri(path).header("host", "blotter");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let bytes = match body {
        Some(body) => {
            builder = builder.header("content-type", "application/json");
            Bytes::from(serde_json::to_vec(body)?)
        }
        None => Bytes::new(),
    };
    Ok(builder.body(Full::new(bytes))?)
}

/// Asks again until the answer satisfies a condition.
///
/// # Errors
/// When it does not in time, with the last answer or error.
pub async fn wait_until(socket: &Path, path: &str, what: &str, condition: impl Fn(&Answer) -> bool) -> Result<Answer> {
    let (socket, deadline) = (PathBuf::from(socket), tokio::time::Instant::now() + PATIENCE);
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    loop {
        pace.tick().await;
        let last = match Connection::open(&socket).await {
            Ok(mut connection) => connection.get(path).await,
            Err(error) => Err(error),
        };
        match last {
            Ok(answer) if condition(&answer) => return Ok(answer),
            Ok(answer) if tokio::time::Instant::now() > deadline => {
                bail!("waited for {what}; GET {path} last answered {}: {}", answer.status, answer.text())
            }
            Err(error) if tokio::time::Instant::now() > deadline => {
                return Err(error.context(format!("waited for {what}")));
            }
            Ok(_) | Err(_) => {}
        }
    }
}
