//! What happened, pushed to whoever listens.
//!
//! `hub` keeps, per user, the streams that are open and how far they are told; `pump` reads the
//! change feed when the database hints or a timer says so, encodes each event once, and hands the
//! same bytes to every stream; `queue` is the bounded store between that and one client; `stream`
//! is what the client's connection draws from.
//!
//! Invariants:
//! * Within a stream, sequence numbers grow; what a client has missed is replayed, or it is told to
//!   load everything again. Nothing is skipped in silence.
//! * One client's slowness costs the others nothing: a full queue ends that client's stream.
//! * A hint is only a hint: the feed is the truth, and is looked at from time to time without one.

mod frame;
mod hub;
mod pump;
mod queue;
mod stream;

pub use hub::{Hub, HubParts};
pub use stream::EventStream;
