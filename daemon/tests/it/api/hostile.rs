//! Local clients that are slow, huge, many, or mad. Each is refused; the others keep working.

use std::time::Duration;

use blotter_shared::protocol::problem::ProblemCode;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::daemon::{Daemon, knock, problem_in, raw, read_to_end};
use crate::support::{DEADLINE, TestDb, looks};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_claim_is_refused_before_it_is_read() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    for framing in ["content-length: 1073741824", "content-length: 1073741824\r\nexpect: 100-continue"] {
        let head = format!("PUT /v1/settings HTTP/1.1\r\nhost: b\r\nidempotency-key: h\r\n{framing}\r\n\r\n");
        let answer = raw(&daemon.socket, head.as_bytes()).await;
        assert_eq!(problem_in(&answer).code, ProblemCode::BodyTooLarge);
    }
    // Without a claim: the flood is cut where the bound is.
    let mut stream = UnixStream::connect(&daemon.socket).await.unwrap();
    let head = "PUT /v1/settings HTTP/1.1\r\nhost: b\r\nidempotency-key: h\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0_usize;
    while stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += chunk.len();
        assert!(sent < 64 << 20, "the daemon takes everything");
    }
    assert_eq!(problem_in(&read_to_end(stream).await).code, ProblemCode::BodyTooLarge);
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_drips_is_cut_and_a_quiet_connection_is_not() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| {
        config.limits.header_timeout_s = Duration::from_millis(200);
    })
    .await;
    let mut quiet = daemon.client().await;
    assert_eq!(quiet.get("/v1/version").await.status, 200);

    let stream = UnixStream::connect(&daemon.socket).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let drip = async {
        for byte in b"GET /v1/version HTTP/1.1\r\nx: ".iter().chain(std::iter::repeat(&b'y')) {
            if writer.write_all(&[*byte]).await.is_err() {
                return;
            }
            pace.tick().await;
        }
    };
    let cut = tokio::time::timeout(DEADLINE, async { tokio::join!(drip, reader.read_to_end(&mut answer)) });
    // Whoever speaks while the line is cut may hear of that instead of its end.
    let _ = cut.await.expect("the head drips on and on").1;
    let problem = problem_in(std::str::from_utf8(&answer).unwrap());
    assert_eq!((problem.code, problem.limit.as_deref()), (ProblemCode::TimedOut, Some("limits.header_timeout_s")));

    // Half a request, and nothing more: the same.
    assert_eq!(problem_in(&raw(&daemon.socket, b"GET /v1/ver").await).code, ProblemCode::TimedOut);
    // The one that was quiet all the while goes on.
    assert_eq!(quiet.get("/v1/version").await.status, 200);
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_one_user_leaves_the_open_connections_alone() {
    const CROWD: usize = 10_000;
    const ALLOWED: u32 = 64;
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| config.limits.connections_per_user = ALLOWED).await;
    let mut working = daemon.client().await;
    assert_eq!(working.get("/v1/trades").await.status, 200);
    let mut refused = 0_usize;
    let mut held = Vec::new();
    for wave in 0..CROWD / 200 {
        let connected = join_all((0..200).map(|_| knock(&daemon.socket)));
        for (stream, answer) in connected.await {
            if answer.starts_with("HTTP/1.1 429") {
                refused += 1;
            } else {
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
                held.push(stream);
            }
        }
        assert_eq!(working.get("/v1/trades").await.status, 200, "wave {wave}");
    }
    assert!(held.len() < ALLOWED as usize, "{} are open at once", held.len() + 1);
    assert!(refused >= CROWD - ALLOWED as usize, "only {refused} were refused");
    // When the crowd goes, its places are free again.
    drop(held);
    let mut looks = looks();
    let freed = tokio::time::timeout(DEADLINE, async {
        while !knock(&daemon.socket).await.1.starts_with("HTTP/1.1 200") {
            looks.tick().await;
        }
    });
    freed.await.expect("the places were not given back");
    daemon.stop().await.unwrap();
}
