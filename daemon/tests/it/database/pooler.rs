//! A pooler in transaction mode between us and the server. This one is 100 lines and speaks the
//! real protocol: it lends a server session to a client for as long as a transaction lasts.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use blotter_daemon::clock::Clock;
use blotter_daemon::db::{Db, DbState};
use blotter_testkit::Cluster;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::support::{config, reach};

/// Which idle server session is lent next.
#[derive(Clone, Copy, Debug)]
enum Order {
    LastUsedFirst,
    RoundRobin,
}

/// A server session and what the server said when it began.
struct Server {
    stream: UnixStream,
    greeting: Vec<u8>,
}

struct Pool {
    socket: std::path::PathBuf,
    order: Order,
    idle: Mutex<VecDeque<Server>>,
}

impl Pool {
    async fn take(&self, startup: &[u8]) -> Server {
        let idle = {
            let mut idle = self.idle.lock().unwrap();
            match self.order {
                Order::LastUsedFirst => idle.pop_back(),
                Order::RoundRobin => idle.pop_front(),
            }
        };
        match idle {
            Some(server) => server,
            None => Server::open(&self.socket, startup).await,
        }
    }

    fn give_back(&self, server: Server) {
        self.idle.lock().unwrap().push_back(server);
    }
}

impl Server {
    async fn open(socket: &Path, startup: &[u8]) -> Self {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        stream.write_all(startup).await.unwrap();
        let mut greeting = Vec::new();
        loop {
            let message = read_message(&mut stream).await.unwrap();
            greeting.extend_from_slice(&message);
            if message[0] == b'Z' {
                return Self { stream, greeting };
            }
        }
    }
}

async fn read_message(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut message = vec![0; 5];
    stream.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(message[1..5].try_into().unwrap()) as usize;
    message.resize(length + 1, 0);
    stream.read_exact(&mut message[5..]).await.ok()?;
    Some(message)
}

async fn serve(mut client: UnixStream, pool: Arc<Pool>) -> Option<()> {
    let mut startup = vec![0; 4];
    client.read_exact(&mut startup).await.ok()?;
    startup.resize(u32::from_be_bytes(startup[..4].try_into().unwrap()) as usize, 0);
    client.read_exact(&mut startup[4..]).await.ok()?;
    let server = pool.take(&startup).await;
    client.write_all(&server.greeting).await.ok()?;
    pool.give_back(server);

    let mut lent: Option<Server> = None;
    loop {
        let Some(message) = read_message(&mut client).await.filter(|message| message[0] != b'X') else {
            return Some(());
        };
        let mut server = match lent.take() {
            Some(server) => server,
            None => pool.take(&startup).await,
        };
        server.stream.write_all(&message).await.ok()?;
        if !matches!(message[0], b'Q' | b'S') {
            lent = Some(server);
            continue;
        }
        loop {
            let answer = read_message(&mut server.stream).await?;
            client.write_all(&answer).await.ok()?;
            if answer[0] == b'Z' {
                // Not in a transaction: the session is lent to whoever comes next.
                if answer[5] == b'I' {
                    pool.give_back(server);
                } else {
                    lent = Some(server);
                }
                break;
            }
        }
    }
}

/// Runs the pooler; its socket is in the directory.
fn pooler(cluster: &Cluster, order: Order, tasks: &mut JoinSet<()>) -> TempDir {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
    let socket = cluster.socket_dir().join(".s.PGSQL.5432");
    let pool = Arc::new(Pool { socket, order, idle: Mutex::default() });
    tasks.spawn(async move {
        let mut clients = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let pool = Arc::clone(&pool);
            clients.spawn(async move {
                serve(client, pool).await;
            });
        }
    });
    directory
}

#[tokio::test]
async fn a_transaction_mode_pooler_is_refused() {
    let cluster = Cluster::start().unwrap();
    for order in [Order::LastUsedFirst, Order::RoundRobin] {
        let mut tasks = JoinSet::new();
        let directory = pooler(&cluster, order, &mut tasks);
        let url = format!("postgres://postgres@/blotter?host={}", directory.path().display());
        // It works well enough to be taken for a server.
        let raw = crate::support::Raw::connect(&url).await;
        assert_eq!(raw.count("SELECT count(*) FROM pg_database WHERE datname = 'blotter'").await, 1);

        let db = Db::connect(config(&url), &Clock::system());
        let sentence = reach(&db, DbState::Refused).await.detail.unwrap();
        assert!(
            sentence.contains("pooler in transaction mode") && sentence.contains("session mode"),
            "{order:?}: {sentence}"
        );
        db.close().await;
    }
}

/// PgBouncer and Neon refuse the session's settings before anything else.
#[tokio::test]
async fn a_pooler_that_refuses_our_settings_is_known_by_that() {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut fields = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0".to_vec();
            let mut message = vec![b'E'];
            message.extend_from_slice(&u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
            message.append(&mut fields);
            let mut startup = [0; 4];
            client.read_exact(&mut startup).await.unwrap();
            client.write_all(&message).await.unwrap();
        }
    });
    let url = format!("postgres://postgres@/blotter?host={}", directory.path().display());
    let db = Db::connect(config(&url), &Clock::system());
    let sentence = reach(&db, DbState::Refused).await.detail.unwrap();
    assert!(sentence.contains("pooler in transaction mode"), "{sentence}");
}
