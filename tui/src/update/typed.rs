//! What is typed into a form, read: prices, quantities, contracts.

use blotter_shared::domain::option::OptionSymbolError;
use blotter_shared::domain::{OptionContract, OptionType, Price, Quantity};

pub(super) fn read_price(text: &str) -> Result<Option<Price>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<Price>().map(Some).map_err(|error| format!("{error}."))
}

pub(super) fn quantity(text: &str) -> Result<Quantity, String> {
    let count: u32 = text.parse().map_err(|_| format!("`{text}` is no number of contracts."))?;
    Quantity::new(count).map_err(|error| format!("{error}."))
}

/// `SPY 2026-12-18 600 C`, or the symbol as the exchange writes it.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn contract(text: &str) -> Result<OptionContract, String> {
    if let Ok(contract) = text.to_uppercase().parse() {
        return Ok(contract);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let [root, expiry, strike, right] = words.as_slice() else {
        return Err("A contract is as SPY 2026-12-18 600 C, or an OCC symbol.".to_owned());
    };
    let right = match right.to_uppercase().as_str() {
        "C" | "CALL" => OptionType::Call,
        "P" | "PUT" => OptionType::Put,
        other => return Err(format!("`{other}` is neither C nor P.")),
    };
    let expiry = expiry.parse().map_err(|_| format!("`{expiry}` is no date as 2026-12-18."))?;
    let strike = strike.parse().map_err(|_| format!("`{strike}` is no strike."))?;
    let contract = OptionContract { root: root.to_uppercase(), expiry, option_type: right, strike };
    contract.occ().parse().map_err(|error: OptionSymbolError| format!("{error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_is_typed_in_words_or_as_a_symbol() {
        let symbol = |text: &str| contract(text).map(|contract| contract.occ());
        assert_eq!(symbol("spy 2026-12-18 600.5 c").as_deref(), Ok("SPY261218C00600500"));
        assert_eq!(symbol("SPY261218P00600000").as_deref(), Ok("SPY261218P00600000"));
        for (text, told) in [
            ("SPY", "A contract is as"),
            ("SPY 18.12.2026 600 C", "no date"),
            ("SPY 2026-12-18 x C", "no strike"),
            ("SPY 2026-12-18 600 X", "neither C nor P"),
        ] {
            assert!(symbol(text).unwrap_err().contains(told), "{text}");
        }
    }
}
