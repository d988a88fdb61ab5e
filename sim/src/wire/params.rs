//! Parameters: from the query, from a form body, or both; with indices in brackets, percent-encoded or not.

use std::borrow::Cow;
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

    /// A list with commas between, or with its name again and again, in capitals.
    pub(crate) fn symbols(&self, name: &str) -> Vec<String> {
        split_symbols(&self.joined(name)).map(Cow::into_owned).collect()
    }

    /// All values of a name with commas between: as a list is asked for by most, and by those who repeat its name.
    pub(crate) fn joined(&self, name: &str) -> Cow<'_, str> {
        let mut all = self.0.iter().filter(|(k, _)| k == name).map(|(_, v)| v.trim());
        let first = all.next().unwrap_or_default();
        all.fold(Cow::Borrowed(first), |joined, next| Cow::Owned(format!("{joined},{next}")))
    }

    /// A list as streams take it: with commas between, or the name again and again.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let all = self.0.iter().filter(|(k, _)| k == name).flat_map(|(_, v)| v.split(','));
        all.map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
    }

    /// The indices that occur: 0, 1, 2 … in `side[0]`, `type[1]`.
    pub(crate) fn indices(&self) -> BTreeSet<usize> {
        let index = |key: &str| key.strip_suffix(']')?.rsplit_once('[')?.1.parse().ok();
        let flat = self.0.iter().filter(|(k, _)| k.matches('[').count() == 1);
        flat.filter_map(|(k, _)| index(k)).filter(|i| *i < 16).collect()
    }

    /// The parameters for the ledger, without the token that ORATS puts here.
    pub(crate) fn for_ledger(&self) -> String {
        const LONGEST: usize = 400;
        let mut text = String::with_capacity(self.0.iter().map(|(k, v)| k.len() + v.len() + 2).sum::<usize>().min(512));
        for (i, (key, value)) in self.0.iter().enumerate() {
            let secret = key == "token" || key == "sessionid";
            for part in [if i > 0 { "&" } else { "" }, key, "=", if secret { "***" } else { value }] {
                text.push_str(part.get(..part.floor_char_boundary(LONGEST + 4)).unwrap_or(part));
            }
            if text.len() > LONGEST {
                text.truncate(text.floor_char_boundary(LONGEST));
                text.push('…');
                break;
            }
        }
        text
    }
}

/// The symbols of a list with commas between.
pub(crate) fn split_symbols(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(capitals)
}

/// A new text only where there are small letters.
fn capitals(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_lowercase()) { text.to_ascii_uppercase().into() } else { text.into() }
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
    fn a_list_has_commas_or_its_name_twice() {
        let p = Params::read("filter=quote&filter=trade,%20summary,", b"symbols=SPY");
        assert_eq!(p.list("filter"), ["quote", "trade", "summary"]);
        assert_eq!((p.list("symbols").len(), p.list("none").len()), (1, 0));
        let p = Params::read("symbols=spy&symbols=AAPL,qqq", b"");
        assert_eq!(p.symbols("symbols"), ["SPY", "AAPL", "QQQ"]);
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
