//! Sound and attention. The helper `blotter-chime` plays on an audio device and is kept apart, so
//! that nothing it prints, hangs on or lacks ever touches the screen; over SSH, or when it fails,
//! the terminal's bell rings and, where the terminal is known to take one, a notification is
//! posted by escape sequence. Every sound has a visible twin on the screen.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::America::New_York;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::config::SoundWay;
use crate::environment::Environment;
use crate::terminal::outside::Outside;

/// What there is to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sound {
    /// A close is done.
    Pop,
    /// A target was hit.
    Profit,
    /// A stop was hit, or something needs a person.
    Loss,
}

impl Sound {
    /// The helper's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pop => "pop",
            Self::Profit => "profit",
            Self::Loss => "loss",
        }
    }
}

/// Hours in which only money at risk is heard, in New York. They may go over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    pub from: NaiveTime,
    pub to: NaiveTime,
}

impl QuietHours {
    #[must_use]
    pub fn holds(self, at: DateTime<Utc>) -> bool {
        let time = at.with_timezone(&New_York).time();
        if self.from <= self.to { self.from <= time && time < self.to } else { time >= self.from || time < self.to }
    }
}

/// A helper that takes longer than this is ended, and the bell rings.
const CHIME_LIMIT: Duration = Duration::from_secs(2);

/// How this session makes itself heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chime {
    pub route: Route,
    pub notification: Option<Notification>,
    pub outside: Outside,
    helper: PathBuf,
}

/// Where a sound goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The helper, and the bell when it fails.
    Device,
    Bell,
    Silent,
}

/// The escape sequence of a desktop notification that a terminal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notification {
    Osc9,
    Osc99,
    Osc777,
}

impl Chime {
    /// Chooses by configuration and surroundings.
    #[must_use]
    pub fn new(way: SoundWay, environment: &Environment, helper: PathBuf) -> Self {
        let is_remote = environment.is_ssh();
        let route = match way {
            SoundWay::Off => Route::Silent,
            SoundWay::Bell => Route::Bell,
            SoundWay::Device => Route::Device,
            SoundWay::Auto if is_remote => Route::Bell,
            SoundWay::Auto => Route::Device,
        };
        let notification = if is_remote && route == Route::Bell { known_notification(environment) } else { None };
        Self { route, notification, outside: Outside::of(environment), helper }
    }

    /// The bytes that ring the bell and post the notification.
    #[must_use]
    pub fn bell(&self, text: &str) -> Vec<u8> {
        let mut bytes = b"\x07".to_vec();
        if let Some(notification) = self.notification {
            let sequence = notification.sequence(text);
            bytes.extend(self.outside.wrapped(&sequence));
        }
        bytes
    }

    /// Plays through the helper.
    ///
    /// # Errors
    /// When it is missing, fails, or takes too long: the bell is due.
    pub async fn play(&self, sound: Sound) -> Result<(), ChimeError> {
        let mut command = Command::new(&self.helper);
        command.arg(sound.word()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|_| ChimeError::Missing)?;
        match tokio::time::timeout(CHIME_LIMIT, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(_) | Err(_)) => Err(ChimeError::Failed),
            Err(_) => Err(ChimeError::TooSlow),
        }
    }
}

/// Why nothing was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChimeError {
    #[error("blotter-chime is not installed beside blotter")]
    Missing,
    #[error("no audio device answers")]
    Failed,
    #[error("the audio device did not answer within {} s", CHIME_LIMIT.as_secs())]
    TooSlow,
}

fn known_notification(environment: &Environment) -> Option<Notification> {
    let term = environment.term.as_deref().unwrap_or("");
    if let Some("iTerm.app" | "WezTerm" | "ghostty") = environment.term_program.as_deref() {
        return Some(Notification::Osc9);
    }
    if term.contains("kitty") {
        Some(Notification::Osc99)
    } else if term.contains("rxvt") || term.contains("foot") || term.contains("ghostty") {
        Some(Notification::Osc777)
    } else {
        None
    }
}

