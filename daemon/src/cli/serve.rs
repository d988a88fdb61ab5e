//! `blotterd run`.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{RunOptions, database, places, process};
use crate::api::BoundSocket;
use crate::app::{self, Orders, Place};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::ours::Folder;
use crate::shutdown::Signals;
use crate::telemetry;
use crate::trades::runtime::host::Host;

/// Longest that threads may linger after everything has ended.
const LINGER: Duration = Duration::from_millis(200);

pub(super) fn run(mut config: Config, environment: &Environment, options: &RunOptions) -> anyhow::Result<()> {
    if let Some(socket) = &options.socket {
        config.daemon.socket = Some(socket.clone());
    }
    telemetry::install(&config.log, environment)?;
    let places = places(&config, environment);
    let ephemeral = options.ephemeral.then(|| Ephemeral::claim(&places.data_dir)).transpose()?;
    let around = options.around.as_deref().map(|path| Around::claim(path, &places.data_dir)).transpose()?;
    let cut = CancellationToken::new();
    let database = database(&config, &places, environment)?;
    config.daemon.data_dir = Some(places.data_dir.clone());
    let runtime = process::runtime()?;
    let socket = {
        let _listens_in = runtime.enter();
        match BoundSocket::activated()? {
            Some(socket) => socket,
            None => BoundSocket::bind(&places.socket, config.daemon.socket_group.as_deref())?,
        }
    };
    // Until after the runtime: by then nothing of this process can act any more.
    let host = Host::claim(&places.socket);
    let place = Place { socket, host: host.id() };
    let ended = runtime.block_on(async {
        let orders = Orders { shutdown: CancellationToken::new(), hurry: CancellationToken::new() };
        let signals = Signals::install()?.obey(orders.shutdown.clone(), orders.hurry.clone());
        if options.lifeline {
            hold_lifeline(cut.clone(), orders.shutdown.clone());
        }
        // It ends with the daemon: a signal after that finds nothing to stop.
        tokio::select! {
            biased;
            ended = app::run(config, database, place, Clock::system(), orders) => ended,
            never = async { signals.await; std::future::pending().await } => never,
        }
    });
    runtime.shutdown_timeout(LINGER);
    ended?;
    ephemeral.map_or(Ok(()), Ephemeral::remove)?;
    // Whoever made it is gone, or about to remove it too.
    around.filter(|_| cut.is_cancelled()).map_or(Ok(()), Around::remove)
}

/// Stops the daemon when its standard input ends. A thread of its own: reading cannot be cancelled.
fn hold_lifeline(cut: CancellationToken, shutdown: CancellationToken) {
    std::thread::spawn(move || {
        let mut discarded = [0; 256];
        let mut input = std::io::stdin().lock();
        loop {
            match input.read(&mut discarded) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        tracing::info!("the lifeline is cut: stopping");
        cut.cancel();
        shutdown.cancel();
    });
}

/// A data directory that goes with the daemon. Only one that was empty when it was claimed: nobody's
/// data is ever removed by a slip of the command line.
struct Ephemeral(PathBuf);

/// Says that the directory was empty when it was claimed.
pub(super) const MARK: &str = ".ephemeral";

impl Ephemeral {
    fn claim(path: &Path) -> anyhow::Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let folder = Folder::make_private(path).with_context(|| format!("cannot use {}", path.display()))?;
        let mut entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !path.join(MARK).exists() && entries.next().is_some() {
            anyhow::bail!(
                "--ephemeral would remove {}, which is not empty: choose another data directory",
                path.display()
            );
        }
        folder.replace(MARK, "", None).with_context(|| format!("cannot mark {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    fn remove(self) -> anyhow::Result<()> {
        remove(&self.0)
    }
}

/// The folder around an ephemeral data directory, which somebody made for nothing else: it is marked
/// in the same way, and ours.
struct Around(PathBuf);

impl Around {
    fn claim(path: &Path, data_dir: &Path) -> anyhow::Result<Self> {
        let is_ours = process::is_our_folder(path) && data_dir.parent() == Some(path);
        anyhow::ensure!(
            is_ours && path.join(MARK).exists(),
            "--around would remove {}, which is no folder of ours that was made for {} alone",
            path.display(),
            data_dir.display()
        );
        Ok(Self(path.to_owned()))
    }

    fn remove(self) -> anyhow::Result<()> {
        remove(&self.0)
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
