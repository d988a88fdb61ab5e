//! What stands above the pane for as long as it is true: the link to the daemon, the database, the
//! broker, and alarms that want a person. Made from the model anew each time; nothing to dismiss.

use blotter_shared::domain::Severity;
use blotter_shared::protocol::accounts::{AccountReport, AccountState};
use blotter_shared::protocol::health::{Component, ComponentState};
use blotter_shared::protocol::problem::ProblemCode;
use ratatui::layout::Rect;

use crate::client::calls::CallError;
use crate::client::session::Link;
use crate::format;
use crate::input::keymap::Action;
use crate::model::Model;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, line};
use crate::widgets::text;

/// A sentence that stands while something is the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    pub role: Role,
    pub text: String,
}

/// Most lines that banners take.
const LINES_MAX: usize = 6;

/// What has to be said now, the gravest first.
#[must_use]
pub fn banners(model: &Model) -> Vec<Banner> {
    let mut banners = Vec::new();
    banners.extend(alarm_banner(model));
    banners.extend(link_banner(model));
    // What the daemon said of its parts is only news while the daemon is there to say it.
    if !model.is_cut_off() {
        banners.extend(database_banner(model));
        banners.extend(account_banners(model));
        banners.extend(scheduler_banner(model));
    }
    banners.extend(entries_banner(model));
    banners
}

fn banner(role: Role, text: impl Into<String>) -> Banner {
    Banner { role, text: text::clean(&text.into()) }
}

fn alarm_banner(model: &Model) -> Option<Banner> {
    let is_open = |alarm: &&blotter_shared::protocol::alarms::Alarm| {
        alarm.severity == Severity::Page && alarm.acked_at.is_none() && alarm.cleared_at.is_none()
    };
    let mut open = model.data.alarms.iter().filter(is_open);
    let first = open.next()?;
    let more = match open.count() {
        0 => String::new(),
        n => format!(" (and {n} more: {} shows them)", key(model, Action::Messages)),
    };
    Some(banner(Role::BannerDanger, format!("{}{more}", first.message)))
}

fn entries_banner(model: &Model) -> Option<Banner> {
    let is_stopped = model.data.settings.as_ref()?.entries_stopped;
    let words = format!("Entries are stopped; exits go on. {} lets them in again.", key(model, Action::KillSwitch));
    is_stopped.then(|| banner(Role::BannerWarn, words))
}

fn link_banner(model: &Model) -> Option<Banner> {
    let since = match model.session.last_contact() {
        Some(at) => format!("since {}", format::clock_s(model.as_told(model.now.wall_at(at)))),
        None => "yet".to_owned(),
    };
    match model.session.link() {
        Link::Live | Link::Connecting => None,
        Link::Stale => Some(banner(
            Role::BannerWarn,
            format!("Nothing heard from the daemon {since}. Asking whether it is there."),
        )),
        Link::Retrying => {
            let reason = model.session.trouble().map(ToString::to_string).unwrap_or_default();
            let what = match model.session.last_contact() {
                Some(_) => format!(
                    "The daemon does not answer {since}: this is how things were then. Your brackets stay at the broker."
                ),
                None => reason,
            };
            let how = format!("Trying again by itself; {} tries now.", key(model, Action::Sync));
            Some(banner(Role::BannerDanger, format!("{what} {how}")))
        }
        Link::Refused => Some(banner(Role::BannerDanger, refusal(model.session.trouble()?))),
    }
}

fn refusal(trouble: &CallError) -> String {
    match trouble.code() {
        Some(ProblemCode::ProtocolMismatch) => format!("Client and daemon do not fit together: {trouble}."),
        Some(ProblemCode::NotAdmitted) => format!("The daemon does not serve this user: {trouble}"),
        Some(_) | None => format!("The daemon refuses this client: {trouble}"),
    }
}

fn database_banner(model: &Model) -> Option<Banner> {
    let part = &model.data.health.as_ref()?.value.database;
    let (role, sentence) = match part.state {
        ComponentState::Ok => return None,
        ComponentState::Starting => (Role::BannerInfo, "The database is starting".to_owned()),
        ComponentState::Unavailable => (
            Role::BannerDanger,
            format!("Database unavailable since {}, and nothing is queued", format::clock_s(part.since)),
        ),
        ComponentState::Degraded => (Role::BannerWarn, "The database needs attention".to_owned()),
        ComponentState::NotConfigured => (Role::BannerDanger, "No database is set up".to_owned()),
    };
    Some(banner(role, with_detail(&sentence, part)))
}

