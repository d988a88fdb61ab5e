//! The demo's own thread: starts the programs in order, keeps them running, stops them in reverse.

use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::account;
use super::folder::Folder;
use super::health::{self, Verdict};
use super::kept::{Event, Kept};
use super::programs::{self, DAEMON, SIMULATOR};
use super::{DemoError, News, Surroundings};
use crate::widgets::text::clean;

/// How long each program may take to stop; the daemon has a database to stop.
const DAEMON_STOPS_WITHIN: Duration = Duration::from_secs(30);
const SIMULATOR_STOPS_WITHIN: Duration = Duration::from_secs(5);
/// From the start to a healthy database, on a slow machine that makes the cluster first.
const READY_WITHIN: Duration = Duration::from_secs(120);
const SIMULATOR_LISTENS_WITHIN: Duration = Duration::from_secs(10);
/// A program that ends so often before the demo was ever ready will not come up.
const ENDS_BEFORE_GIVING_UP: u32 = 3;
const LOOK_EVERY: Duration = Duration::from_millis(25);
const LOG_TAIL_LINES: usize = 10;

/// Until when the demo runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// A signal ends it: it is starting, or has no client.
    Signal,
    /// Signals are the client's; the demo ends when it is asked to.
    Asked,
    Now,
}

/// The signals that end a demo. Listened to before anything is made that would have to be removed.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen(runtime: &Runtime) -> std::io::Result<Self> {
        let _inside = runtime.enter();
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// What a demo runs on.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) surroundings: Surroundings,
    pub(super) folder: Folder,
    pub(super) tell: Sender<News>,
    pub(super) until: watch::Receiver<Until>,
    pub(super) signals: Signals,
}

/// Runs a demo from the first start to the last stop; the folder goes at the end.
pub(super) fn run(runtime: &Runtime, ground: Ground) -> Result<(), DemoError> {
    runtime.block_on(async {
        let Ground { surroundings, folder, tell, until, signals } = ground;
        let mut end = End { until, signals };
        let mut demo =
            Running { surroundings, folder, tell, daemon: None, simulator: None, address: None, has_key: false };
        let result = tokio::select! {
            result = demo.keep_running() => result,
            () = end.comes() => Ok(()),
        };
        demo.stop().await;
        result
    })
}

/// The wish to end, from whoever may have it now.
struct End {
    until: watch::Receiver<Until>,
    signals: Signals,
}

impl End {
    async fn comes(&mut self) {
        loop {
            let until = *self.until.borrow_and_update();
            if until == Until::Now {
                return;
            }
            tokio::select! {
                changed = self.until.changed() => if changed.is_err() { return },
                () = self.signals.next() => if until == Until::Signal { return },
            }
        }
    }
}

struct Running {
    surroundings: Surroundings,
    folder: Folder,
    tell: Sender<News>,
    daemon: Option<Kept>,
    simulator: Option<Kept>,
    /// Where the simulator listens; it gets the same port again.
    address: Option<String>,
    /// Whether the daemon can seal a token.
    has_key: bool,
}

impl Running {
    async fn keep_running(&mut self) -> Result<(), DemoError> {
        self.start_simulator().await?;
        self.start_daemon()?;
        self.become_ready().await?;
        self.open_account().await;
        self.news(News::Ready);
        loop {
            self.next_event().await?;
        }
    }

    /// Nobody may be listening any more, which is no reason to stop.
    fn news(&self, news: News) {
        let _ = self.tell.send(news);
    }

    async fn start_simulator(&mut self) -> Result<(), DemoError> {
        let Some(program) = self.surroundings.programs.simulator.clone() else {
            self.news(News::NoSimulator { reason: "tradier-sim was not built".to_owned() });
            return Ok(());
        };
        self.news(News::Starting { program: SIMULATOR });
        let out = self.folder.simulator_out();
        let command = programs::simulator(&program, &self.surroundings, &self.folder, None);
        let mut simulator = Kept::start(SIMULATOR, command, &out, &self.folder.log(SIMULATOR))
            .map_err(|source| DemoError::Spawn { program: SIMULATOR, source })?;
        let listens = tokio::select! {
            address = timeout(SIMULATOR_LISTENS_WITHIN, announced(&out)) => address.map_err(|_| "it does not listen".to_owned()),
            event = simulator.event() => Err(how(event)),
        };
        match listens {
            Ok(address) => {
                self.news(News::Simulator { address: address.clone() });
                let key = account::new_key(programs::keygen(&self.surroundings, &self.folder)).await;
                self.has_key = key.is_some();
                self.folder.introduce_simulator(&address, key).map_err(DemoError::Folder)?;
                self.address = Some(address);
                self.simulator = Some(simulator);
            }
            Err(reason) => {
                simulator.stop(SIMULATOR_STOPS_WITHIN).await;
                self.news(News::NoSimulator { reason });
            }
        }
        Ok(())
    }

    /// A demo without an account still shows everything else.
    async fn open_account(&self) {
        if self.address.is_none() {
            return;
        }
        let opened = if self.has_key {
            account::past(programs::history(&self.surroundings, &self.folder)).await;
            account::open(&self.folder.socket()).await.map_err(|error| error.to_string())
        } else {
            Err("no key could be made for its token".to_owned())
        };
        if let Err(reason) = opened {
            self.news(News::NoAccount { reason });
        }
    }

