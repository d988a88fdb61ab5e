//! Sessions: made by a POST, good for five minutes, one of a kind for each token.

use crate::rng::Stream;
use crate::time::{MINUTE, Ms};

/// What a session is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamKind {
    Account,
    Market,
}

#[derive(Debug)]
struct Session {
    id: String,
    token: usize,
    kind: StreamKind,
    opened: Ms,
    connected: bool,
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    ids: Stream,
    open: Vec<Session>,
}

const LIFE: i64 = 5 * MINUTE;

impl Sessions {
    pub(crate) fn new(seed: u64) -> Self {
        Self { ids: Stream::new(seed, "sessions"), open: Vec::new() }
    }

    /// A new session; the one before it of the same kind and token ends.
    pub(crate) fn open(&mut self, token: usize, kind: StreamKind, now: Ms) -> String {
        self.open.retain(|s| !(s.token == token && s.kind == kind));
        let (a, b) = (self.ids.next_u64(), self.ids.next_u64());
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xFFFF,
            a & 0xFFF,
            b >> 52,
            b & 0xFFFF_FFFF_FFFF
        );
        self.open.push(Session { id: id.clone(), token, kind, opened: now, connected: false });
        id
    }

    /// The token of a session that may be used now. Once connected it stays good.
    pub(crate) fn connect(&mut self, id: &str, kind: StreamKind, now: Ms) -> Option<usize> {
        let session = self.open.iter_mut().find(|s| s.id == id && s.kind == kind)?;
        if !session.connected && now.since(session.opened) > LIFE {
            return None;
        }
        session.connected = true;
        Some(session.token)
    }

    /// Whether a session still exists.
    pub(crate) fn is_open(&self, id: &str) -> bool {
        self.open.iter().any(|s| s.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_a_session_lives_five_minutes_unless_connected_and_is_one_of_its_kind() {
        let mut all = Sessions::new(1);
        let first = all.open(0, StreamKind::Account, Ms(0));
        assert_eq!(all.connect(&first, StreamKind::Market, Ms(1)), None, "of another kind");
        assert_eq!(all.connect(&first, StreamKind::Account, Ms(LIFE)), Some(0));
        assert_eq!(all.connect(&first, StreamKind::Account, Ms(10 * LIFE)), Some(0), "connected, it stays");
        let second = all.open(0, StreamKind::Account, Ms(0));
        assert!(!all.is_open(&first));
        assert_eq!(all.connect(&second, StreamKind::Account, Ms(LIFE + 1)), None, "too late");
        assert_eq!(first.len(), 36);
    }
}
