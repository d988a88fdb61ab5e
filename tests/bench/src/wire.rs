//! A line between the daemon and the broker that notes when each answer went through: the ledger of the simulator
//! knows when a request came, to the millisecond, and not when its answer left.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::Result;

const AT_ONCE: usize = 64 * 1024;

/// A request that went through.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Without what is asked for in it.
    pub path: String,
    pub asked: Instant,
    /// When the newest part of the answer was handed on; absent before the first.
    pub answered: Option<Instant>,
}

/// Where the daemon takes the broker to be.
pub(crate) struct Wire {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Wire {
    /// Hands on what comes to `address` and what it answers; it ends with the process.
    pub(crate) fn to(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let wire = Self { address: listener.local_addr()?, heard: Arc::default() };
        let heard = Arc::clone(&wire.heard);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let heard = Arc::clone(&heard);
                // A line that cannot be made or breaks is the daemon's to notice.
                let _line = TcpStream::connect(address).and_then(|far| join(near, far, &heard));
            }
        });
        Ok(wire)
    }

    /// What was asked for from `since` on, in this order.
    pub(crate) fn heard(&self, since: Instant) -> Vec<Heard> {
        locked(&self.heard).iter().filter(|heard| heard.asked >= since).cloned().collect()
    }
}

/// Both ways of one connection. It has one request under way at a time, so that what comes back answers the last one.
fn join(near: TcpStream, far: TcpStream, heard: &Arc<Mutex<Vec<Heard>>>) -> std::io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let last = Arc::new(Mutex::new(None));
    let (asking, answering) = (Arc::clone(heard), Arc::clone(heard));
    let (of_request, of_answer) = (Arc::clone(&last), last);
    let (near_in, far_out) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || {
        carry(near_in, far_out, |part| {
            if let Some(path) = path_of(part) {
                let at = {
                    let mut heard = locked(&asking);
                    heard.push(Heard { path, asked: Instant::now(), answered: None });
                    heard.len() - 1
                };
                *locked(&of_request) = Some(at);
            }
        });
    });
    thread::spawn(move || {
        carry(far, near, |_| {
            let Some(at) = *locked(&of_answer) else { return };
            if let Some(heard) = locked(&answering).get_mut(at) {
                heard.answered = Some(Instant::now());
            }
        });
    });
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut(&[u8])) {
    let mut part = vec![0; AT_ONCE];
    while let Ok(length @ 1..) = from.read(&mut part) {
        let Some(part) = part.get(..length) else { break };
        note(part);
        if to.write_all(part).is_err() {
            break;
        }
    }
    let _closed = to.shutdown(std::net::Shutdown::Write);
}

/// The path, where a request begins with this.
fn path_of(part: &[u8]) -> Option<String> {
    let line = part.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (_method, target, version) = (words.next()?, words.next()?, words.next()?);
    let path = target.split('?').next()?;
    version.starts_with("HTTP/1").then(|| path.to_owned())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
