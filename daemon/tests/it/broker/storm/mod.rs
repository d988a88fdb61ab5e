//! Ten thousand days on which everything goes wrong: random calls against the simulator with every
//! fault that it knows, judged by the simulator's own ledger.
//!
//! `weather` draws a day (faults and calls), `day` lives through it, `judge` compares what the
//! adapter said with what the broker saw. The account's event stream listens all day (`ears`): it
//! changes nothing of what is said, names nothing that is not there, and comes back by itself. Each day has a simulator and an adapter of its own, so
//! that a day that fails can be made smaller until only what matters is left.
//!
//! `BLOTTER_STORM_DAYS=10000 cargo test -p blotter-daemon --test it storm -- --nocapture` is the whole number.

mod day;
mod ears;
mod judge;
mod weather;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use self::judge::Tally;

/// A day waits more than it works: several at a time.
const WORKERS: u32 = 8;
const DAYS: u32 = 400;

#[expect(clippy::disallowed_methods, reason = "the number of days is for the person who runs the tests to choose")]
fn days() -> u32 {
    std::env::var("BLOTTER_STORM_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(DAYS)
}

#[test]
fn nothing_is_sent_twice_and_every_write_ends_in_what_the_ledger_proves() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sum = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let cases = days() / WORKERS + u32::from(worker < days() % WORKERS);
            let (runtime, sum) = (runtime.handle(), &sum);
            scope.spawn(move || {
                let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
                let lived = TestRunner::new(config).run(&weather::day(), |plan| {
                    let tally = runtime.block_on(day::live(&plan)).map_err(TestCaseError::fail)?;
                    sum.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
                    Ok(())
                });
                lived.unwrap_or_else(|failure| panic!("{failure}"));
            });
        }
    });
    let Tally { ends, strikes } = sum.into_inner().unwrap();
    println!("{} days\nends of writes: {ends:?}\nfaults that struck: {strikes:?}", days());
    assert_eq!(missing(&ends, judge::ENDS), Vec::<&str>::new(), "ends that never came: {ends:?}");
    assert_eq!(missing(&strikes, &weather::words()), Vec::<&str>::new(), "faults that never struck: {strikes:?}");
}

/// Every fault that strikes requests.
pub(super) fn request_faults() -> Vec<&'static str> {
    weather::words().into_iter().filter(|word| !judge::EVENTS.contains(word)).collect()
}

/// The words of `wanted` that were never counted: a storm that leaves one out proves nothing of it.
fn missing<'a>(counts: &BTreeMap<String, u64>, wanted: &[&'a str]) -> Vec<&'a str> {
    wanted.iter().copied().filter(|word| !counts.contains_key(*word)).collect()
}
