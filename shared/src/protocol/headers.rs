//! Header names, and the sentence for two programs that cannot talk to each other.

use super::PROTOCOL_VERSION;

/// The protocol version of whoever sends it. A request without it is served (curl is welcome).
pub const PROTOCOL: &str = "blotter-protocol";
/// The version of the program that answers.
pub const VERSION: &str = "blotter-version";
/// The device that asks: by default the host name and the SSH client.
pub const DEVICE: &str = "blotter-device";
/// Makes a repeated request harmless; required wherever something is done.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Set by the daemon on an answer that was given before, to the same key.
pub const REPLAYED: &str = "idempotency-replayed";
/// The id of a request: in each answer, in each problem, in the daemon's log.
pub const REQUEST_ID: &str = "blotter-request-id";
/// `true` when the client must not act: everything but reading is then refused.
pub const READ_ONLY: &str = "blotter-read-only";
/// The last event a reconnecting client saw.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// Longest device name that is kept.
pub const DEVICE_MAX_CHARS: usize = 64;
/// Longest idempotency key that is accepted.
pub const IDEMPOTENCY_KEY_MAX_CHARS: usize = 128;

/// Whether a peer that speaks `theirs` can be served, or else the sentence that says which side
/// to upgrade.
///
/// # Errors
/// When the versions differ.
pub fn check_protocol(theirs: u32) -> Result<(), String> {
    use std::cmp::Ordering;
    match theirs.cmp(&PROTOCOL_VERSION) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(format!(
            "the client speaks protocol {theirs}, this daemon speaks {PROTOCOL_VERSION}: upgrade the client (blotter)"
        )),
        Ordering::Greater => Err(format!(
            "the client speaks protocol {theirs}, this daemon speaks {PROTOCOL_VERSION}: upgrade the daemon (blotterd)"
        )),
    }
}
