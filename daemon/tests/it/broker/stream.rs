//! The account's event stream: a hint and nothing more, that comes back by itself.

use std::time::Duration;

use blotter_daemon::broker::tradier::Tradier;
use blotter_daemon::broker::tradier::stream::{AccountStream, Hint, StreamPatience, StreamState};
use blotter_daemon::broker::{OrderStatus, tls};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};
use tokio_util::sync::CancellationToken;

use super::loopback::{Reply, Server};
use super::support::{id, tradier};
use crate::support::DEADLINE;

/// What the other end does with its n-th connection after the subscription.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Says these lines and keeps the connection.
    Say(&'static str),
    Close,
    /// Says nothing and answers no ping.
    Freeze,
}

struct Rig {
    sessions: Server,
    subscriptions: watch::Receiver<Vec<String>>,
    hints: mpsc::Receiver<Hint>,
    state: watch::Receiver<StreamState>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
    _tradier: Tradier,
}

fn patience() -> StreamPatience {
    StreamPatience {
        connect: Duration::from_secs(5),
        silence: Duration::from_millis(1_200),
        ping: Duration::from_millis(100),
        shortest_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(20),
    }
}

async fn rig(acts: Vec<Act>) -> Rig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sessions = Server::start(move |index, _| {
        let url = format!("ws://{address}/v1/accounts/events");
        Reply::ok(format!(r#"{{"stream":{{"url":"{url}","sessionid":"session-{index}"}}}}"#))
    })
    .await;
    rig_with(sessions, listener, acts).await
}

async fn rig_with(sessions: Server, listener: TcpListener, acts: Vec<Act>) -> Rig {
    let (subscribed, subscriptions) = watch::channel(Vec::new());
    let tradier = tradier(&sessions.url()).await;
    let (stream, hints, state) = AccountStream::new(&tradier, tls::none().unwrap(), patience());
    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, acts, subscribed));
    tasks.spawn(stream.run(shutdown.clone()));
    Rig { sessions, subscriptions, hints, state, shutdown, tasks, _tradier: tradier }
}

async fn serve(listener: TcpListener, acts: Vec<Act>, subscribed: watch::Sender<Vec<String>>) {
    let mut open = JoinSet::new();
    for index in 0.. {
        let (socket, _) = listener.accept().await.unwrap();
        let act = acts[index.min(acts.len() - 1)];
        let mut socket: WebSocketStream<TcpStream> = accept_async(socket).await.unwrap();
        let first = socket.next().await.unwrap().unwrap();
        subscribed.send_modify(|texts| texts.push(first.into_text().unwrap().to_string()));
        match act {
            Act::Close => drop(socket),
            Act::Freeze => {
                open.spawn(async move {
                    let _kept = socket;
                    std::future::pending::<()>().await;
                });
            }
            Act::Say(lines) => {
                socket.send(Message::text(lines)).await.unwrap();
                open.spawn(async move { while socket.next().await.is_some() {} });
            }
        }
    }
}

impl Rig {
    async fn hint(&mut self) -> Hint {
        tokio::time::timeout(DEADLINE, self.hints.recv()).await.expect("a hint in time").unwrap()
    }

    async fn reach(&mut self, what: &str, is: impl FnMut(&StreamState) -> bool) -> StreamState {
        let reached = tokio::time::timeout(DEADLINE, self.state.wait_for(is)).await;
        reached.unwrap_or_else(|_| panic!("waited for {what}")).unwrap().clone()
    }
}

const LOOK: Hint = Hint { order: None, parent: None, status: None };

#[tokio::test]
async fn an_event_is_a_hint_and_a_heartbeat_is_none() {
    let lines = concat!(
        r#"{"event":"heartbeat","timestamp":1}"#,
        "\n",
        r#"{"id":38467959,"event":"order","parent_id":0,"account":"VA00000001","status":"filled","type":"limit","executed_quantity":1.0}"#,
        "\n",
        r#"{"id":11,"event":"order","parent_id":10,"status":"pondering"}"#,
        "\nnot json\n"
    );
    let mut rig = rig(vec![Act::Say(lines)]).await;
    assert_eq!(rig.hint().await, LOOK, "a new connection is a reason to look: something may have been missed");
    assert_eq!(rig.hint().await, Hint { order: Some(id(38_467_959)), parent: None, status: Some(OrderStatus::Filled) });
    let odd = OrderStatus::Unknown("pondering".to_owned());
    assert_eq!(rig.hint().await, Hint { order: Some(id(11)), parent: Some(id(10)), status: Some(odd) });
    assert_eq!(rig.hint().await, LOOK, "what cannot be read is a reason to look");
    let subscription: serde_json::Value = serde_json::from_str(&rig.subscriptions.borrow()[0]).unwrap();
    assert_eq!(subscription, serde_json::json!({"events": ["order"], "sessionid": "session-0", "excludeAccounts": []}));
    let session = &rig.sessions.requests()[0];
    assert_eq!((session.method.as_str(), session.path.as_str()), ("POST", "/v1/accounts/events/session"));
    assert_eq!(session.header("content-length"), Some("0"));
}

