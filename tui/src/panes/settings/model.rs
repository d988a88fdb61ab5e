//! A form over the settings: drafts as text beside what the daemon has, checked as they are typed.

use std::collections::BTreeMap;
use std::str::FromStr;

use blotter_shared::domain::{BrokerMode, Cash};
use blotter_shared::protocol::problem::FieldError;
use blotter_shared::protocol::settings::{Settings, SettingsUpdate};
use rust_decimal::Decimal;

use crate::format;
use crate::input::line::LineInput;

/// A setting that can be changed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    BrokerMode,
    AccountBalance,
    MaxPositions,
    DailyLossLimit,
    HeatLimit,
    TradeRisk,
    CooldownLosses,
    CooldownMinutes,
    AutoRefresh,
}

impl Field {
    pub const ALL: &'static [Self] = &[
        Self::BrokerMode,
        Self::AccountBalance,
        Self::MaxPositions,
        Self::DailyLossLimit,
        Self::HeatLimit,
        Self::TradeRisk,
        Self::CooldownLosses,
        Self::CooldownMinutes,
        Self::AutoRefresh,
    ];

    /// Its name on the socket and the command line.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::BrokerMode => "broker_mode",
            Self::AccountBalance => "account_balance",
            Self::MaxPositions => "max_positions",
            Self::DailyLossLimit => "daily_loss_limit",
            Self::HeatLimit => "heat_limit_pct",
            Self::TradeRisk => "trade_risk_pct",
            Self::CooldownLosses => "cooldown_losses",
            Self::CooldownMinutes => "cooldown_min",
            Self::AutoRefresh => "auto_refresh",
        }
    }

    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.key() == key)
    }

    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::BrokerMode => "New entries go to",
            Self::AccountBalance => "Account balance",
            Self::MaxPositions => "Open positions, at most",
            Self::DailyLossLimit => "Daily loss limit",
            Self::HeatLimit => "Heat limit",
            Self::TradeRisk => "Risk of one trade",
            Self::CooldownLosses => "Losses before a pause",
            Self::CooldownMinutes => "Pause, in minutes",
            Self::AutoRefresh => "Refresh by itself",
        }
    }

    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::BrokerMode => {
                "SIM is the simulator here, SANDBOX the broker's paper account, LIVE real money. Positions stay managed where they are."
            }
            Self::AccountBalance => "What risk is measured against when the broker does not say.",
            Self::MaxPositions => "One more is refused.",
            Self::DailyLossLimit => "After this loss in one session no entry is accepted.",
            Self::HeatLimit => "Risk of all open positions together, in percent of the account.",
            Self::TradeRisk => {
                "What one trade may lose at its stop, in percent of the account. Looser limits count from tomorrow on."
            }
            Self::CooldownLosses => "After so many losses in a row nothing is opened for a while; 0 is never.",
            Self::CooldownMinutes => "How long nothing is opened then.",
            Self::AutoRefresh => "Whether devices begin with the timed refresh on.",
        }
    }

    /// What may be chosen; empty for a field that is typed.
    #[must_use]
    pub fn choices(self) -> &'static [&'static str] {
        match self {
            Self::BrokerMode => &["SIM", "SANDBOX", "LIVE"],
            Self::AutoRefresh => &["on", "off"],
            Self::AccountBalance | Self::MaxPositions | Self::DailyLossLimit | Self::HeatLimit => &[],
            Self::TradeRisk | Self::CooldownLosses | Self::CooldownMinutes => &[],
        }
    }

    /// The stored value as text to edit.
    #[must_use]
    pub fn stored(self, settings: &Settings) -> String {
        match self {
            Self::BrokerMode => settings.broker_mode.to_string(),
            Self::AccountBalance => settings.account_balance.0.normalize().to_string(),
            Self::MaxPositions => settings.max_positions.to_string(),
            Self::DailyLossLimit => settings.daily_loss_limit.0.normalize().to_string(),
            Self::HeatLimit => settings.heat_limit_pct.normalize().to_string(),
            Self::TradeRisk => settings.trade_risk_pct.normalize().to_string(),
            Self::CooldownLosses => settings.cooldown_losses.to_string(),
            Self::CooldownMinutes => settings.cooldown_min.to_string(),
            Self::AutoRefresh => on_off(settings.auto_refresh).to_owned(),
        }
    }

    /// The stored value as it is shown.
    #[must_use]
    pub fn shown(self, settings: &Settings) -> String {
        match self {
            Self::AccountBalance => format::money(settings.account_balance.0),
            Self::DailyLossLimit => format::money(settings.daily_loss_limit.0),
            Self::HeatLimit => format!("{} %", settings.heat_limit_pct.normalize()),
            Self::TradeRisk => format!("{} %", settings.trade_risk_pct.normalize()),
            Self::BrokerMode | Self::MaxPositions | Self::AutoRefresh => self.stored(settings),
            Self::CooldownLosses | Self::CooldownMinutes => self.stored(settings),
        }
    }

    fn set(self, update: &mut SettingsUpdate, text: &str) -> Result<(), String> {
        let text = text.trim();
        match self {
            Self::BrokerMode => {
                update.broker_mode = Some(BrokerMode::from_str(text).map_err(|_| "one of SIM SANDBOX LIVE")?);
            }
            Self::AccountBalance => update.account_balance = Some(Cash(decimal(text)?)),
            Self::MaxPositions => update.max_positions = Some(text.parse().map_err(|_| "a whole number")?),
            Self::DailyLossLimit => update.daily_loss_limit = Some(Cash(decimal(text)?)),
            Self::HeatLimit => update.heat_limit_pct = Some(decimal(text.trim_end_matches('%').trim_end())?),
            Self::TradeRisk => update.trade_risk_pct = Some(decimal(text.trim_end_matches('%').trim_end())?),
            Self::CooldownLosses => update.cooldown_losses = Some(text.parse().map_err(|_| "a whole number")?),
            Self::CooldownMinutes => update.cooldown_min = Some(text.parse().map_err(|_| "a whole number")?),
            Self::AutoRefresh => {
                update.auto_refresh = Some(match text {
                    "on" | "true" => true,
                    "off" | "false" => false,
                    _ => return Err("on or off".to_owned()),
                });
            }
        }
        Ok(())
    }
}

