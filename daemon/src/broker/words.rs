//! Open lists of words. The broker may add a word tomorrow; an adapter that then fails to read a
//! list of orders is worse than one that shows a word it does not know. So every list has an
//! `Unknown` arm that keeps the text, and what an unknown word means is decided where it matters.

/// Declares an open list: `Unknown` keeps whatever else the wire says.
macro_rules! open_words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A word that is not in this list, as it was sent.
            Unknown(String),
        }

        impl $name {
            /// The words that are known.
            pub const KNOWN: &'static [&'static str] = &[$($word,)*];

            #[must_use]
            pub fn from_wire(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Unknown(other.to_owned()),
                }
            }

            /// The word as the broker spells it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Unknown(word) => word,
                }
            }

            #[must_use]
            pub fn is_known(&self) -> bool {
                match self {
                    $(Self::$variant => true,)*
                    Self::Unknown(_) => false,
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}
pub(crate) use open_words;

#[cfg(test)]
mod tests {
    use crate::broker::OrderSide;

    #[test]
    fn an_unknown_word_is_kept_and_a_known_one_survives() {
        for word in OrderSide::KNOWN {
            assert_eq!(OrderSide::from_wire(word).as_str(), *word);
            assert!(OrderSide::from_wire(word).is_known());
        }
        let odd = OrderSide::from_wire("Sell ");
        assert_eq!(odd, OrderSide::Unknown("Sell ".to_owned()));
        assert_eq!(odd.to_string(), "Sell ");
    }
}
