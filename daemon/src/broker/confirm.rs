//! Place, and then look: an acknowledgement is not an acceptance. The broker takes an order, gives
//! it a number, and rejects it a second later.

use std::time::Duration;

use super::{Broker, NewOrder, Order, OrderId, OrderStatus, Priority, ReadError, Send, WriteOutcome};

/// How often and how patiently the order is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    pub times: u32,
    /// Before the first look; it doubles up to a second.
    pub pause: Duration,
}

impl Default for Looks {
    /// Six looks in about four seconds: rejections were seen to take up to two.
    fn default() -> Self {
        Self { times: 6, pause: Duration::from_millis(150) }
    }
}

/// What became of an order that was placed and looked at.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an order that nobody looks at is a lost order"]
pub enum Placement {
    /// It works, or is filled: whatever its status says, the broker did not reject it.
    Seen(Box<Order>),
    /// Taken, and then rejected or in error; the reason is in the broker's words.
    Rejected { order: Box<Order>, reason: String },
    /// Taken, and not seen beyond `pending` within all looks. It is in flight.
    Pending { id: OrderId, last: Option<ReadError> },
    /// The write itself did not end in an acceptance; nothing was looked at.
    NotAccepted(WriteOutcome),
}

/// Places an order and looks until the broker has made up its mind, a bounded number of times.
pub async fn place_and_confirm(broker: &dyn Broker, order: &NewOrder, send: Send, looks: Looks) -> Placement {
    match broker.place(order, send).await {
        WriteOutcome::Accepted { id, .. } => confirm(broker, id, send.priority, looks).await,
        other @ (WriteOutcome::Refused { .. } | WriteOutcome::NotSent { .. } | WriteOutcome::Unknown { .. }) => {
            Placement::NotAccepted(other)
        }
    }
}

/// Looks at an order that has a number until it is more than `pending`.
pub async fn confirm(broker: &dyn Broker, id: OrderId, priority: Priority, looks: Looks) -> Placement {
    let mut pause = looks.pause;
    let mut last = None;
    for _ in 0..looks.times {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
        match broker.order(id, priority).await {
            Ok(order) => match judged(order) {
                Some(placement) => return placement,
                None => last = None,
            },
            Err(error) => last = Some(error),
        }
    }
    Placement::Pending { id, last }
}

/// The verdict of one look; none while the broker is still at it. A leg that was rejected rejects
/// the whole: a bracket with one side is no bracket.
fn judged(order: Order) -> Option<Placement> {
    if let Some(reason) = rejection(&order) {
        return Some(Placement::Rejected { order: Box::new(order), reason });
    }
    let undecided = |order: &Order| matches!(order.status, OrderStatus::Pending | OrderStatus::Submitted);
    // The exits of an OTOCO wait for their entry: their `pending` says nothing about the whole.
    (!undecided(&order)).then(|| Placement::Seen(Box::new(order)))
}

fn rejection(order: &Order) -> Option<String> {
    let own = matches!(order.status, OrderStatus::Rejected | OrderStatus::Error).then(|| {
        order.reason.clone().unwrap_or_else(|| match order.errors.is_empty() {
            true => format!("the broker gave no reason ({})", order.status),
            false => order.errors.join(" "),
        })
    });
    own.or_else(|| order.legs.iter().find_map(rejection))
}
