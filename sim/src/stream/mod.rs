//! Section 1 of the reference: event streams for orders and for prices, over WebSocket and over plain HTTP.
//!
//! A stream is a hint. It misses events, doubles them and ends when faults say so; the lists are the truth.

mod account;
mod market;
mod quotes;
mod sessions;

pub(crate) use account::{serve as serve_account, serve_http as serve_account_http};
pub(crate) use market::{serve_http, serve_socket};
pub(crate) use sessions::{Sessions, StreamKind};

use crate::faults::FaultKind;

/// What a stream sends next, after faults.
pub(crate) enum Step {
    Send(Vec<String>),
    End,
}

/// Events on their way out: one may be held back so that the next overtakes it.
#[derive(Default)]
pub(crate) struct Outlet {
    held: Option<String>,
}

impl Outlet {
    pub(crate) fn pass(&mut self, event: String, strike: Option<FaultKind>) -> Step {
        let mut out = Vec::new();
        match strike {
            Some(FaultKind::CutStream) => return Step::End,
            Some(FaultKind::DropEvent) => {}
            Some(FaultKind::ReorderEvent) if self.held.is_none() => {
                self.held = Some(event);
                return Step::Send(out);
            }
            Some(FaultKind::DuplicateEvent) => {
                out.push(event.clone());
                out.push(event);
            }
            _ => out.push(event),
        }
        out.extend(self.held.take());
        Step::Send(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(outlet: &mut Outlet, event: &str, strike: Option<FaultKind>) -> Vec<String> {
        match outlet.pass(event.to_owned(), strike) {
            Step::Send(events) => events,
            Step::End => vec!["end".to_owned()],
        }
    }

    #[test]
    fn faults_drop_double_and_reorder() {
        let mut outlet = Outlet::default();
        assert_eq!(sent(&mut outlet, "a", None), ["a"]);
        assert_eq!(sent(&mut outlet, "b", Some(FaultKind::DuplicateEvent)), ["b", "b"]);
        assert!(sent(&mut outlet, "c", Some(FaultKind::DropEvent)).is_empty());
        assert!(sent(&mut outlet, "d", Some(FaultKind::ReorderEvent)).is_empty());
        assert_eq!(sent(&mut outlet, "e", None), ["e", "d"]);
        assert_eq!(sent(&mut outlet, "f", Some(FaultKind::CutStream)), ["end"]);
    }
}
