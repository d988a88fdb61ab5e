//! The simulator's tests. Files follow the sections of the broker's reference; section numbers stand in the tests' names.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::needless_pass_by_value,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is its purpose; it names only the facts that it judges; the same number
              must come back the same"
)]

mod client;
mod conservation;
mod market;
mod matching;
mod program;
mod support;
mod wire;
