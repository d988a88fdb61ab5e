//! The engine's knobs. Defaults follow the best measurement there is; what is guessed can be turned.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::order::words;

words!(/// The broker's two worlds.
World { Sandbox = "sandbox", Live = "live" });
words!(/// How an order that the review refuses comes to the client's knowledge.
Refusals { Later = "later", Inline = "inline" });
words!(/// What touches a stop on an option.
StopTrigger { Side = "side", Last = "last", Mid = "mid" });
words!(/// What a partly filled leg does to its sibling.
Sibling { Shrinks = "shrinks", Cancels = "cancels" });
words!(/// A switch that reads as a word.
Switch { On = "on", Off = "off" });
words!(/// How the legs of a group are numbered.
LegIds { Next = "next", Scattered = "scattered" });

/// A range of milliseconds, both ends included; each use draws from it.
pub type Range = (i64, i64);

/// All knobs of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often working orders meet the market.
    pub step_ms: i64,
    /// From receipt to the review's end, when the order becomes `open`.
    pub accept_ms: Range,
    /// From receipt until a refusal shows.
    pub reject_ms: Range,
    /// From a cancel's receipt to its effect.
    pub cancel_ms: Range,
    /// From one leg's fill to the cancel of its sibling.
    pub sibling_ms: Range,
    /// From there to the parent's own status.
    pub parent_ms: Range,
    /// From an entry's fill to the activation of its exits.
    pub activate_ms: Range,
    /// How often a fill shows before its price, as a probability.
    pub price_lag_chance: f64,
    /// How long it then does.
    pub price_lag_ms: Range,
    /// How long positions lag behind fills.
    pub position_lag_ms: Range,
    /// Refused in the answer, or accepted and rejected later.
    pub refusals: Refusals,
    /// What touches a stop on an option.
    pub stop_trigger: StopTrigger,
    /// What a partial fill of one OCO leg does to the other.
    pub sibling: Sibling,
    /// Whether selling more than is held and free is refused.
    pub cross_zero: Switch,
    /// Whether size at the touch limits fills.
    pub partial_fills: Switch,
    /// Whether prices off the tick are refused in the live world.
    pub ticks: Switch,
    /// Whether the sandbox drops the tag of an OTOCO.
    pub otoco_drops_tag: Switch,
    /// Whether a cancel under way shows as `pending_cancel`.
    pub show_pending_cancel: Switch,
    /// Whether expired options stay in the sandbox's positions.
    pub sandbox_lingers: Switch,
    /// Numbers of legs.
    pub leg_ids: LegIds,
    /// The first order's number.
    pub first_order_id: i64,
    /// Smallest distance of the prices of two option legs.
    pub oco_gap: Decimal,
    /// Dollars a contract, in the live world.
    pub option_commission: Decimal,
    /// Dollars an equity order, in the live world.
    pub equity_commission: Decimal,
    /// Hour of New York's day after the close when expired options settle.
    pub settle_hour: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            step_ms: 1_000,
            accept_ms: (8, 40),
            reject_ms: (50, 2_000),
            cancel_ms: (15, 150),
            sibling_ms: (120, 170),
            parent_ms: (5, 9),
            activate_ms: (20, 80),
            price_lag_chance: 0.25,
            price_lag_ms: (20, 400),
            position_lag_ms: (0, 0),
            refusals: Refusals::Later,
            stop_trigger: StopTrigger::Side,
            sibling: Sibling::Shrinks,
            cross_zero: Switch::On,
            partial_fills: Switch::On,
            ticks: Switch::On,
            otoco_drops_tag: Switch::On,
            show_pending_cancel: Switch::Off,
            sandbox_lingers: Switch::Off,
            leg_ids: LegIds::Next,
            first_order_id: 38_467_800,
            oco_gap: Decimal::new(10, 2),
            option_commission: Decimal::new(35, 2),
            equity_commission: Decimal::ZERO,
            settle_hour: 18,
        }
    }
}
