//! A chain, read in one pass. The whole chain of an index is megabytes of the same forty names over and over, so
//! this reader expects what stands between the values of a row to be what stood there in the first row, and compares it
//! instead of looking names up; it takes a number from its digits while it passes them, and copies no text.
//!
//! It never says that an answer is wrong. Whatever is not the usual spelling (an escape, a letter beyond ASCII, a
//! value inside a value, a name twice, a number that is none, a list without rows) ends it without a result; the
//! general reader begins anew, and it alone reports errors, with the field's name.
//!
//! Invariant, a property test: what this reads, the general reader reads alike.

use std::borrow::Cow;

use super::convert_market;
use super::num::{self, OptNum};
use super::shape::{Maybe, Word};
use super::wire::{MOST_ROWS, WireGreeks, WireQuote};
use crate::broker::market_data::Quote;

/// The rows of a chain's answer, if it is spelled in the usual way.
pub(super) fn chain(body: &[u8]) -> Option<Vec<Quote>> {
    let mut text = Cursor { rest: body };
    text.mark(b'{')?;
    text.name(b"\"options\"")?;
    text.mark(b'{')?;
    text.name(b"\"option\"")?;
    let rows = rows(&mut text)?;
    text.mark(b'}')?;
    text.mark(b'}')?;
    text.rest.is_empty().then_some(rows)
}

fn rows(text: &mut Cursor<'_>) -> Option<Vec<Quote>> {
    text.mark(b'[')?;
    let mut spelling = Spelling { quote: Names::new(of_quote), greeks: Names::new(of_greeks) };
    let mut rows = Vec::new();
    let whole = text.rest.len();
    loop {
        let mut row = WireQuote::default();
        spelling.row(text, &mut row)?;
        match convert_market::quote(&mut row) {
            Ok(quote) => rows.push(quote),
            Err(_) => return None,
        }
        match text.next_mark()? {
            b']' => return Some(rows),
            b',' if rows.len() < MOST_ROWS => {}
            _ => return None,
        }
        if rows.len() == 1 {
            // As many as fit if they are nearly as long as the first one, so that nothing is moved later.
            let length = (whole - text.rest.len()).max(8);
            rows.reserve((whole / (length - length / 8)).min(MOST_ROWS));
        }
    }
}

/// How the rows so far were spelled.
struct Spelling<'a> {
    quote: Names<'a, WireQuote<'a>>,
    greeks: Names<'a, WireGreeks<'a>>,
}

impl<'a> Spelling<'a> {
    fn row(&mut self, text: &mut Cursor<'a>, row: &mut WireQuote<'a>) -> Option<()> {
        let seen = self.quote.object(text, |text, place| {
            match place {
                Place::Text(of) => *of(row) = Cow::Borrowed(text.text()?),
                Place::Word(of) => text.word(of(row))?,
                Place::Number(of) => text.number(of(row))?,
                Place::Inner(of) => greeks(&mut self.greeks, text, of(row))?,
                Place::Nowhere => text.pass()?,
            }
            Some(())
        })?;
        // A row without a symbol is none; which error that is, the general reader says.
        (seen & 1 == 1).then_some(())
    }
}

fn greeks<'a>(
    names: &mut Names<'a, WireGreeks<'a>>,
    text: &mut Cursor<'a>,
    into: &mut Maybe<WireGreeks<'a>>,
) -> Option<()> {
    if text.literal(b"null") {
        return Some(());
    }
    let greeks = into.0.insert(WireGreeks::default());
    names.object(text, |text, place| match place {
        Place::Word(of) => text.word(of(greeks)),
        Place::Number(of) => text.number(of(greeks)),
        Place::Nowhere => text.pass(),
        Place::Text(_) | Place::Inner(_) => None,
    })?;
    Some(())
}

