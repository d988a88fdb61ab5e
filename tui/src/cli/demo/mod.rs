//! `blotter demo`: a whole Blotter in one command, and nothing left of it afterwards.
//!
//! A private folder is made, the simulator (when it was built) and the daemon are started in it, the
//! daemon makes itself a database there, and the client opens on the daemon's socket. This module
//! keeps the programs alive meanwhile: whoever is killed is started again, and a new daemon adopts
//! the database that the old one left running.
//!
//! How it ends, whatever ends it:
//! * The demo ends ([`Demo::stop`], or a panic that drops it): programs are stopped in reverse order,
//!   each within a deadline, and the folder goes.
//! * This process is killed: every program holds the other end of a pipe from it (its lifeline) and
//!   stops by itself when the pipe closes; the daemon stops the database and removes the folder.
//! * Everything is killed at once: the next demo finds the folder without an owner and sweeps it
//!   (see `folder`).
//!
//! Programs run in process groups of their own, so that neither Ctrl-C nor a closed terminal reaches
//! them before this module has decided the order.
//!
//! Deliberately absent: the user's own configuration and environment. A demo is the same everywhere
//! and touches nobody's data.

mod account;
mod backoff;
mod command;
mod folder;
mod health;
mod kept;
mod processes;
mod programs;
mod supervisor;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::runtime::Builder;
use tokio::sync::watch;

pub(super) use command::run;
pub use command::{DemoArgs, headless, with_client};
use folder::Folder;
pub use programs::Programs;
use supervisor::{Ground, Signals, Until};

/// What a demo needs to know of its surroundings.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub programs: Programs,
    /// Where folders for a while are made: `$TMPDIR`, or else `/tmp`.
    pub temp: PathBuf,
    /// The search path and the home folder that the programs get; nothing else of the environment
    /// reaches them.
    pub path: Option<String>,
    pub home: Option<PathBuf>,
}

/// What happens while a demo runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Left-overs of a demo that was killed are gone.
    Swept {
        folder: PathBuf,
    },
    Starting {
        program: &'static str,
    },
    /// The simulator takes requests there.
    Simulator {
        address: String,
    },
    /// There is no simulator; the reason is a sentence.
    NoSimulator {
        reason: String,
    },
    /// The user has no account at the simulator; the reason is a sentence.
    NoAccount {
        reason: String,
    },
    /// The daemon answers and its database is well.
    Ready,
    /// What the daemon says of itself while it comes up.
    Waiting {
        what: String,
    },
    /// A program ended without being asked to; it is started again.
    Restarting {
        program: &'static str,
        how: String,
    },
}

/// Why there is no demo.
#[derive(Debug, Error)]
pub enum DemoError {
    #[error("{} is not there; build it with `cargo build --release --workspace`", .0.display())]
    NoProgram(PathBuf),
    #[error("no folder for the demo: {0}")]
    Folder(#[source] std::io::Error),
    #[error("the demo's own thread does not start: {0}")]
    Thread(#[source] std::io::Error),
    #[error("{program} does not stay up ({how}).{log}")]
    GaveUp { program: &'static str, how: String, log: String },
    #[error("{program} does not start: {source}")]
    Spawn { program: &'static str, source: std::io::Error },
    #[error("the demo was asked to stop")]
    Stopped,
}

/// A running demo. Dropping it stops it.
#[derive(Debug)]
pub struct Demo {
    socket: PathBuf,
    news: mpsc::Receiver<News>,
    until: watch::Sender<Until>,
    thread: Option<JoinHandle<Result<(), DemoError>>>,
}

impl Demo {
    /// Makes the folder and starts the programs; returns at once.
    ///
    /// # Errors
    /// When a program is missing or there is no place for the folder.
    pub fn start(surroundings: Surroundings) -> Result<Self, DemoError> {
        surroundings.programs.check()?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(DemoError::Thread)?;
        let signals = Signals::listen(&runtime).map_err(DemoError::Thread)?;
        let (tell, news) = mpsc::channel();
        for swept in folder::sweep(&surroundings.temp) {
            // Nobody has gone yet: the receiver is ours.
            let _ = tell.send(News::Swept { folder: swept });
        }
        let folder = Folder::make(&surroundings.temp).map_err(DemoError::Folder)?;
        let socket = folder.socket();
        let (until, ends) = watch::channel(Until::Signal);
        let ground = Ground { surroundings, folder, tell, until: ends, signals };
        let thread = std::thread::Builder::new()
            .name("demo".to_owned())
            .spawn(move || supervisor::run(&runtime, ground))
            .map_err(DemoError::Thread)?;
        Ok(Self { socket, news, until, thread: Some(thread) })
    }

    /// Where the daemon listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Waits until the daemon answers with a healthy database; shows what happens meanwhile.
    ///
    /// # Errors
    /// When a program does not stay up, or a signal asked the demo to stop.
    pub fn wait_ready(&mut self, mut show: impl FnMut(&News)) -> Result<(), DemoError> {
        while let Ok(news) = self.news.recv() {
            show(&news);
            if news == News::Ready {
                return Ok(());
            }
        }
        // The thread ended: its result says why.
        self.join().and(Err(DemoError::Stopped))
    }

    /// Runs until INT, TERM or HUP; shows what happens meanwhile.
    ///
    /// # Errors
    /// When the demo could not go on.
    pub fn run_until_signal(mut self, mut show: impl FnMut(&News)) -> Result<(), DemoError> {
        while let Ok(news) = self.news.recv() {
            show(&news);
        }
        self.join()
    }

    /// From here on signals are the client's: it ends by them, and [`Demo::stop`] follows.
    pub fn hand_over_signals(&self) {
        self.until.send_replace(Until::Asked);
    }

    /// Stops everything, in reverse order, each within its deadline.
    ///
    /// # Errors
    /// When the demo had failed before.
    pub fn stop(mut self) -> Result<(), DemoError> {
        self.until.send_replace(Until::Now);
        self.join()
    }

    fn join(&mut self) -> Result<(), DemoError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(DemoError::Thread(std::io::Error::other("it panicked"))))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.until.send_replace(Until::Now);
        // A demo that is dropped has told its failure already, or is ended by a panic that says more.
        let _ = self.join();
    }
}
