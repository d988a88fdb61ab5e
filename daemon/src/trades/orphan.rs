//! What belongs to nobody: orders of ours that nothing wants, and wishes that nothing carries.
//!
//! An order is touched only when it is ours by tag, or by a number that an intent of ours holds.
//! The cancels themselves are planned in `plan`; here is what they are decided by.

use super::facts::{Bracket, Wish};

/// Whether the bracket that last worked is another one than the wish asks for.
#[must_use]
pub fn differs(good: &Bracket, wish: &Wish) -> bool {
    let wanted = Bracket { stop: wish.stop, target: wish.limit.or(wish.target) };
    *good != wanted
}
