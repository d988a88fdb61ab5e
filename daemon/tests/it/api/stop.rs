//! The orderly stop.

use blotter_daemon::api::serve;
use blotter_shared::protocol::problem::Problem;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::daemon::{Daemon, Events, problem_in, read_to_end};
use super::foreign::bare;
use crate::support::TestDb;

/// What somebody hears who stood in the queue when the daemon was told to stop.
pub(super) async fn latecomer(url: &str) -> Problem {
    let bare = bare(url, nix::unistd::Uid::effective().as_raw());
    let stream = UnixStream::connect(&bare.socket).await.unwrap();
    bare.accept.api.stop.cancel();
    serve(bare.listener, bare.accept).await;
    problem_in(&read_to_end(stream).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_told_and_do_not_hold_the_daemon() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = Events::open(&daemon.socket, None).await;
        stream.until("hello").await;
        streams.push(stream);
    }
    let idle = daemon.client().await;
    let socket = daemon.socket.clone();
    let begun = Instant::now();
    daemon.stop().await.unwrap();
    let took = begun.elapsed();
    assert!(took.as_secs() < 5, "the stop took {took:?} with streams attached");
    for stream in &mut streams {
        let (bye, _) = stream.until("bye").await;
        assert_eq!(bye.data["reason"], "shutdown");
        assert!(stream.next().await.is_none(), "the stream goes on after its end");
    }
    assert!(!socket.exists(), "the socket is left behind");
    drop(idle);
}