impl Notification {
    fn sequence(self, text: &str) -> Vec<u8> {
        let text: String = text.chars().filter(|c| !c.is_control() && *c != ';').take(200).collect();
        match self {
            Self::Osc9 => format!("\x1b]9;{text}\x1b\\"),
            Self::Osc99 => format!("\x1b]99;;{text}\x1b\\"),
            Self::Osc777 => format!("\x1b]777;notify;Blotter;{text}\x1b\\"),
        }
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn environment(ssh: Option<&str>, term: &str) -> Environment {
        Environment { ssh_tty: ssh.map(ToOwned::to_owned), term: Some(term.to_owned()), ..Environment::default() }
    }

    fn chime(way: SoundWay, environment: &Environment) -> Chime {
        Chime::new(way, environment, PathBuf::from("/nonexistent/blotter-chime"))
    }

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        let hours = |from: &str, to: &str| QuietHours { from: from.parse().unwrap(), to: to.parse().unwrap() };
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let night = hours("22:00:00", "07:00:00");
        for (moment, quiet) in [
            ("2026-02-20T02:59:00Z", false),
            ("2026-02-20T03:00:00Z", true),
            ("2026-02-20T11:59:00Z", true),
            ("2026-02-20T12:00:00Z", false),
        ] {
            assert_eq!(night.holds(at(moment)), quiet, "{moment}");
        }
        assert!(hours("12:00:00", "13:00:00").holds(at("2026-07-20T16:30:00Z")), "New York's clock in summer");
        assert!(!hours("12:00:00", "12:00:00").holds(at("2026-07-20T16:00:00Z")), "no length, no quiet");
    }

    #[test]
    fn over_ssh_the_bell_rings_unless_told_otherwise() {
        let (desk, remote) = (environment(None, "xterm-256color"), environment(Some("/dev/pts/1"), "xterm-kitty"));
        for (way, here, there) in [
            (SoundWay::Auto, Route::Device, Route::Bell),
            (SoundWay::Bell, Route::Bell, Route::Bell),
            (SoundWay::Device, Route::Device, Route::Device),
            (SoundWay::Off, Route::Silent, Route::Silent),
        ] {
            assert_eq!((chime(way, &desk).route, chime(way, &remote).route), (here, there));
        }
    }

    #[test]
    fn a_notification_cannot_be_broken_out_of() {
        let remote = chime(SoundWay::Auto, &environment(Some("/dev/pts/1"), "xterm-kitty"));
        assert_eq!(remote.bell("a\x1b]0;b;c\x07"), b"\x07\x1b]99;;a]0bc\x1b\\");
        let plain = chime(SoundWay::Auto, &environment(Some("/dev/pts/1"), "xterm"));
        assert_eq!(plain.bell("text"), b"\x07");
        let tmux = Chime { outside: Outside::Tmux, ..remote.clone() };
        assert_eq!(tmux.bell("x"), b"\x07\x1bPtmux;\x1b\x1b]99;;x\x1b\x1b\\\x1b\\");
        let screen = Chime { outside: Outside::Screen, ..remote };
        assert_eq!(screen.bell("x"), b"\x07\x1bP\x1b]99;;x\x07\x1b\\");
    }

    #[test]
    fn each_terminal_gets_the_notification_that_it_takes_and_only_over_ssh() {
        let of = |term: &str, program: Option<&str>| {
            let here = environment(Some("/dev/pts/1"), term);
            chime(SoundWay::Auto, &Environment { term_program: program.map(ToOwned::to_owned), ..here })
        };
        for (term, program, expected) in [
            ("xterm-kitty", None, &b"\x07\x1b]99;;a target hit\x1b\\"[..]),
            ("foot", None, b"\x07\x1b]777;notify;Blotter;a target hit\x1b\\"),
            ("rxvt-unicode-256color", None, b"\x07\x1b]777;notify;Blotter;a target hit\x1b\\"),
            ("xterm-256color", Some("iTerm.app"), b"\x07\x1b]9;a target hit\x1b\\"),
            ("xterm-256color", Some("WezTerm"), b"\x07\x1b]9;a target hit\x1b\\"),
            ("xterm-ghostty", Some("ghostty"), b"\x07\x1b]9;a target hit\x1b\\"),
            ("xterm-256color", None, b"\x07"),
            ("vt100", Some("Apple_Terminal"), b"\x07"),
        ] {
            assert_eq!(of(term, program).bell("a target; hit"), expected, "{term} {program:?}");
        }
        let desk = chime(SoundWay::Auto, &environment(None, "xterm-kitty"));
        assert_eq!(desk.bell("a target hit"), b"\x07", "on one's own machine the sound is enough");
    }

    #[tokio::test]
    async fn a_helper_that_is_missing_fails_or_hangs_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, body: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            Chime::new(SoundWay::Device, &Environment::default(), path)
        };
        let missing = chime(SoundWay::Device, &Environment::default());
        assert_eq!(missing.play(Sound::Pop).await, Err(ChimeError::Missing));
        assert_eq!(script("well", "test \"$1\" = loss").play(Sound::Loss).await, Ok(()));
        assert_eq!(script("ill", "exit 3").play(Sound::Pop).await, Err(ChimeError::Failed));
        assert_eq!(script("stuck", "exec sleep 600").play(Sound::Pop).await, Err(ChimeError::TooSlow));
    }
}