/// Where the value of a field goes.
enum Place<'a, R> {
    Text(fn(&mut R) -> &mut Cow<'a, str>),
    Word(fn(&mut R) -> &mut Word<'a>),
    Number(fn(&mut R) -> &mut OptNum),
    Inner(fn(&mut R) -> &mut Maybe<WireGreeks<'a>>),
    Nowhere,
}

impl<R> Clone for Place<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Place<'_, R> {}

/// A field's bit, none for one that is not read, and its place. The symbol's is the lowest.
type Field<'a, R> = (u64, Place<'a, R>);

fn of_quote<'a>(name: &str) -> Field<'a, WireQuote<'a>> {
    use Place::{Inner, Nowhere, Number, Text, Word};
    let (number, place): (u32, Place<'a, WireQuote<'a>>) = match name {
        "symbol" => (0, Text(|row| &mut row.symbol)),
        "type" => (1, Word(|row| &mut row.kind)),
        "bid" => (2, Number(|row| &mut row.bid)),
        "ask" => (3, Number(|row| &mut row.ask)),
        "last" => (4, Number(|row| &mut row.last)),
        "bidsize" => (5, Number(|row| &mut row.bidsize)),
        "asksize" => (6, Number(|row| &mut row.asksize)),
        "bid_date" => (7, Number(|row| &mut row.bid_date)),
        "ask_date" => (8, Number(|row| &mut row.ask_date)),
        "trade_date" => (9, Number(|row| &mut row.trade_date)),
        "open" => (10, Number(|row| &mut row.open)),
        "high" => (11, Number(|row| &mut row.high)),
        "low" => (12, Number(|row| &mut row.low)),
        "close" => (13, Number(|row| &mut row.close)),
        "prevclose" => (14, Number(|row| &mut row.prevclose)),
        "volume" => (15, Number(|row| &mut row.volume)),
        "underlying" => (16, Word(|row| &mut row.underlying)),
        "root_symbol" => (17, Word(|row| &mut row.root_symbol)),
        "strike" => (18, Number(|row| &mut row.strike)),
        "open_interest" => (19, Number(|row| &mut row.open_interest)),
        "contract_size" => (20, Number(|row| &mut row.contract_size)),
        "expiration_date" => (21, Word(|row| &mut row.expiration_date)),
        "expiration_type" => (22, Word(|row| &mut row.expiration_type)),
        "option_type" => (23, Word(|row| &mut row.option_type)),
        "greeks" => (24, Inner(|row| &mut row.greeks)),
        _ => return (0, Nowhere),
    };
    (1 << number, place)
}

fn of_greeks<'a>(name: &str) -> Field<'a, WireGreeks<'a>> {
    use Place::{Nowhere, Number, Word};
    let (number, place): (u32, Place<'a, WireGreeks<'a>>) = match name {
        "delta" => (0, Number(|greeks| &mut greeks.delta)),
        "gamma" => (1, Number(|greeks| &mut greeks.gamma)),
        "theta" => (2, Number(|greeks| &mut greeks.theta)),
        "vega" => (3, Number(|greeks| &mut greeks.vega)),
        "rho" => (4, Number(|greeks| &mut greeks.rho)),
        "phi" => (5, Number(|greeks| &mut greeks.phi)),
        "bid_iv" => (6, Number(|greeks| &mut greeks.bid_iv)),
        "mid_iv" => (7, Number(|greeks| &mut greeks.mid_iv)),
        "ask_iv" => (8, Number(|greeks| &mut greeks.ask_iv)),
        "smv_vol" => (9, Number(|greeks| &mut greeks.smv_vol)),
        "updated_at" => (10, Word(|greeks| &mut greeks.updated_at)),
        _ => return (0, Nowhere),
    };
    (1 << number, place)
}

/// Names of one kind of object that are remembered: several times as many as a row has.
const MOST_NAMES: usize = 256;

/// The names of one kind of object, in the order in which the first one had them.
struct Names<'a, R> {
    known: Vec<(Lead<'a>, Field<'a, R>)>,
    look_up: fn(&str) -> Field<'a, R>,
}

