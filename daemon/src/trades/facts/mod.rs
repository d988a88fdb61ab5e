//! What is durably known: trades, what is wanted of them, what was sent for them, what the broker
//! showed. Everything else (status, what is held, whether it is covered) is derived from it.
//!
//! Ownership of columns keeps writers apart without locks: a command owns the [`Wish`], the owner
//! of the lease owns [`Marks`], intents and fills. A [`Change`] touches one of them, and a change
//! of the wish or a send gate names the wish that it was decided on.
//!
//! Invariants:
//! * what was executed never shrinks, and an intent that came to an end stays there;
//! * what a snapshot shows is taken in once, however often it is folded (that it was looked is counted each time);
//! * an order of ours that no intent knows was lost with the database: it is taken up, never sent beside;
//! * a fill's identity is (leg, cumulative quantity), so that a replay writes the same rows.

pub mod absence;
pub mod account;
pub mod apply;
pub mod change;
pub mod derive;
pub mod evidence;
pub mod fold;
pub mod halt;
pub mod intent;
mod others;
mod readopt;
pub mod restore;
pub mod standing;
pub mod trade;

pub use account::{AccountMarks, Book, Outage};
pub use apply::{Illegal, apply};
pub use change::{AlarmChange, AlarmState, Change, WishStamp};
pub use intent::{Absence, Fill, Intent, LegSeen, Op, Order, Origin, Shape};
pub use standing::Standing;
pub use trade::{Agreement, Bracket, FlatCause, Marks, Mismatch, Quarantine, Spec, Trade, Wish};