fn on_off(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn decimal(text: &str) -> Result<Decimal, String> {
    Decimal::from_str_exact(&text.replace(',', "")).map_err(|_| "a number such as 25000 or 6.5".to_owned())
}

/// Makes the update that a set of texts asks for.
///
/// # Errors
/// Every field whose text cannot be read or is out of bounds.
pub fn to_update(version: i64, texts: &BTreeMap<Field, String>) -> Result<SettingsUpdate, Vec<FieldError>> {
    let mut update = SettingsUpdate { version, ..SettingsUpdate::default() };
    let mut errors = Vec::new();
    for (field, text) in texts {
        if let Err(rule) = field.set(&mut update, text) {
            errors.push(FieldError { field: field.key().to_owned(), value: Some(text.clone()), rule });
        }
    }
    errors.extend(update.validate().err().unwrap_or_default());
    if errors.is_empty() { Ok(update) } else { Err(errors) }
}

/// The form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsForm {
    /// The version that the drafts are made from.
    pub version: i64,
    pub selected: usize,
    /// The text being typed into the selected field.
    pub editing: Option<LineInput>,
    pub drafts: BTreeMap<Field, String>,
    pub errors: Vec<FieldError>,
    pub is_saving: bool,
}

impl SettingsForm {
    #[must_use]
    pub fn new(version: i64) -> Self {
        Self { version, ..Self::default() }
    }

    #[must_use]
    pub fn field(&self) -> Field {
        Field::ALL.get(self.selected).copied().unwrap_or(Field::BrokerMode)
    }

    /// The draft of a field, or else what is stored.
    #[must_use]
    pub fn text(&self, field: Field, settings: &Settings) -> String {
        self.drafts.get(&field).cloned().unwrap_or_else(|| field.stored(settings))
    }

    #[must_use]
    pub fn error(&self, field: Field) -> Option<&str> {
        self.errors.iter().find(|error| error.field == field.key()).map(|error| error.rule.as_str())
    }

    /// Whether what is typed here was made from something older than `settings`.
    #[must_use]
    pub fn is_stale(&self, settings: &Settings) -> bool {
        !self.drafts.is_empty() && settings.version > self.version
    }

    /// Keeps a draft, or forgets it when it says what is stored, and checks all of them.
    pub fn draft(&mut self, field: Field, text: &str, settings: &Settings) {
        let text = text.trim();
        if text == field.stored(settings) {
            self.drafts.remove(&field);
        } else {
            self.drafts.insert(field, text.to_owned());
        }
        self.errors = to_update(self.version, &self.drafts).err().unwrap_or_default();
    }

    /// Turns the choice of the selected field; `by` places to the right.
    pub fn turn(&mut self, settings: &Settings, by: usize) {
        let field = self.field();
        let choices = field.choices();
        let present = self.text(field, settings);
        let at = choices.iter().position(|choice| *choice == present).unwrap_or(0);
        if let Some(choice) = choices.get((at + by) % choices.len().max(1)) {
            self.draft(field, choice, settings);
        }
    }

    /// Forgets every draft and begins again from this version.
    pub fn start_over(&mut self, version: i64) {
        *self = Self { selected: self.selected, ..Self::new(version) };
    }

    /// The drafts as text to paste elsewhere.
    #[must_use]
    pub fn as_text(&self) -> String {
        let lines: Vec<_> = self.drafts.iter().map(|(field, text)| format!("{}={text}", field.key())).collect();
        lines.join(" ")
    }
}
