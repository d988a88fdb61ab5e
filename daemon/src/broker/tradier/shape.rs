//! The broker's habits of shape, in one place: one thing is an object, several are an array, none
//! is the string `"null"` (or a real null, or absence).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::num::Num;

/// How the complaint about a list that is too long begins.
pub(crate) const TOO_MANY: &str = "more rows than there can be";

/// None, one or many, read without a buffer so that numbers keep their text; more than `MOST` are an
/// error before they fill the memory. An account may have ten thousand positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Many<T, const MOST: usize = 20_480>(pub(crate) Vec<T>);

impl<T, const MOST: usize> Default for Many<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Many<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

struct ManyVisitor<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for ManyVisitor<T, MOST> {
    type Value = Many<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, an array of objects, or \"null\"")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Many(Vec::new()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "null" { Ok(Many(Vec::new())) } else { Err(E::custom("a text where a list was expected")) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| Many(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut many = Vec::with_capacity(list.size_hint().unwrap_or(0).min(MOST));
        while let Some(one) = list.next_element()? {
            if many.len() == MOST {
                return Err(A::Error::custom(TOO_MANY));
            }
            many.push(one);
        }
        Ok(Many(many))
    }
}

/// A list of plain values (dates, strikes, symbols, codes): one of them stands alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Values(Vec::new()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Values(if text == "null" { Vec::new() } else { vec![text.to_owned()] }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element::<String>()? {
            values.push(value);
        }
        Ok(Values(values))
    }
}

/// A list of numbers; one of them stands alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers(pub(crate) Vec<Num>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let numbers = match raw.as_bytes().first() {
            Some(b'[') => serde_json::from_str(raw),
            _ if matches!(raw, "null" | "\"null\"") => Ok(Vec::new()),
            _ => serde_json::from_str(raw).map(|one| vec![one]),
        };
        numbers.map(Self).map_err(D::Error::custom)
    }
}

/// An object that is missing as `"null"`, null or absence. A text that is anything else is an
/// error: it is not known to mean "nothing".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MaybeVisitor(PhantomData))
    }
}

struct MaybeVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MaybeVisitor<T> {
    type Value = Maybe<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or \"null\"")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Maybe(None))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "null" { Ok(Maybe(None)) } else { Err(E::custom("a text where an object was expected")) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| Maybe(Some(one)))
    }
}

/// A text that may be missing as null or `"null"`; a number is taken as its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(|Word(text)| Self(text.map(Cow::into_owned)))
    }
}

/// The same, in place: for texts that are looked at and dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word<'a>(pub(crate) Option<Cow<'a, str>>);

impl<'a> Word<'a> {
    /// A text as the wire has it, which may be a way of saying that there is none.
    pub(crate) fn told(text: Cow<'a, str>) -> Self {
        Self((text != "null" && !text.is_empty()).then_some(text))
    }

    pub(crate) fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub(crate) fn owned(self) -> Option<String> {
        self.0.map(Cow::into_owned)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Word<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Word(None))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Word::told(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Word::told(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Word(Some(number.to_string().into())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Word(Some(number.to_string().into())))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Word(Some(flag.to_string().into())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(A::Error::custom("an object where a text was expected"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::broker::tradier::num::Num;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Item {
        n: Num,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Envelope {
        #[serde(default)]
        item: Many<Item>,
    }

    fn count(json: &str) -> Result<usize, String> {
        serde_json::from_str::<Maybe<Envelope>>(json)
            .map(|envelope| envelope.0.map_or(0, |envelope| envelope.item.0.len()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn none_one_and_many() {
        assert_eq!(count("null"), Ok(0));
        assert_eq!(count("\"null\""), Ok(0));
        assert_eq!(count("{}"), Ok(0));
        assert_eq!(count(r#"{"item":"null"}"#), Ok(0));
        assert_eq!(count(r#"{"item":{"n":1.50}}"#), Ok(1));
        assert_eq!(count(r#"{"item":[{"n":1},{"n":"2"}]}"#), Ok(2));
    }

    #[test]
    fn a_text_is_not_an_empty_list() {
        assert!(count("\"maintenance\"").is_err());
        assert!(count(r#"{"item":"soon"}"#).is_err());
        assert!(count(r#"{"item":[{"n":"x"}]}"#).is_err());
        assert!(count("[]").is_err());
    }
}
