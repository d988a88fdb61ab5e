//! What goes wrong, and how often. Each class of fault has its own random stream, keyed by seed,
//! class and n-th use, so that taking one fault away leaves all others where they were; that is
//! what makes a failing seed shrink to its own cause and not to another bug.
//!
//! A seed uses a subset of the classes (swarm testing): a rare pair of faults meets more often
//! when the other twenty are quiet.

use std::collections::BTreeSet;

/// Declares the classes with the word by which a script names them.
macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A stream of random choices.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Class {
            $($(#[$doc])* $name,)*
        }

        impl Class {
            pub const EVERY: &'static [Self] = &[$(Self::$name,)*];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

classes! {
    /// Not faults: the world as it is.
    Setup = "setup",
    Market = "market",
    Fills = "fills",
    Delays = "delays",
    People = "people",
    /// A request that never arrives.
    RequestLost = "request-lost",
    /// A request that arrives late, within the longest delivery time.
    RequestLate = "request-late",
    /// A request that arrives after that.
    RequestVeryLate = "request-very-late",
    /// The answer does not come.
    AnswerLost = "answer-lost",
    /// A gateway error: before or after the request was taken.
    Gateway = "gateway",
    /// No connection at all: proof that nothing left.
    NoConnection = "no-connection",
    /// A read shows the past.
    StaleRead = "stale-read",
    /// A list that is empty once.
    EmptyList = "empty-list",
    /// An order that a list leaves out once.
    MissingOrder = "missing-order",
    /// A list without tags.
    MissingTag = "missing-tag",
    /// Taken, and refused seconds later.
    AsyncReject = "async-reject",
    /// The price of a fill comes later than the fill.
    LatePrice = "late-price",
    /// The process dies before a call.
    CrashBefore = "crash-before",
    /// The process dies after a call, before its answer is used.
    CrashAfter = "crash-after",
    /// The process stands still, longer than a lease if need be.
    Pause = "pause",
    /// The database commits and its answer is lost.
    CommitLost = "commit-lost",
    /// The database refuses.
    StoreDown = "store-down",
    /// The database takes seconds.
    StoreSlow = "store-slow",
    /// The wall clock of a daemon jumps.
    ClockJump = "clock-jump",
    /// For half a minute and more the list of positions is empty.
    PositionsGone = "positions-gone",
    /// An order stays pending for long before it gets to the market, or is refused.
    SlowOpen = "slow-open",
    /// A leg of a pair dies alone, or somebody moves its stop.
    LegDies = "leg-dies",
    /// For half a minute and more the broker's machinery refuses what is sold.
    Unwell = "unwell",
    /// Not a fault: what came to the worlds later, so that older seeds stay the worlds they were.
    Manner = "manner",
    /// For seconds every read comes from a copy that has stayed behind.
    Spell = "spell",
    /// No read is answered for a minute, and then they come from such a copy.
    Outage = "outage",
    /// An execution that is reported after the cancel of the rest.
    LateFill = "late-fill",
    /// For a quarter of a minute and more the account looks as if nothing had ever been in it.
    Blank = "blank",
    /// For as long no read is accepted under the token.
    Refused = "refused",
    /// For as long each read takes seconds.
    SlowRead = "slow-read",
}

/// One fault that happened: its class and the how-manieth use of that class it was.
pub type Fired = (Class, u64);

/// The random streams of one run.
#[derive(Clone, Debug)]
pub struct Streams {
    seed: u64,
    uses: Vec<u64>,
    /// Per mille, by class; drawn by the seed.
    rates: Vec<u32>,
    /// Faults may happen now.
    pub armed: bool,
    /// What has happened.
    pub fired: Vec<Fired>,
    /// When shrinking: only these may happen.
    pub only: Option<BTreeSet<Fired>>,
}

impl Streams {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let count = Class::EVERY.len();
        Self { seed, uses: vec![0; count], rates: vec![0; count], armed: false, fired: Vec::new(), only: None }
    }

    pub fn set_rate(&mut self, class: Class, per_mille: u32) {
        if let Some(rate) = self.rates.get_mut(class as usize) {
            *rate = per_mille;
        }
    }

    #[must_use]
    pub fn rate(&self, class: Class) -> u32 {
        self.rates.get(class as usize).copied().unwrap_or(0)
    }

    /// The next raw number of a stream.
    pub fn draw(&mut self, class: Class) -> u64 {
        let n = self.uses.get_mut(class as usize).map_or(0, |uses| {
            *uses += 1;
            *uses
        });
        mix(self.seed ^ mix(class as u64 + 1) ^ mix(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, class: Class, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low + self.draw(class) % span
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, class: Class, choices: &[T]) -> Option<T> {
        let count = u64::try_from(choices.len()).ok().filter(|count| *count > 0)?;
        let at = usize::try_from(self.draw(class) % count).ok()?;
        choices.get(at).copied()
    }

    /// A chance that is no fault.
    pub fn chance(&mut self, class: Class, per_mille: u32) -> bool {
        self.draw(class) % 1000 < u64::from(per_mille)
    }

    /// Whether the fault of this class happens now; with it a number to size it by.
    pub fn strikes(&mut self, class: Class) -> Option<u64> {
        let rate = self.rate(class);
        if !self.armed || rate == 0 {
            return None;
        }
        let drawn = self.draw(class);
        let n = self.uses.get(class as usize).copied().unwrap_or(0);
        if drawn % 1000 >= u64::from(rate) {
            return None;
        }
        if self.only.as_ref().is_some_and(|only| !only.contains(&(class, n))) {
            return None;
        }
        self.fired.push((class, n));
        Some(mix(drawn))
    }
}

/// A permutation of 64 bits without pattern (splitmix64).
#[must_use]
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
