//! The screen, running: takes the terminal, paints at once, and only then asks the daemon.
//!
//! One thread runs everything here; two more serve the terminal. Each turn of the loop takes all
//! that has happened, lets [`crate::update`] decide, carries out the effects, draws once, and
//! sleeps until something happens or [`crate::model::next_wake`] is due.

pub mod surroundings;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::unistd::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use crate::client::connect::Place;
use crate::client::courier::Courier;
use crate::client::http::Daemon;
use crate::clock::Clock;
use crate::config::Config;
use crate::effect::Effect;
use crate::environment::Environment;
use crate::input::decode::TerminalEvent;
use crate::model::{Access, Model, Parts, next_wake};
use crate::msg::Msg;
use crate::sound::{Chime, Route, Sound};
use crate::terminal::guard::Extras;
use crate::terminal::outside::{Outside, clipboard};
use crate::terminal::{Report, Terminal, size};
use crate::{update, view};

/// What the screen is opened with.
#[derive(Debug)]
pub struct Options {
    pub clock: Clock,
    pub environment: Environment,
    pub config: Config,
    pub place: Place,
    pub access: Access,
    /// Panics after the first frame, so that a test can see the terminal given back.
    pub panics: bool,
}

/// Runs the screen until the user leaves it.
///
/// # Errors
/// When the terminal cannot be taken over.
pub fn run(options: &Options) -> io::Result<ExitCode> {
    let theme = surroundings::theme(&options.config, &options.environment)?;
    let surroundings = surroundings::of(&options.config, &options.environment, options.access);
    let extras = Extras {
        mouse: surroundings::mouse(&options.config, &options.environment),
        title: options.config.title,
        background: surroundings.theme_follows && surroundings::answers_questions(&options.environment),
    };
    // Before the terminal is taken: from then on no signal may end us without giving it back, and
    // no resize may be missed.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    let (reports, received) = unbounded_channel();
    let mut terminal = Terminal::open(extras, reports)?;
    let now = options.clock.now();
    let parts = Parts { surroundings, theme, keymap: options.config.keymap.clone(), refresh: options.config.refresh };
    let model = Model::new(now, size(), parts, surroundings::seed(now));
    terminal.draw(now, view::draw(&model));
    #[expect(clippy::panic, reason = "asked for by a hidden option, to see the terminal given back")]
    if options.panics {
        panic!("asked to panic after the first frame");
    }
    let code = runtime.block_on(App::new(options, terminal, model).live(received, signals));
    // Whatever still runs (a call, a chime) is not waited for.
    runtime.shutdown_timeout(Duration::ZERO);
    code
}

struct App<'a> {
    options: &'a Options,
    terminal: Terminal,
    model: Model,
    courier: Courier,
    answers: UnboundedReceiver<Msg>,
    chime: Chime,
    chimes: JoinSet<Result<(), Vec<u8>>>,
    /// Whom to stop at the end of this turn: the whole job, or this process alone.
    stops: Option<Pid>,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Quit,
    Signal(u8),
    TerminalGone,
}

/// Most reports and answers that are taken before the screen is drawn again.
const BATCH: usize = 256;

impl<'a> App<'a> {
    fn new(options: &'a Options, terminal: Terminal, model: Model) -> Self {
        let device = options.config.device.clone().unwrap_or_else(|| options.environment.device());
        let (out, answers) = unbounded_channel();
        let daemon = Daemon::new(options.place.clone(), device);
        let chime = Chime::new(options.config.sound, &options.environment, helper());
        let courier = Courier::new(daemon, out);
        Self { options, terminal, model, courier, answers, chime, chimes: JoinSet::new(), stops: None }
    }

    async fn live(mut self, mut reports: UnboundedReceiver<Report>, mut signals: Signals) -> io::Result<ExitCode> {
        let first = update::start(&self.model);
        let mut end = self.carry_out(first);
        while end.is_none() {
            let wake = sleep_until(self.next_wake(), self.options.clock);
            end = tokio::select! {
                report = reports.recv() => self.reported(report),
                msg = self.answers.recv() => msg.and_then(|msg| self.take(msg)),
                signal = signals.next() => self.signalled(signal),
                Some(played) = self.chimes.join_next() => self.played(played),
                () = wake => self.take(Msg::Wake),
            };
            for _ in 0..BATCH {
                if end.is_some() {
                    break;
                }
                match (reports.try_recv(), self.answers.try_recv()) {
                    (Err(_), Err(_)) => break,
                    (report, msg) => {
                        end = report.ok().and_then(|report| self.reported(Some(report)));
                        end = end.or_else(|| msg.ok().and_then(|msg| self.take(msg)));
                    }
                }
            }
            if let (None, Some(whom)) = (end, self.stops.take()) {
                end = self.stop(whom, &mut reports).await;
            }
            self.terminal.draw(self.options.clock.now(), view::draw(&self.model));
        }
        self.leave(end.unwrap_or(End::Quit), &mut reports).await
    }

    /// The next moment at which there is something to do without anything happening.
    fn next_wake(&self) -> Option<Duration> {
        next_wake(&self.model).into_iter().chain(self.terminal.next_wake()).min()
    }

    fn take(&mut self, msg: Msg) -> Option<End> {
        let effects = update::update(&mut self.model, self.options.clock.now(), msg);
        self.carry_out(effects)
    }

