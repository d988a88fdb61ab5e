//! Ends in no order: each part killed, alone and together.

use nix::sys::signal::Signal;

use crate::stage::{Process, Stage, wait_for};

#[test]
fn a_killed_daemon_comes_back_to_the_same_database() {
    let stage = Stage::new();
    let demo = stage.headless();
    let database = stage.the("postgres");
    let killed = stage.kill("blotterd");
    wait_for("another blotterd", || {
        stage.processes().into_iter().find(|p| p.name == "blotterd" && p.pid != killed.pid)
    });
    demo.is_well();
    assert_eq!(stage.the("postgres").pid, database.pid, "the database was not adopted");
    demo.stops();
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn a_killed_database_comes_back() {
    let stage = Stage::new();
    let demo = stage.headless();
    let killed = stage.kill("postgres");
    wait_for("another postgres", || {
        let found = stage.processes();
        let is_first = |p: &Process| !found.iter().any(|other| other.name == "postgres" && other.pid == p.parent);
        found
            .iter()
            .find(|p| p.name == "postgres" && p.pid != killed.pid && is_first(p) && p.parent != killed.pid)
            .cloned()
    });
    demo.is_well();
    demo.stops();
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn a_killed_simulator_comes_back() {
    let stage = Stage::new();
    let demo = stage.headless();
    let killed = stage.kill("tradier-sim");
    let again = wait_for("another tradier-sim", || {
        stage.processes().into_iter().find(|p| p.name == "tradier-sim" && p.pid != killed.pid)
    });
    assert_ne!(again.pid, killed.pid);
    demo.stops();
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn a_simulator_that_does_not_start_is_done_without() {
    let stage = Stage::with_simulator("#!/bin/sh\nexit 3\n");
    let demo = stage.headless();
    demo.is_well();
    demo.stops();
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn a_killed_demo_takes_everything_with_it() {
    let stage = Stage::new();
    let demo = stage.headless();
    demo.signal(Signal::SIGKILL);
    assert_eq!(demo.ends(), None);
    stage.nothing_is_left();
}

#[test]
fn what_was_killed_at_once_is_swept_by_the_next() {
    let stage = Stage::new();
    let demo = stage.headless();
    // The daemon first: a demo that lives would start it again, so it is stopped in between.
    demo.signal(Signal::SIGSTOP);
    stage.kill("blotterd");
    demo.signal(Signal::SIGKILL);
    demo.ends();
    let orphan = stage.the("postgres");

    let next = stage.headless();
    assert!(!stage.processes().contains(&orphan), "the database of the killed demo still runs");
    next.is_well();
    next.stops();
    assert_eq!(stage.left(), [""; 0]);
}
