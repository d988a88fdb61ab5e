//! `blotter doctor`: everything this client needs, each with a verdict and what to do.

use std::io::{self, IsTerminal};
use std::process::{ExitCode, Stdio};

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::health::{Component, ComponentState, Health, Version};
use blotter_shared::protocol::settings::Settings;
use serde::Serialize;

use super::exit::Failure;
use super::output::{print, print_json};
use super::{Context, block_on};
use crate::app::surroundings;
use crate::client::calls::{Call, CallError};
use crate::client::http::{Daemon, protocol_matches};
use crate::config::SoundWay;
use crate::sound::{Chime, Notification, Route};
use crate::terminal;
use crate::theme::ColorDepth;
use crate::theme::glyphs::Glyphs;
use crate::widgets::text::{clean, wrap};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Note,
    Warning,
    Failure,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    what: &'static str,
    verdict: Verdict,
    finding: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

fn check(what: &'static str, verdict: Verdict, finding: impl Into<String>) -> Check {
    Check { what, verdict, finding: clean(&finding.into()), advice: None }
}

impl Check {
    fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

pub(super) fn run(context: &Context) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let checks = block_on(async { Ok(checks(context, &daemon).await) })?;
    if context.global.json {
        print_json(&checks)?;
    } else {
        print(&text(&checks))?;
    }
    Ok(ExitCode::from(exit_code(&checks)))
}

/// The gravest finding decides: no daemon 5, no broker 6, anything else that fails 3.
fn exit_code(checks: &[Check]) -> u8 {
    let fails = |what: &str| checks.iter().any(|check| check.what == what && check.verdict == Verdict::Failure);
    if fails("socket") || fails("version") || fails("database") {
        5
    } else if fails("broker") {
        6
    } else {
        u8::from(checks.iter().any(|check| check.verdict == Verdict::Failure)) * 3
    }
}

fn text(checks: &[Check]) -> String {
    const COLUMN: usize = 20;
    let mut out = String::new();
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Warning => "warning",
            Verdict::Failure => "FAILED",
        };
        let indent = " ".repeat(COLUMN);
        let mut lines = wrap(&check.finding, 78).into_iter();
        out.push_str(&format!("{:<10}{verdict:<10}{}\n", check.what, lines.next().unwrap_or_default()));
        let advice = check.advice.iter().flat_map(|advice| wrap(&format!("→ {advice}"), 78));
        for line in lines.chain(advice) {
            out.push_str(&format!("{indent}{line}\n"));
        }
    }
    out
}

async fn checks(context: &Context, daemon: &Daemon) -> Vec<Check> {
    let mut checks = Vec::new();
    match daemon.ask::<Version>(&Call::Version).await {
        Ok(version) => {
            checks.push(socket_found(context));
            checks.push(version_check(&version));
            match daemon.ask::<Health>(&Call::Health).await {
                Ok(health) => checks.extend(daemon_checks(&health)),
                Err(error) => checks.push(check("database", Verdict::Failure, format!("health is not told: {error}"))),
            }
            checks.push(token_check(&daemon.ask(&Call::Settings).await));
        }
        Err(error) => checks.push(no_daemon(context, &error)),
    }
    checks.push(audio_check(context).await);
    checks.push(terminal_check(context));
    checks
}

fn socket_found(context: &Context) -> Check {
    let place = context.place();
    check("socket", Verdict::Ok, format!("{} (from {})", place.path.display(), place.source))
}

fn no_daemon(context: &Context, error: &CallError) -> Check {
    let place = context.place();
    let what = match error {
        CallError::Refused(_) => "version",
        CallError::Unreachable(_) | CallError::Broken | CallError::TimedOut { .. } | CallError::Garbled(_) => "socket",
    };
    check(what, Verdict::Failure, error.to_string()).advise(format!(
        "Looked at {} (from {}). Another place: --socket PATH or BLOTTER_SOCKET.",
        place.path.display(),
        place.source
    ))
}

fn version_check(version: &Version) -> Check {
    let words = format!(
        "blotterd {}, blotter {}, protocol {}, schema {}, you are {}",
        version.daemon,
        env!("CARGO_PKG_VERSION"),
        version.protocol,
        version.schema,
        version.username
    );
    match protocol_matches(version.protocol) {
        Ok(()) => check("version", Verdict::Ok, words),
        Err(error) => check("version", Verdict::Failure, words).advise(error.to_string()),
    }
}

fn daemon_checks(health: &Health) -> [Check; 3] {
    [
        component("database", &health.database, "See the daemon's log: `journalctl -u blotterd`."),
        component("broker", &health.broker, "Your brackets stay at the broker. See the daemon's log."),
        component("scheduler", &health.scheduler, "See the daemon's log: `journalctl -u blotterd`."),
    ]
}

