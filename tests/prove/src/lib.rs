//! The proof of the trade engine: its code, unchanged, in a world that is against it.
//!
//! One process, one thread for each world, virtual time. `world` is the queue of events and `sim` the
//! scheduler that decides at each await whether a daemon lives on; `broker` is an adversary with a
//! ledger, `shown` what a read shows of it, and `mirror` a second broker that must agree with it; `store`
//! is the database; `ports` joins them to the engine; `people` press keys; `faults` strike by seed;
//! `oracle` judges by the broker's ledger alone. `seed` runs one seed, `runs` many, `shrink` finds the
//! faults that matter, `mutants` takes rules away, `workflows` dies at every await, `crowd` loses fifty
//! brackets at once.
//!
//! Deliberately absent: threads within a world, real time, sockets, a real database. Those are tested elsewhere,
//! on the real stack; here a life of fifteen minutes takes milliseconds, and a million of them an
//! evening.
#![expect(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a test tool: it prints, samples, and may stop at a fault of its own"
)]

pub mod broker;
pub mod crowd;
pub mod faults;
pub mod market;
pub mod mirror;
pub mod mutants;
pub mod oracle;
pub mod people;
pub mod ports;
pub mod runs;
pub mod seed;
pub mod shown;
pub mod shrink;
pub mod sim;
pub mod store;
pub mod trace;
pub mod travel;
pub mod workflows;
pub mod world;
