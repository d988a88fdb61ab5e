//! A small HTTP server that does exactly what a test tells it to, and remembers what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::DEADLINE;

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// Reads the request and closes.
    Close,
    /// Reads the request and resets the connection.
    Reset,
    /// Reads the request and says nothing, ever.
    Stall,
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Promises a longer body than it sends, then closes.
    Cut {
        body: String,
        promised: usize,
    },
    /// Sends the head and then nothing more.
    StallInBody {
        promised: usize,
    },
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Script = dyn Fn(usize, &Request) -> Reply + Send + Sync;

#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    connections: usize,
    /// Tells how many requests have come.
    arrived: watch::Sender<usize>,
}

/// The server; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    arrived: watch::Receiver<usize>,
    _task: JoinSet<()>,
}

impl Server {
    /// Answers the n-th request as `script(n, request)` says.
    pub(crate) async fn start(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let arrived = seen.lock().unwrap().arrived.subscribe();
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&seen), Arc::new(script)));
        Self { address, seen, arrived, _task: task }
    }

    /// Answers everything alike.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    /// Answers in order; the last answer stays.
    pub(crate) async fn in_order(replies: Vec<Reply>) -> Self {
        Self::start(move |index, _| replies[index.min(replies.len() - 1)].clone()).await
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Waits until a request to a path that ends so has come.
    pub(crate) async fn wait_for_path(&self, end: &str) {
        let mut arrived = self.arrived.clone();
        let come = async {
            while !self.requests().iter().any(|request| request.path.ends_with(end)) {
                arrived.changed().await.unwrap();
            }
        };
        let result = tokio::time::timeout(DEADLINE, come).await;
        assert!(result.is_ok(), "waited for {end}, got {:#?}", self.requests());
    }

    /// Waits until `count` requests have come.
    pub(crate) async fn wait_for(&self, count: usize) {
        let mut arrived = self.arrived.clone();
        let enough = arrived.wait_for(|arrived| *arrived >= count);
        let result = tokio::time::timeout(DEADLINE, enough).await.map(drop);
        assert!(result.is_ok(), "waited for {count} requests, got {:#?}", self.requests());
    }
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<Seen>>, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.connections += 1;
            seen.connections - 1
        };
        connections.spawn(serve(socket, number, Arc::clone(&seen), Arc::clone(&script)));
    }
}

async fn serve(mut socket: TcpStream, number: usize, seen: Arc<Mutex<Seen>>, script: Arc<Script>) {
    while let Some(request) = read_request(&mut socket, number).await {
        let index = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(request.clone());
            seen.arrived.send_replace(seen.requests.len());
            seen.requests.len() - 1
        };
        match script(index, &request) {
            Reply::Answer { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    head = format!("{head}{name}: {value}\r\n");
                }
                if socket.write_all(format!("{head}\r\n{body}").as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Close => return,
            Reply::Reset => {
                let _ = socket.set_zero_linger();
                return;
            }
            Reply::Stall => std::future::pending().await,
            Reply::Bytes(bytes) => {
                let _ = socket.write_all(&bytes).await;
                return;
            }
            Reply::Cut { body, promised } => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\n\r\n{body}");
                let _ = socket.write_all(head.as_bytes()).await;
                return;
            }
            Reply::StallInBody { promised } => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\n\r\n{{");
                let _ = socket.write_all(head.as_bytes()).await;
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn read_request(socket: &mut TcpStream, connection: usize) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        let mut chunk = [0; 4096];
        match socket.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0_usize);
    let mut body = bytes[head_end + 4..].to_vec();
    while body.len() < length {
        let mut chunk = [0; 4096];
        match socket.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => body.extend_from_slice(&chunk[..count]),
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        connection,
    })
}