/// One for each account in trouble; the health page's one word when none of them is known.
fn account_banners(model: &Model) -> Vec<Banner> {
    let accounts = || model.data.accounts.iter();
    let mut told: Vec<_> = accounts().filter_map(|account| account_banner(model, account)).collect();
    if told.is_empty() {
        told.extend(broker_banner(model));
    }
    told.extend(accounts().filter_map(drill_banner));
    told
}

/// All is well there, and still something is to be known of it.
fn drill_banner(account: &AccountReport) -> Option<Banner> {
    let is_well = matches!(account.state, AccountState::Ok | AccountState::NotTried);
    let detail = account.detail.as_deref().filter(|_| is_well)?;
    Some(banner(Role::BannerInfo, format!("{}: {detail}.", name(account))))
}

fn name(account: &AccountReport) -> String {
    format!("{} {}", account.mode, account.account_id.as_deref().unwrap_or("-"))
}

fn account_banner(model: &Model, account: &AccountReport) -> Option<Banner> {
    let who = name(account);
    let since = account.since.map(|at| format!(" since {}", format::clock_s(at))).unwrap_or_default();
    let reason = account.reason.as_deref().filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let (role, sentence) = match account.state {
        AccountState::Ok | AccountState::NotTried => return None,
        AccountState::Reauthenticate => {
            let key = key(model, Action::EnterToken);
            (Role::BannerDanger, format!("{who}: re-authenticate{since}{reason}. Press {key} to enter a new token."))
        }
        AccountState::Blocked => {
            (Role::BannerDanger, format!("{who}: blocked by the broker{since}{reason}. Nothing can be sent there."))
        }
        AccountState::Unavailable => (
            Role::BannerWarn,
            format!("{who}: the broker is unavailable{since}{reason}. Your brackets stay at the broker."),
        ),
        AccountState::RateLimited => {
            let until = account.until.map(|at| format!(" until {}", format::clock_s(at))).unwrap_or_default();
            (Role::BannerInfo, format!("{who}: rate limited{until}. Calls go on by themselves."))
        }
        AccountState::NotOpened => (Role::BannerDanger, format!("{who}: cannot be used{reason}.")),
    };
    Some(banner(role, sentence))
}

fn broker_banner(model: &Model) -> Option<Banner> {
    let heard = model.data.health.as_ref()?;
    let part = &heard.value.broker;
    match part.state {
        ComponentState::Ok | ComponentState::NotConfigured => None,
        ComponentState::Starting => Some(banner(Role::BannerInfo, with_detail("Connecting to the broker", part))),
        ComponentState::Degraded => {
            // What is said of it tells itself that it needs attention.
            let bare = part.detail.as_deref().is_none_or(str::is_empty);
            let sentence = if bare { "The broker needs attention" } else { "Broker" };
            Some(banner(Role::BannerWarn, with_detail(sentence, part)))
        }
        ComponentState::Unavailable => {
            let since = format::clock_s(part.since);
            let mut sentence = format!("Broker unavailable since {since}. Your brackets stay at the broker.");
            if let Some(seconds) = part.next_try_s {
                let next =
                    model.as_told(heard.at.wall) + chrono::Duration::seconds(i64::try_from(seconds).unwrap_or(0));
                sentence.push_str(&format!(" Next try at {}.", format::clock_s(next)));
            }
            Some(banner(Role::BannerWarn, with_detail(sentence.trim_end_matches('.'), part)))
        }
    }
}

fn scheduler_banner(model: &Model) -> Option<Banner> {
    let part = &model.data.health.as_ref()?.value.scheduler;
    match part.state {
        ComponentState::Ok | ComponentState::NotConfigured | ComponentState::Starting => None,
        ComponentState::Degraded | ComponentState::Unavailable => {
            Some(banner(Role::BannerWarn, with_detail("The daemon's timed work does not run as it should", part)))
        }
    }
}

fn with_detail(sentence: &str, part: &Component) -> String {
    match part.detail.as_deref().filter(|detail| !detail.is_empty()) {
        Some(detail) => format!("{sentence}: {detail}"),
        None => format!("{sentence}."),
    }
}

fn key(model: &Model, action: Action) -> String {
    model.keymap.key_of(action).map(|chord| chord.to_string()).unwrap_or_default()
}

/// The banners broken into lines of this width.
#[must_use]
pub fn lines(model: &Model, width: u16) -> Vec<Banner> {
    let inner = width.saturating_sub(2);
    let lines = banners(model).into_iter().flat_map(|banner| {
        text::wrap(&banner.text, inner).into_iter().map(move |text| Banner { text, role: banner.role })
    });
    lines.take(LINES_MAX).collect()
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, lines: &[Banner]) {
    for (row, banner) in (0..area.height).zip(lines) {
        let row = line(area, row);
        canvas.clear(row, banner.role);
        canvas.put(row, 1, &banner.text, banner.role);
    }
}
