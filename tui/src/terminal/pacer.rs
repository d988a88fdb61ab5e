//! One frame at a time. A pty takes 18 KB before it blocks, and SSH takes more, so "written" does
//! not mean "shown". Terminals answer a status question (DSR) when they come to it: one is sent
//! along with every kilobyte or so, and while it is unanswered the next frame waits and is then
//! drawn from the newest state.
//!
//! A terminal that has never answered is never waited for, and one that stops answering is waited
//! for only so long.

use std::time::Duration;

/// Bytes that may go out without asking.
const UNASKED_MAX: usize = 1024;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a question goes out with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Yes,
    No,
}

/// What is on its way to the terminal.
#[derive(Clone, Debug, Default)]
pub struct Pacer {
    is_writing: bool,
    asked_at: Option<Duration>,
    unasked: usize,
    /// It has answered before.
    answers: bool,
    /// It was asked and did not answer in time before it ever did.
    is_mute: bool,
}

impl Pacer {
    /// Whether a frame may go out now.
    pub fn may_send(&mut self, now: Duration) -> bool {
        if self.asked_at.is_some_and(|at| now >= at + PATIENCE) {
            self.is_mute = !self.answers;
            self.asked_at = None;
            self.unasked = 0;
        }
        !self.is_writing && (self.asked_at.is_none() || !self.answers)
    }

    /// A frame of so many bytes goes out; says whether to ask.
    pub fn sends(&mut self, now: Duration, bytes: usize) -> Ask {
        self.is_writing = true;
        self.unasked += bytes;
        if self.is_mute || self.asked_at.is_some() || self.unasked <= UNASKED_MAX {
            return Ask::No;
        }
        self.asked_at = Some(now);
        self.unasked = 0;
        Ask::Yes
    }

    pub fn written(&mut self) {
        self.is_writing = false;
    }

    pub fn answered(&mut self) {
        self.answers = true;
        self.is_mute = false;
        self.asked_at = None;
    }

    /// The terminal was in other hands: a question from before may never have reached it.
    pub fn starts_over(&mut self) {
        self.asked_at = None;
        self.unasked = 0;
    }

    /// When a frame that waits for an answer goes out without one.
    #[must_use]
    pub fn gives_up_at(&self) -> Option<Duration> {
        self.asked_at.map(|at| at + PATIENCE)
    }

    /// Whether an answer may still come.
    #[must_use]
    pub fn owes_answer(&self) -> bool {
        self.asked_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1);

    #[test]
    fn one_frame_at_a_time() {
        let mut pacer = Pacer::default();
        assert!(pacer.may_send(START));
        pacer.sends(START, 10);
        assert!(!pacer.may_send(START));
        pacer.written();
        assert!(pacer.may_send(START));
    }

    #[test]
    fn a_terminal_that_answers_is_waited_for() {
        let mut pacer = Pacer::default();
        assert_eq!(pacer.sends(START, 4000), Ask::Yes);
        pacer.written();
        assert!(pacer.may_send(START), "never before its first answer");
        pacer.answered();
        assert_eq!(pacer.sends(START, 900), Ask::No);
        pacer.written();
        assert_eq!(pacer.sends(START, 900), Ask::Yes);
        pacer.written();
        assert!(!pacer.may_send(START + Duration::from_secs(4)));
        pacer.answered();
        assert!(pacer.may_send(START + Duration::from_secs(4)));
    }

    #[test]
    fn a_mute_terminal_is_asked_once_and_never_waited_for() {
        let mut pacer = Pacer::default();
        assert_eq!(pacer.sends(START, 4000), Ask::Yes);
        pacer.written();
        for second in 1..60 {
            let now = START + Duration::from_secs(second);
            assert!(pacer.may_send(now));
            if second > 5 {
                assert_eq!(pacer.sends(now, 4000), Ask::No);
                pacer.written();
            }
        }
    }

    #[test]
    fn an_answer_that_got_lost_holds_nothing_for_ever() {
        let mut pacer = Pacer::default();
        pacer.sends(START, 4000);
        pacer.written();
        pacer.answered();
        assert_eq!(pacer.sends(START, 4000), Ask::Yes);
        pacer.written();
        assert!(!pacer.may_send(START + Duration::from_secs(4)));
        assert_eq!(pacer.gives_up_at(), Some(START + PATIENCE));
        assert!(pacer.may_send(START + PATIENCE));
        assert_eq!(pacer.sends(START + PATIENCE, 4000), Ask::Yes, "it is asked again");
    }

    #[test]
    fn a_question_from_before_a_suspension_holds_nothing_back() {
        let mut pacer = Pacer::default();
        pacer.answered();
        assert_eq!(pacer.sends(START, 4000), Ask::Yes);
        pacer.written();
        assert!(!pacer.may_send(START));
        pacer.starts_over();
        assert!(pacer.may_send(START) && !pacer.owes_answer());
    }
}
