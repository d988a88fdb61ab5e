//! Taking up a position that the account holds and no trade looks after. An alarm tells of one, and fills the form;
//! without it everything is typed. The daemon counts at the broker before it believes any of it.

use blotter_shared::domain::OptionContract;
use blotter_shared::protocol::commands::AdoptPosition;

use super::inbox;
use super::keys::refusal_of_actions;
use super::orders::{shown, symbol_in_words};
use super::trade_form::form;
use crate::effect::Effect;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::form::{Field, Focus, Form, Purpose};
use crate::overlays::notices::Level;

/// A position that nobody looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclaimed {
    pub symbol: String,
    pub qty: u32,
}

/// What an alarm's sentence says of such a position: how many of what the account holds.
#[must_use]
pub fn unclaimed(message: &str) -> Option<Unclaimed> {
    let words: Vec<&str> = message.split_whitespace().collect();
    let told = words.windows(4).find_map(|words| match words {
        ["holds", qty, "of", symbol] => Some((qty.parse().ok()?, *symbol)),
        _ => None,
    });
    let (qty, symbol) = told.filter(|_| message.contains("no trade looks after"))?;
    symbol.parse::<OptionContract>().ok().map(|_| Unclaimed { symbol: symbol.to_owned(), qty })
}

/// Opens the form, filled from the selected alarm where that tells of a position.
pub(super) fn begin(model: &mut Model) -> Vec<Effect> {
    if model.overlays.iter().any(|overlay| !matches!(overlay, Overlay::Messages(_))) {
        return vec![];
    }
    if let Some(words) = refusal_of_actions(model) {
        model.notices.say(model.now, Level::Warn, words);
        return vec![];
    }
    let told = inbox::selected(model).and_then(|alarm| unclaimed(&alarm.message));
    let focus = if told.is_some() { Focus::Field(STOP) } else { Focus::Field(0) };
    let (symbol, qty) = told.map_or_else(|| (String::new(), "1".to_owned()), |it| (it.symbol, it.qty.to_string()));
    let mode = model.data.settings.as_ref().map_or("?", |settings| settings.broker_mode.as_str());
    let about = format!(
        "The account holds it in {mode}, and no trade looks after it. It becomes a trade at the cost that the broker says, with a bracket."
    );
    let form = form(model, Purpose::Adopt, "Adopt a position".to_owned(), "Adopt it");
    let form = Form {
        about: vec![about],
        fields: vec![
            Field::new("Contract", "SPY 2026-12-18 600 C", symbol),
            Field::new("Contracts", "what the account holds", qty),
            Field::new("Stop", "or the word none", String::new()),
            Field::new("Target", "empty: none", String::new()),
            Field::new("Strategy", "a label of yours", String::new()),
        ],
        focus,
        ..form
    };
    model.overlays.push(Overlay::Form(Box::new(form)));
    vec![]
}

/// Where the stop is typed: what an alarm told stands above it.
const STOP: usize = 2;

/// What would be done, in words.
pub(super) fn in_words(wanted: &AdoptPosition) -> Vec<String> {
    let bracket = match (wanted.sl_price, wanted.tp_price) {
        (None, None) => "It gets NO STOP and no target.".to_owned(),
        (None, Some(_)) => format!("It gets NO STOP; its target is {}.", shown(wanted.tp_price)),
        (Some(_), _) => {
            format!("Then a bracket: stop {}, target {}.", shown(wanted.sl_price), shown(wanted.tp_price))
        }
    };
    vec![format!("Take up {} {}.", wanted.qty, symbol_in_words(&wanted.option_symbol)), bracket]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_alarm_of_an_unclaimed_position_fills_the_form() {
        let told = "the account holds 3 of SPY260306C00600000 and no trade looks after them: adopt them, or close them \
                    at the broker";
        assert_eq!(unclaimed(told), Some(Unclaimed { symbol: "SPY260306C00600000".to_owned(), qty: 3 }));
        for other in [
            "the account is short of 3 of SPY260306C00600000 and no trade looks after it: buy back at the broker",
            "the account holds 3 of nothing and no trade looks after them",
            "the account holds many of SPY260306C00600000 and no trade looks after them",
            "the account holds 3 of SPY260306C00600000",
            "",
        ] {
            assert_eq!(unclaimed(other), None, "{other}");
        }
    }
}
