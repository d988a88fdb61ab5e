//! The floor that benches hold the simulator against: a bare axum handler that answers every request with the bytes of a
//! file, and nothing else. It ends when its standard input ends and is never installed.

use std::io::{Read, Write};

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::any;
use bytes::Bytes;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).context("usage: bare-handler FILE")?;
    let bytes = Bytes::from(std::fs::read(&path).with_context(|| path.display().to_string())?);
    let answer =
        move || async move { ([(http::header::CONTENT_TYPE, "application/json;charset=UTF-8")], bytes.clone()) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
    let router = Router::new().fallback(any(answer));
    axum::serve(listener, router).with_graceful_shutdown(input_ends()).await?;
    Ok(())
}

/// Completes when standard input ends.
async fn input_ends() {
    let reading = tokio::task::spawn_blocking(|| {
        let mut waste = [0_u8; 64];
        while std::io::stdin().read(&mut waste).is_ok_and(|n| n > 0) {}
    });
    drop(reading.await);
}