    fn reported(&mut self, report: Option<Report>) -> Option<End> {
        match report {
            Some(Report::Input(TerminalEvent::Ready)) => self.terminal.ready(),
            Some(Report::Input(event)) => return self.take(Msg::Terminal(event)),
            Some(Report::Written) => self.terminal.written(),
            Some(Report::Gone) | None => return Some(End::TerminalGone),
        }
        None
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Option<End> {
        for effect in effects {
            match effect {
                Effect::Greet => self.courier.greet(),
                Effect::Load(calls) => self.courier.load(calls),
                Effect::Call(call) => self.courier.call(call),
                Effect::OpenStream { generation, last_event_id } => self.courier.open_stream(generation, last_event_id),
                Effect::Export { query, name } => {
                    let home = self.options.environment.home.clone().unwrap_or_default();
                    self.courier.export(query, home.join(name));
                }
                Effect::CloseStream => self.courier.close_stream(),
                Effect::OpenPrices { generation } => self.courier.open_prices(generation),
                Effect::ClosePrices => self.courier.close_prices(),
                Effect::Copy(text) => self.terminal.add(&clipboard(&text, Outside::of(&self.options.environment))),
                Effect::Ring { sound, text } => self.ring(sound, text),
                Effect::Title(title) => self.terminal.add(format!("\x1b]2;{title}\x1b\\").as_bytes()),
                Effect::Redraw => self.terminal.forget(),
                Effect::Suspend => self.suspend(),
                Effect::Quit => return Some(End::Quit),
            }
        }
        None
    }

    fn ring(&mut self, sound: Sound, text: String) {
        match self.chime.route {
            Route::Silent => {}
            Route::Bell => self.terminal.add(&self.chime.bell(&text)),
            Route::Device => {
                let chime = self.chime.clone();
                self.chimes.spawn(async move { chime.play(sound).await.map_err(|_| chime.bell(&text)) });
            }
        }
    }

    /// The bell stands in for a helper that could not play.
    fn played(&mut self, played: Result<Result<(), Vec<u8>>, tokio::task::JoinError>) -> Option<End> {
        if let Ok(Err(bell)) = played {
            self.terminal.add(&bell);
        }
        None
    }

    /// Stops the whole job, as the terminal's own Ctrl-Z would. The first program of a session has
    /// no shell above it that could continue it.
    fn suspend(&mut self) {
        if nix::unistd::getsid(None) == Ok(nix::unistd::getpid()) {
            self.take(Msg::SuspendRefused);
        } else {
            self.stops = Some(Pid::from_raw(0));
        }
    }

    async fn stop(&mut self, whom: Pid, reports: &mut UnboundedReceiver<Report>) -> Option<End> {
        let end = self.collect_owed_answer(reports).await;
        if end.is_some() {
            return end;
        }
        let stop = || nix::sys::signal::kill(whom, nix::sys::signal::Signal::SIGSTOP).map_err(io::Error::from);
        // A terminal that cannot be set again reports itself gone through the reader.
        let _ = self.terminal.suspend(stop);
        let (width, height) = size();
        self.take(Msg::Resized { width, height }).or_else(|| self.take(Msg::Resumed))
    }

    /// An answer that the terminal still owes would be typed into the shell: it is waited for a moment.
    async fn collect_owed_answer(&mut self, reports: &mut UnboundedReceiver<Report>) -> Option<End> {
        const OWED_ANSWER: Duration = Duration::from_millis(100);
        let collected = async {
            while self.terminal.owes_answer() {
                match reports.recv().await {
                    Some(Report::Input(TerminalEvent::Ready)) => self.terminal.ready(),
                    // What is typed meanwhile is not for a screen that is being left.
                    Some(Report::Input(_)) => {}
                    Some(Report::Written) => self.terminal.written(),
                    Some(Report::Gone) | None => return Some(End::TerminalGone),
                }
            }
            None
        };
        tokio::time::timeout(OWED_ANSWER, collected).await.unwrap_or(None)
    }

    fn signalled(&mut self, signal: Caught) -> Option<End> {
        match signal {
            Caught::Ends(number) => Some(End::Signal(number)),
            Caught::Resized => {
                let (width, height) = size();
                self.take(Msg::Resized { width, height })
            }
            Caught::Stops => {
                self.stops = Some(nix::unistd::getpid());
                None
            }
        }
    }

    async fn leave(mut self, end: End, reports: &mut UnboundedReceiver<Report>) -> io::Result<ExitCode> {
        let gone = if end == End::TerminalGone { Some(end) } else { self.collect_owed_answer(reports).await };
        if gone.is_some() {
            self.terminal.abandon();
            return Ok(ExitCode::from(HANGUP));
        }
        self.terminal.close();
        Ok(match end {
            End::Quit => ExitCode::SUCCESS,
            End::Signal(number) => ExitCode::from(SIGNALLED + number),
            End::TerminalGone => ExitCode::from(HANGUP),
        })
    }
}

/// Shells add this to the number of the signal that ended a program.
const SIGNALLED: u8 = 128;
const HANGUP: u8 = SIGNALLED + 1;

/// `blotter-chime` lies beside this program.
#[must_use]
pub fn helper() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("blotter"));
    own.with_file_name("blotter-chime")
}

async fn sleep_until(at: Option<Duration>, clock: Clock) {
    match at {
        Some(at) => tokio::time::sleep(at.saturating_sub(clock.now().since_start)).await,
        None => std::future::pending().await,
    }
}

/// A signal that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caught {
    Ends(u8),
    Resized,
    Stops,
}

struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    resize: Signal,
    stop: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            resize: signal(SignalKind::window_change())?,
            stop: signal(SignalKind::from_raw(nix::sys::signal::Signal::SIGTSTP as i32))?,
        })
    }

    async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.terminate.recv() => Caught::Ends(15),
            _ = self.hangup.recv() => Caught::Ends(1),
            _ = self.interrupt.recv() => Caught::Ends(2),
            _ = self.quit.recv() => Caught::Ends(3),
            _ = self.resize.recv() => Caught::Resized,
            _ = self.stop.recv() => Caught::Stops,
        }
    }
}
