//! Every wait of the engine, in one place. The proof runs with the values of production.

use std::time::Duration;

/// How long things may take. See docs/ENGINE.md for where each figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Longest time after which a request that was sent may still reach the broker.
    pub delivery: Duration,
    /// What is waited on top of it before absence is believed.
    pub settle: Duration,
    /// Total deadline of one broker call.
    pub call: Duration,
    /// Life of a lease without renewal.
    pub lease: Duration,
    /// The lease is renewed at least this often.
    pub renew: Duration,
    /// A pass that takes longer than this decides nothing any more.
    pub pass: Duration,
    /// From the send gate to the first byte.
    pub send_by: Duration,
    /// An entry that was not sent in this time after the command is void.
    pub entry_valid: Duration,
    /// An adjust that could not be begun in this time is dropped.
    pub adjust_valid: Duration,
    /// A half-filled entry may go on for so long.
    pub partial: Duration,
    /// A cancel whose effect is not seen is repeated after this time.
    pub cancel_again: Duration,
    /// A held position without cover: alarm, then page.
    pub naked_alarm: Duration,
    pub naked_page: Duration,
    /// A trade that was not verified for so long: alarm. With a list that is 15 s old and a daemon that
    /// looks every 5 s, a bare position is known within a minute.
    pub unverified: Duration,
    /// A close that has not finished in this time needs a person.
    pub close_slow: Duration,
    /// A position that differs is believed after this time and as many reads.
    pub mismatch: Duration,
    pub mismatch_reads: u32,
    /// The position may be behind a fill by so long.
    pub ledger: Duration,
    /// Clean reads without the order, and their distance, for the absence proof.
    pub absent_reads: u32,
    pub absent_gap: Duration,
    /// The list of an earlier day is asked for no more often than this, and kept in between.
    pub past_day: Duration,
    /// Clean reads without a working order before it is asked for by its id.
    pub missing_reads: u32,
    /// Refused exits in a row after which a position that cannot be protected is closed.
    pub refusals: u32,
    /// And so long after the first of them: a broker that is not well has come back by then.
    pub refusal_span: Duration,
    /// Longest pause between two attempts at an exit that is refused.
    pub refusal_pause: Duration,
    /// And between attempts that are refused while the market is closed.
    pub night_pause: Duration,
    /// A bracket that the broker has kept for so long has ended a naked time; it may take it back before.
    pub probation: Duration,
    /// After the end of a trade an execution may still be reported.
    pub aftermath: Duration,
    /// A stop below the bid must be seen breached in so many passes.
    pub breach_reads: u32,
}

impl Timing {
    pub const PRODUCTION: Self = Self {
        delivery: Duration::from_secs(30),
        settle: Duration::from_secs(30),
        call: Duration::from_secs(8),
        lease: Duration::from_secs(30),
        renew: Duration::from_secs(10),
        pass: Duration::from_secs(18),
        send_by: Duration::from_secs(3),
        entry_valid: Duration::from_secs(15),
        adjust_valid: Duration::from_secs(60),
        partial: Duration::from_secs(10),
        cancel_again: Duration::from_secs(10),
        naked_alarm: Duration::from_secs(15),
        naked_page: Duration::from_secs(60),
        unverified: Duration::from_secs(40),
        close_slow: Duration::from_secs(60),
        mismatch: Duration::from_secs(20),
        mismatch_reads: 5,
        ledger: Duration::from_secs(60),
        absent_reads: 3,
        absent_gap: Duration::from_secs(5),
        past_day: Duration::from_secs(30),
        missing_reads: 8,
        refusals: 4,
        refusal_span: Duration::from_secs(90),
        refusal_pause: Duration::from_secs(60),
        night_pause: Duration::from_secs(900),
        probation: Duration::from_secs(6),
        aftermath: Duration::from_secs(120),
        breach_reads: 2,
    };
}

impl Timing {
    /// Waits for what does not come, so many times as short: for tests against the simulator, which
    /// delivers at once. Deadlines of calls, sends and leases stay as they are.
    #[must_use]
    pub fn hurried(self, times: u32) -> Self {
        let times = times.max(1);
        Self {
            delivery: self.delivery / times,
            settle: self.settle / times,
            partial: self.partial / times,
            cancel_again: self.cancel_again / times,
            mismatch: self.mismatch / times,
            ledger: self.ledger / times,
            absent_gap: self.absent_gap / times,
            past_day: self.past_day / times,
            refusal_pause: self.refusal_pause / times,
            probation: self.probation / times,
            ..self
        }
    }
}

/// How often a pass begins (ruling 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace;

impl Pace {
    /// After an own write, see [`Pace::after_write`].
    pub const AT_ONCE: Duration = Duration::from_millis(50);
    /// Something is in flight and the budget is full.
    pub const FLYING: Duration = Duration::from_secs(2);
    /// Something is in flight and the budget is half used.
    pub const FLYING_SLOW: Duration = Duration::from_secs(5);
    /// Something is in flight and few cuts are left: see [`Pace::flying_last`].
    pub const FLYING_LAST: Duration = Duration::from_secs(10);
    /// For each read of a cut at the pace that lasts: a minute has some fifty.
    const OF_A_READ: Duration = Duration::from_millis(1250);
    /// A position is held or an order works, in market hours.
    pub const HOLDING: Duration = Duration::from_secs(15);
    /// Nothing is held, or the market is closed.
    pub const FLAT: Duration = Duration::from_secs(60);
    /// Somebody else owns the account.
    pub const STANDBY: Duration = Duration::from_secs(5);
    /// The broker or the database did not answer.
    pub const TROUBLED: Duration = Duration::from_secs(4);

    /// After an own write, so long ago: what did not show at once is looked for at growing distances, so that one
    /// write does not use up the reads of the next. Never later than anything in flight: a process that
    /// stood still since has waited already.
    #[must_use]
    pub fn after_write(ago: Duration) -> Duration {
        (ago / 2).clamp(Self::AT_ONCE, Self::FLYING)
    }

    /// Something is in flight and few cuts are left, of so many reads each: they last until the first reads of this minute
    /// are given back. An account with pages of orders is looked at more rarely, and not in bursts with nothing between;
    /// never more rarely than one in which nothing is in flight.
    #[must_use]
    pub fn flying_last(cut: u32) -> Duration {
        (Self::OF_A_READ * cut).clamp(Self::FLYING_LAST, Self::HOLDING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_looked_for_at_growing_distances_and_soon_after_a_standstill() {
        let waits = [0, 1, 2, 81].map(|ago| Pace::after_write(Duration::from_secs(ago)).as_millis());
        assert_eq!(waits, [50, 500, 1000, 2000]);
    }

    #[test]
    fn the_last_cuts_of_a_minute_are_further_apart_when_each_takes_more_reads() {
        assert_eq!([4, 8, 12, 40].map(|cut| Pace::flying_last(cut).as_secs()), [10, 10, 15, 15]);
    }
}
