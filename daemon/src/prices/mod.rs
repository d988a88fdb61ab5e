//! What positions are worth over time: taken, judged, stored, packed, and shown.
//!
//! Read `recorder` (one round over everybody's positions), `judge` (what a quote is worth), `pack`, `outline` and
//! `retention` (what becomes of old rows), `chart` and `series` (how a chart reads them), `board` and `live` (what the
//! screens see between two rounds), `chains` (what could be bought).
//!
//! Invariants:
//! * A round makes one batched call for quotes for each account, however many positions there are.
//! * A stored price says who quoted it, when, and how far it can be trusted. A trade's own price follows
//!   in the same transaction, and only from a mark that is fit to be shown.
//! * What was recorded is never changed; packing loses nothing, thinning keeps the best and the worst.

pub mod board;
pub mod chains;
pub mod chart;
pub mod forecast;
pub mod judge;
pub mod live;
pub mod outline;
pub mod pack;
pub mod recorder;
pub mod retention;
pub mod series;
pub mod sources;

pub use board::Board;
pub use chains::{ChainError, ChainOf, Chains};
pub use live::Live;
pub use recorder::{Recorder, Round, RoundReport};