fn component(what: &'static str, part: &Component, advice: &str) -> Check {
    let detail = part.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let since = part.since.format("%Y-%m-%d %H:%M:%S UTC");
    match part.state {
        ComponentState::Ok => check(what, Verdict::Ok, format!("well since {since}{detail}")),
        ComponentState::Starting => check(what, Verdict::Note, format!("starting since {since}{detail}")),
        ComponentState::NotConfigured => check(what, Verdict::Note, format!("not set up{detail}")),
        ComponentState::Degraded => {
            check(what, Verdict::Warning, format!("needs attention since {since}{detail}")).advise(advice)
        }
        ComponentState::Unavailable => {
            check(what, Verdict::Failure, format!("does not answer since {since}{detail}")).advise(advice)
        }
    }
}

fn token_check(settings: &Result<Settings, CallError>) -> Check {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return check("token", Verdict::Failure, format!("the settings cannot be read: {error}")),
    };
    let (is_stored, account) = match settings.broker_mode {
        BrokerMode::Sim => return check("token", Verdict::Ok, "SIM needs none"),
        BrokerMode::Sandbox => (settings.tokens.sandbox, &settings.sandbox_account_id),
        BrokerMode::Live => (settings.tokens.live, &settings.live_account_id),
    };
    let mode = settings.broker_mode;
    match (is_stored, account) {
        (true, Some(account)) => check("token", Verdict::Ok, format!("{mode}: stored, account {account}")),
        (true, None) => check("token", Verdict::Warning, format!("{mode}: stored, but no account is chosen")),
        (false, _) => check("token", Verdict::Note, format!("{mode}: none stored, so no order can be sent")),
    }
}

async fn audio_check(context: &Context) -> Check {
    let chime = Chime::new(context.config.sound, &context.environment, crate::app::helper());
    let notification = match chime.notification {
        Some(Notification::Osc9 | Notification::Osc99 | Notification::Osc777) => " and a desktop notification",
        None => "",
    };
    match (chime.route, context.config.sound) {
        (Route::Silent, _) => check("audio", Verdict::Note, "off (sound = \"off\")"),
        (Route::Bell, SoundWay::Bell) => check("audio", Verdict::Ok, "the terminal's bell, as configured"),
        (Route::Bell, _) => check("audio", Verdict::Ok, format!("over SSH: the terminal's bell{notification}")),
        (Route::Device, _) => match probe().await {
            Ok(()) => check("audio", Verdict::Ok, "an audio device answers"),
            Err(reason) => check("audio", Verdict::Note, format!("{reason}: the terminal's bell is rung instead")),
        },
    }
}

async fn probe() -> Result<(), &'static str> {
    let mut command = tokio::process::Command::new(crate::app::helper());
    command.arg("check").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let status = tokio::time::timeout(std::time::Duration::from_secs(2), command.status()).await;
    match status {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(_)) => Err("no audio device answers"),
        Ok(Err(_)) => Err("blotter-chime is not installed beside blotter"),
        Err(_) => Err("the audio device does not answer"),
    }
}

fn terminal_check(context: &Context) -> Check {
    let environment = &context.environment;
    if let Some(reason) = surroundings::refusal(environment) {
        return check("terminal", Verdict::Warning, reason);
    }
    let colors = match surroundings::depth(environment) {
        ColorDepth::None => "no colour",
        ColorDepth::Ansi => "16 colours",
        ColorDepth::Truecolor => "true colour",
    };
    let glyphs = match surroundings::glyphs(&context.config, environment) {
        Glyphs::Unicode => "UTF-8",
        Glyphs::Ascii => "ASCII (the locale is not UTF-8)",
    };
    if !io::stdout().is_terminal() {
        let words = "standard output is no terminal here; run it in the one that the screen is for";
        return check("terminal", Verdict::Note, words);
    }
    let (width, height) = terminal::size();
    let remote = if environment.is_ssh() { ", over SSH" } else { "" };
    let tmux = if environment.tmux.is_some() { ", in tmux" } else { "" };
    let mouse = if surroundings::mouse(&context.config, environment) { "on" } else { "off" };
    let term = environment.term.as_deref().unwrap_or_default();
    let words = format!("{term}, {width}x{height}, {colors}, {glyphs}, mouse {mouse}{remote}{tmux}");
    if width < crate::view::layout::MIN_WIDTH || height < crate::view::layout::MIN_HEIGHT {
        return check("terminal", Verdict::Warning, words).advise("The screen needs at least 40x12.");
    }
    check("terminal", Verdict::Ok, words)
}