impl<'a, R> Names<'a, R> {
    fn new(look_up: fn(&str) -> Field<'a, R>) -> Self {
        Self { known: Vec::new(), look_up }
    }

    /// Reads an object, each value by `take`. Which fields it had, a bit for each.
    #[inline]
    fn object(
        &mut self,
        text: &mut Cursor<'a>,
        mut take: impl FnMut(&mut Cursor<'a>, Place<'a, R>) -> Option<()>,
    ) -> Option<u64> {
        let mut seen = 0_u64;
        for index in 0.. {
            let (bit, place) = match self.known.get(index) {
                Some((lead, field)) if text.passes(lead) => *field,
                _ => match self.next(text, index)? {
                    Some(field) => field,
                    None => break,
                },
            };
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
            take(text, place)?;
        }
        Some(seen)
    }

    /// The next field by its name, none at the object's end.
    fn next(&mut self, text: &mut Cursor<'a>, index: usize) -> Option<Option<Field<'a, R>>> {
        let before = text.rest;
        match (index, text.next_mark()?) {
            (0, b'{') | (1.., b',') => {}
            (1.., b'}') => return Some(None),
            _ => return None,
        }
        let field = (self.look_up)(text.text()?);
        text.mark(b':')?;
        if self.known.len() == index && index < MOST_NAMES {
            let lead = before.get(..before.len() - text.rest.len())?;
            self.known.push((Lead::new(lead), field));
        }
        Some(Some(field))
    }
}

/// What stands between two values: marks, blanks and a name.
struct Lead<'a> {
    text: &'a [u8],
    /// Its first sixteen bytes, and which of them it has: most leads are no longer.
    start: u128,
    mask: u128,
}

impl<'a> Lead<'a> {
    fn new(text: &'a [u8]) -> Self {
        let mut start = [0; 16];
        let mut mask = [0; 16];
        for ((start, mask), byte) in start.iter_mut().zip(&mut mask).zip(text) {
            (*start, *mask) = (*byte, u8::MAX);
        }
        Self { text, start: u128::from_le_bytes(start), mask: u128::from_le_bytes(mask) }
    }
}

/// What is left to read.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Passes what it begins with, if it does.
    #[inline]
    fn passes(&mut self, lead: &Lead<'_>) -> bool {
        let Some(start) = self.rest.first_chunk() else { return false };
        if (u128::from_le_bytes(*start) ^ lead.start) & lead.mask != 0 {
            return false;
        }
        let rest = match lead.text.len() {
            length @ ..=16 => self.rest.get(length..),
            _ => self.rest.strip_prefix(lead.text),
        };
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn blanks(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// A mark of punctuation and the blanks around it.
    fn next_mark(&mut self) -> Option<u8> {
        self.blanks();
        let (mark, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.blanks();
        Some(*mark)
    }

    fn mark(&mut self, wanted: u8) -> Option<()> {
        (self.next_mark()? == wanted).then_some(())
    }

    fn name(&mut self, wanted: &[u8]) -> Option<()> {
        self.literal(wanted).then_some(())?;
        self.mark(b':')
    }

    fn literal(&mut self, wanted: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.plain()?).ok()
    }

    /// A text without escapes, in ASCII.
    fn plain(&mut self) -> Option<&'a [u8]> {
        let [b'"', inside @ ..] = self.rest else { return None };
        let (text, end) = inside.split_at_checked(plain_length(inside))?;
        let [b'"', rest @ ..] = end else { return None };
        self.rest = rest;
        Some(text)
    }

    fn word(&mut self, into: &mut Word<'a>) -> Option<()> {
        if self.literal(b"null") {
            return Some(());
        }
        let text = self.text()?;
        if !text.is_empty() && text != "null" {
            into.0 = Some(Cow::Borrowed(text));
        }
        Some(())
    }

    fn number(&mut self, into: &mut OptNum) -> Option<()> {
        match self.rest.first()? {
            b'n' => return self.literal(b"null").then_some(()),
            b'"' => *into = OptNum::read(self.text()?)?,
            _ => self.rest = into.take(self.rest)?,
        }
        Some(())
    }

    /// Passes a value that nobody reads.
    fn pass(&mut self) -> Option<()> {
        match self.rest.first()? {
            b'"' => self.plain().map(drop),
            b'n' => self.literal(b"null").then_some(()),
            b't' => self.literal(b"true").then_some(()),
            b'f' => self.literal(b"false").then_some(()),
            _ => {
                self.rest = num::pass(self.rest)?;
                Some(())
            }
        }
    }
}