#[tokio::test]
async fn each_connection_has_a_session_of_its_own() {
    let mut rig = rig(vec![Act::Close, Act::Close, Act::Say("{\"event\":\"heartbeat\"}")]).await;
    for _ in 0..3 {
        assert_eq!(rig.hint().await, LOOK);
    }
    rig.reach("a live stream", |state| matches!(state, StreamState::Live { .. })).await;
    let used: Vec<_> = rig.subscriptions.borrow().clone();
    for (index, subscription) in used.iter().enumerate() {
        assert!(subscription.contains(&format!("session-{index}")), "{subscription}");
    }
}

#[tokio::test]
async fn a_frozen_stream_is_left() {
    let mut rig = rig(vec![Act::Freeze, Act::Say("{\"event\":\"heartbeat\"}")]).await;
    let state = rig.reach("the end of the silence", |state| matches!(state, StreamState::Waiting { .. })).await;
    assert!(matches!(state, StreamState::Waiting { why, .. } if why == "silence for too long"));
    rig.reach("the next connection", |state| matches!(state, StreamState::Live { .. })).await;
    let second = rig.subscriptions.wait_for(|texts| texts.len() >= 2);
    tokio::time::timeout(DEADLINE, second).await.expect("a second subscription").unwrap();
}

#[tokio::test]
async fn pongs_keep_a_quiet_stream_alive() {
    let mut rig = rig(vec![Act::Say("{\"event\":\"heartbeat\"}")]).await;
    rig.reach("a live stream", |state| matches!(state, StreamState::Live { .. })).await;
    let quiet = tokio::time::timeout(
        patience().silence * 3,
        rig.state.wait_for(|state| !matches!(state, StreamState::Live { .. })),
    );
    assert!(quiet.await.is_err(), "nothing was said for three times the bound, but every ping was answered");
}

#[tokio::test]
async fn no_session_means_polling_and_another_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sessions = Server::always(Reply::new(401, "")).await;
    let mut rig = rig_with(sessions, listener, vec![Act::Close]).await;
    let state = rig.reach("a wait", |state| matches!(state, StreamState::Waiting { .. })).await;
    assert!(matches!(state, StreamState::Waiting { why, .. } if why.starts_with("no session")));
    rig.sessions.wait_for(3).await;
    assert!(rig.hints.try_recv().is_err(), "and no hint was made up");
}

#[tokio::test]
async fn a_session_is_not_taken_to_another_host() {
    for url in ["ws://stream.example/", "wss://ws.tradier.com.evil.example/", "http://127.0.0.1/", "ws://[fd00::1]/"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let body = format!(r#"{{"stream":{{"url":"{url}","sessionid":"session"}}}}"#);
        let mut rig = rig_with(Server::always(Reply::ok(body)).await, listener, vec![Act::Close]).await;
        let state = rig.reach("a wait", |state| matches!(state, StreamState::Waiting { .. })).await;
        assert!(matches!(state, StreamState::Waiting { why, .. } if why.contains("not the broker's")), "{url}");
    }
}

#[tokio::test]
async fn a_refused_subscription_is_a_failure() {
    let mut rig = rig(vec![Act::Say(r#"{"error":"invalid session"}"#)]).await;
    let state = rig.reach("a wait", |state| matches!(state, StreamState::Waiting { .. })).await;
    assert!(matches!(state, StreamState::Waiting { why, .. } if why.contains("refused the subscription")));
}

#[tokio::test]
async fn shutdown_ends_the_task() {
    let mut rig = rig(vec![Act::Say("{\"event\":\"heartbeat\"}")]).await;
    rig.reach("a live stream", |state| matches!(state, StreamState::Live { .. })).await;
    rig.shutdown.cancel();
    let ended = tokio::time::timeout(DEADLINE, rig.tasks.join_next()).await.expect("the task ends");
    assert!(ended.unwrap().is_ok());
    assert_eq!(*rig.state.borrow(), StreamState::Off);
}
