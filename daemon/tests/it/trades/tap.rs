//! What lies between a daemon and its broker: it passes every request on, until one is waited for.
//! Then it stops, before the broker has the request or before the daemon has the answer, until the
//! test has done what it wanted to do in that moment.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// On which side of the request the moment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The daemon has decided and recorded; the broker never hears of it.
    BeforeSend,
    /// The broker has acted; the daemon never hears of it.
    AfterSend,
    /// As above, and the daemon hears of it late.
    BeforeAnswer,
}

/// Which request is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// An order whose tag has this part.
    Order(&'static str),
    Cancel,
    /// The n-th read from now on, counted from 1.
    Read(u32),
}

impl Wanted {
    fn is(&mut self, request: &str) -> bool {
        match self {
            Self::Order(part) => request.starts_with("POST") && request.contains(*part),
            Self::Cancel => request.starts_with("DELETE"),
            Self::Read(left) => {
                *left -= u32::from(request.starts_with("GET"));
                *left == 0
            }
        }
    }
}

#[derive(Debug, Default)]
struct State {
    trap: Mutex<Option<(Wanted, Moment)>>,
    /// The moment has come.
    hit: Notify,
    /// It is over.
    over: Notify,
}

pub(super) struct Tap {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

impl Tap {
    pub(super) async fn before(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                running.spawn(async move {
                    // An end that cuts a connection is what these tests are about.
                    let _cut = pass(stream, broker, &state).await;
                });
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// Waits for a request from now on; [`Tap::reached`] tells when it has come.
    pub(super) fn set(&self, wanted: Wanted, moment: Moment) {
        *self.state.trap.lock().unwrap() = Some((wanted, moment));
    }

    pub(super) async fn reached(&self, wanted: Wanted, moment: Moment) {
        let hit = tokio::time::timeout(2 * crate::support::DEADLINE, self.state.hit.notified()).await;
        assert!(hit.is_ok(), "waited for {wanted:?} {moment:?}; it never passed");
    }

    pub(super) fn go_on(&self) {
        self.state.over.notify_one();
    }
}

async fn pass(mut daemon: TcpStream, broker: SocketAddr, state: &State) -> std::io::Result<()> {
    let request = request(&mut daemon).await?;
    let moment = {
        let mut trap = state.trap.lock().unwrap();
        let struck = trap.as_mut().is_some_and(|(wanted, _)| wanted.is(&request));
        if struck { trap.take().map(|(_, moment)| moment) } else { None }
    };
    if moment == Some(Moment::BeforeSend) {
        state.hit.notify_one();
        state.over.notified().await;
        return Ok(());
    }
    let mut upstream = TcpStream::connect(broker).await?;
    upstream.write_all(closing(&request).as_bytes()).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    if let Some(moment) = moment {
        state.hit.notify_one();
        state.over.notified().await;
        if moment == Moment::AfterSend {
            return Ok(());
        }
    }
    daemon.write_all(&answer).await?;
    daemon.shutdown().await
}

/// One whole request.
async fn request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Ok(text.into_owned());
            }
        }
        let read = stream.read_buf(&mut bytes).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The same request, after whose answer the connection ends.
fn closing(request: &str) -> String {
    let (line, rest) = request.split_once("\r\n").unwrap_or((request, ""));
    format!("{line}\r\nconnection: close\r\n{rest}")
}