/// How many bytes of a text come before the first that is not plain: a quote, a backslash, a control character, a
/// letter beyond ASCII. Eight at a time.
fn plain_length(text: &[u8]) -> usize {
    let mut length = 0;
    for eight in text.as_chunks::<8>().0 {
        let ends = ends(u64::from_le_bytes(*eight));
        if ends != 0 {
            return length + ends.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | 0x7f) && !matches!(byte, b'"' | b'\\');
    length + text.iter().skip(length).take_while(|byte| plain(byte)).count()
}

/// The high bit of each byte that is not plain; what stands above the lowest one means nothing.
fn ends(bytes: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let is = |byte: u8| {
        let differs = bytes ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs
    };
    let control = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    (is(b'"') | is(b'\\') | control | bytes) & HIGH
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::broker::tradier::read::read_chain;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/tradier/chain.json");
    const NONE: &str = include_str!("../../../tests/fixtures/tradier/chain_none.json");

    /// A chain as it is on the wire: no blanks, rows with all of their fields in one order.
    fn compact(rows: usize) -> String {
        let envelope: serde_json::Value = serde_json::from_str(FIXTURE).unwrap();
        let known = envelope["options"]["option"].as_array().unwrap();
        let rows: Vec<_> = known.iter().cycle().take(rows).cloned().collect();
        serde_json::json!({ "options": { "option": rows } }).to_string()
    }

    fn general(body: &str) -> Option<Vec<Quote>> {
        read_chain(&Bytes::copy_from_slice(body.as_bytes())).ok()
    }

    #[test]
    fn the_usual_spellings_are_read_here() {
        for body in [FIXTURE.to_owned(), compact(1), compact(40)] {
            let read = chain(body.as_bytes());
            assert!(read.as_ref().is_some_and(|rows| !rows.is_empty()), "{}", &body[..200]);
            assert_eq!(read, general(&body));
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_general_reader() {
        let body = compact(2);
        let changed = |from: &str, to: &str| {
            assert!(body.contains(from), "{from}");
            body.replacen(from, to, 1)
        };
        for (unusual, is_readable) in [
            (NONE.to_owned(), true),
            (r#"{"options":{"option":{"symbol":"X"}}}"#.to_owned(), true),
            (changed("Sep 18", r"Sep\u0020 18"), true),
            (changed("Sep 18", "S\u{e9}p 18"), true),
            (changed(r#""exch":"Z""#, r#""exch":["Z"]"#), true),
            (changed(r#""exch""#, r#""bid""#), false),
            (changed(r#""bid":5.1"#, r#""bid":05.1"#), false),
            (changed(r#""bid":5.1"#, r#""bid":true"#), false),
            (changed(r#""symbol""#, r#""simbol""#), false),
            (changed(r#""option_type":"call""#, r#""option_type":"both""#), false),
            (changed(r#""bidsize":10"#, r#""bidsize":1.5"#), false),
            (format!("{body} x"), false),
            (body[..body.len() - 2].to_owned(), false),
        ] {
            assert_eq!(chain(unusual.as_bytes()), None, "{unusual}");
            assert_eq!(general(&unusual).is_some(), is_readable, "{unusual}");
        }
    }

    #[test]
    fn a_row_of_more_names_than_are_remembered_is_read_alike() {
        let many: String = (0..MOST_NAMES + 9).map(|number| format!(r#""n{number}":{number},"#)).collect();
        let row = format!(r#"{{{many}"symbol":"X","bid":1.5}}"#);
        let body = format!(r#"{{"options":{{"option":[{row},{row}]}}}}"#);
        let read = chain(body.as_bytes());
        assert_eq!(read.as_ref().map(Vec::len), Some(2));
        assert_eq!(read, general(&body));
    }

    #[test]
    fn a_chain_without_end_is_not_read_to_its_end() {
        let body = |rows| format!(r#"{{"options":{{"option":[{}]}}}}"#, vec![r#"{"symbol":"X"}"#; rows].join(","));
        assert_eq!(chain(body(MOST_ROWS).as_bytes()).map(|rows| rows.len()), Some(MOST_ROWS));
        assert_eq!(chain(body(MOST_ROWS + 1).as_bytes()), None);
        assert_eq!(general(&body(MOST_ROWS + 1)), None);
    }

    /// A value as a broker might spell it, or might not.
    fn value() -> impl Strategy<Value = String> {
        let words = [
            "null",
            r#""null""#,
            r#""bid""#,
            r#""delta""#,
            r#""NaN""#,
            r#""""#,
            "true",
            "{}",
            "[]",
            "0",
            "-0",
            "1E400",
            "nul",
            r#""call""#,
            r#""2026-09-18""#,
            r#""2026-09-10 14:00:05""#,
            r#""\u0041""#,
            "\"\u{e9}\"",
            r#"{"delta":1}"#,
        ];
        prop_oneof![
            "-?[0-9]{1,20}([.][0-9]{0,12})?([eE][+-]?[0-9]{1,2})?",
            r#""[ -~]{0,12}""#,
            r#""-?[0-9]{1,9}[.][0-9]{1,9}""#,
            "[{}\\[\\]\",:0-9a-z \n]{0,4}",
            select(words.to_vec()).prop_map(str::to_owned),
        ]
    }

    /// The chain with what stands between two marks replaced, a name or a value, all of it or its second half.
    fn mutated(body: &str, at: Index, with: &str, whole: bool) -> String {
        let marks: Vec<usize> = body.match_indices([':', ',', '{', '}']).map(|(at, _)| at).collect();
        let at = at.index(marks.len() - 1);
        let (from, to) = (marks[at] + 1, marks[at + 1]);
        let from = if whole { from } else { from + (to - from) / 2 };
        if !(body.is_char_boundary(from) && from <= to) {
            return body.to_owned();
        }
        format!("{}{with}{}", &body[..from], &body[to..])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_read_here_is_read_alike_in_general(
            pretty: bool,
            changes in proptest::collection::vec((any::<Index>(), value(), any::<bool>()), 0..4),
        ) {
            let mut body = if pretty { FIXTURE.to_owned() } else { compact(4) };
            for (at, with, whole) in changes {
                body = mutated(&body, at, &with, whole);
            }
            if let Some(rows) = chain(body.as_bytes()) {
                prop_assert_eq!(Some(rows), general(&body), "{}", body);
            }
        }

        #[test]
        fn no_bytes_panic(at in any::<Index>(), bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let body = compact(2).into_bytes();
            let (front, back) = body.split_at(at.index(body.len()));
            let damaged = [front, &bytes, back].concat();
            if let Some(rows) = chain(&damaged) {
                prop_assert_eq!(Some(rows), read_chain(&Bytes::from(damaged)).ok());
            }
            prop_assert_eq!(chain(front), None);
        }

        #[test]
        fn the_end_of_plain_text_is_found_eight_at_a_time(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let plain = |byte: &&u8| (0x20..0x80).contains(*byte) && !b"\"\\".contains(*byte);
            prop_assert_eq!(plain_length(&text), text.iter().take_while(plain).count());
        }
    }
}
