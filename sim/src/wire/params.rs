//! Parameters: from the query, from a form body, or both; with indices in brackets, percent-encoded or not.

use std::collections::BTreeSet;

/// A request's parameters in order. Where a name comes twice, the last one counts, and the body comes after the query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn read(query: &str, body: &[u8]) -> Self {
        let parts = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
        Self(parts.map(|(k, v)| (k.into_owned(), v.into_owned())).collect())
    }

    /// The value of a name; blank counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(k, _)| k == name).map(|(_, v)| v.trim());
        found.filter(|v| !v.is_empty())
    }

    /// The value of `name[index]`.
    pub(crate) fn at(&self, name: &str, index: usize) -> Option<&str> {
        self.get(&format!("{name}[{index}]"))
    }

    /// Whether a switch is on.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// A list with commas between, in capitals.
    pub(crate) fn symbols(&self, name: &str) -> Vec<String> {
        let text = self.get(name).unwrap_or_default();
        text.split(',').map(|s| s.trim().to_ascii_uppercase()).filter(|s| !s.is_empty()).collect()
    }

    /// The indices that occur: 0, 1, 2 … in `side[0]`, `type[1]`.
    pub(crate) fn indices(&self) -> BTreeSet<usize> {
        let index = |key: &str| key.strip_suffix(']')?.rsplit_once('[')?.1.parse().ok();
        let flat = self.0.iter().filter(|(k, _)| k.matches('[').count() == 1);
        flat.filter_map(|(k, _)| index(k)).filter(|i| *i < 16).collect()
    }

    /// The parameters for the ledger, without the token that ORATS puts here.
    pub(crate) fn for_ledger(&self) -> String {
        let shown = self
            .0
            .iter()
            .map(|(k, v)| if k == "token" || k == "sessionid" { format!("{k}=***") } else { format!("{k}={v}") });
        let text: Vec<String> = shown.collect();
        let mut text = text.join("&");
        if text.len() > 400 {
            let cut = (0..=400).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            text.truncate(cut);
            text.push('…');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_body_are_one_and_the_body_wins() {
        let p = Params::read("class=equity&tag=a", b"class=oco&side%5B0%5D=buy&type[1]=limit");
        assert_eq!(p.get("class"), Some("oco"));
        assert_eq!((p.at("side", 0), p.at("type", 1), p.get("tag")), (Some("buy"), Some("limit"), Some("a")));
        assert_eq!(p.indices().into_iter().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn nested_names_and_giant_indices_are_no_legs() {
        let p = Params::read("legs[0][type]=limit&side[99999999999999999999]=buy&side[17]=x&x]=1", b"\xff\xfe");
        assert!(p.indices().is_empty());
    }

    #[test]
    fn the_ledger_never_sees_a_token() {
        let text = Params::read("token=secret-1&ticker=SPX", b"").for_ledger();
        assert_eq!(text, "token=***&ticker=SPX");
    }
}