    fn start_daemon(&mut self) -> Result<(), DemoError> {
        self.news(News::Starting { program: DAEMON });
        let log = self.folder.log(DAEMON);
        let command = programs::daemon(&self.surroundings, &self.folder);
        let daemon =
            Kept::start(DAEMON, command, &log, &log).map_err(|source| DemoError::Spawn { program: DAEMON, source })?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Until the daemon answers with a healthy database; it is started again meanwhile, if need be.
    async fn become_ready(&mut self) -> Result<(), DemoError> {
        let socket = self.folder.socket();
        let deadline = Instant::now() + READY_WITHIN;
        let mut waiting = Verdict::Silent;
        loop {
            tokio::select! {
                event = self.next_event() => event?,
                verdict = look(&socket) => {
                    if verdict == Verdict::Well {
                        return Ok(());
                    }
                    self.tell_change(&mut waiting, verdict);
                }
            }
            let ends = self.daemon.as_ref().map_or(0, |daemon| daemon.backoff.ends());
            if ends >= ENDS_BEFORE_GIVING_UP {
                return Err(self.gave_up(format!("it ended {ends} times")));
            }
            if Instant::now() >= deadline {
                return Err(self.gave_up(format!("it was not ready within {} s", READY_WITHIN.as_secs())));
            }
        }
    }

    fn tell_change(&self, before: &mut Verdict, now: Verdict) {
        if let Verdict::NotYet(what) = &now
            && *before != now
        {
            self.news(News::Waiting { what: what.clone() });
        }
        *before = now;
    }

    fn gave_up(&self, how: String) -> DemoError {
        DemoError::GaveUp { program: DAEMON, how, log: log_tail(&self.folder.log(DAEMON)) }
    }

    /// Waits for what happens next to a program, and deals with it.
    async fn next_event(&mut self) -> Result<(), DemoError> {
        let (event, is_daemon) = tokio::select! {
            event = event_of(&mut self.daemon) => (event, true),
            event = event_of(&mut self.simulator) => (event, false),
        };
        let program = if is_daemon { DAEMON } else { SIMULATOR };
        match event {
            Event::Ended { how } => self.news(News::Restarting { program, how }),
            Event::Due if is_daemon => self.restart_daemon()?,
            Event::Due => self.restart_simulator()?,
        }
        Ok(())
    }

    fn restart_daemon(&mut self) -> Result<(), DemoError> {
        self.folder.prepare().map_err(DemoError::Folder)?;
        let log = self.folder.log(DAEMON);
        let command = programs::daemon(&self.surroundings, &self.folder);
        restart(&mut self.daemon, command, &log, &log)
    }

    fn restart_simulator(&mut self) -> Result<(), DemoError> {
        let Some(program) = &self.surroundings.programs.simulator else { return Ok(()) };
        self.folder.must_be_there().map_err(DemoError::Folder)?;
        let command = programs::simulator(program, &self.surroundings, &self.folder, self.address.as_deref());
        let out = self.folder.simulator_out();
        restart(&mut self.simulator, command, &out, &self.folder.log(SIMULATOR))
    }

    /// In reverse order: the daemon writes to the simulator until its last moment.
    async fn stop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            daemon.stop(DAEMON_STOPS_WITHIN).await;
        }
        if let Some(simulator) = &mut self.simulator {
            simulator.stop(SIMULATOR_STOPS_WITHIN).await;
        }
    }
}

fn restart(kept: &mut Option<Kept>, command: tokio::process::Command, out: &Path, log: &Path) -> Result<(), DemoError> {
    let Some(kept) = kept else { return Ok(()) };
    let program = kept.name;
    kept.start_again(command, out, log).map_err(|source| DemoError::Spawn { program, source })
}

/// A program that is not there has no events.
async fn event_of(kept: &mut Option<Kept>) -> Event {
    match kept {
        Some(kept) => kept.event().await,
        None => std::future::pending().await,
    }
}

fn how(event: Event) -> String {
    match event {
        Event::Ended { how } => how,
        Event::Due => "it ended".to_owned(),
    }
}

async fn look(socket: &Path) -> Verdict {
    sleep(LOOK_EVERY).await;
    health::ask(socket).await
}

/// The address in the simulator's first line, once it is there.
async fn announced(out: &Path) -> String {
    loop {
        if let Some(address) = std::fs::read_to_string(out).ok().as_deref().and_then(address_in) {
            return address.to_owned();
        }
        sleep(LOOK_EVERY).await;
    }
}

/// `listening on 127.0.0.1:40123`, as a whole line.
fn address_in(out: &str) -> Option<&str> {
    let (line, _) = out.split_once('\n')?;
    line.strip_prefix("listening on ").filter(|address| !address.is_empty())
}

/// The last lines of a log, each on a line of its own, for an error that ends the demo and its log.
fn log_tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(LOG_TAIL_LINES)).map(|line| format!("\n  {}", clean(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_a_whole_line() {
        assert_eq!(address_in("listening on 127.0.0.1:4012"), None, "the line is not finished");
        assert_eq!(address_in("listening on 127.0.0.1:40123\nmore\n"), Some("127.0.0.1:40123"));
        assert_eq!(address_in("cannot listen\n"), None);
    }

    #[test]
    fn the_end_of_a_log_is_shown() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let text: String = (1..=12).map(|n| format!("line {n}\n")).collect();
        std::fs::write(log.path(), text).unwrap();
        let tail = log_tail(log.path());
        assert!(tail.starts_with("\n  line 3\n") && tail.ends_with("line 12"), "{tail}");
        assert_eq!(log_tail(Path::new("nowhere")), "");
    }
}
