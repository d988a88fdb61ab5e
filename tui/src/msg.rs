//! Everything that can happen, as data: the model changes by these and by nothing else, so that a
//! session can be written down and played again.

use blotter_shared::protocol::health::Version;
use serde::{Deserialize, Serialize};

use crate::client::calls::{Answer, Call, CallError};
use crate::client::events::StreamItem;
use crate::client::export::ExportSaid;
use crate::input::decode::TerminalEvent;
use crate::quotes::PricesSaid;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Msg {
    Terminal(TerminalEvent),
    Resized {
        width: u16,
        height: u16,
    },
    /// A moment came at which something on the screen changes.
    Wake,
    /// The program was stopped and runs again.
    Resumed,
    /// It cannot be suspended here: nobody would wake it.
    SuspendRefused,
    Greeted(Result<Version, CallError>),
    Answered {
        call: Call,
        result: Box<Result<Answer, CallError>>,
    },
    /// A load is through; the first thing that went wrong, if anything did.
    Loaded(Result<(), CallError>),
    /// An export goes on, or is over.
    Export(ExportSaid),
    Stream {
        generation: u64,
        said: StreamSaid,
    },
    Prices {
        generation: u64,
        said: PricesSaid,
    },
}

/// What a stream said, or that it is silent for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamSaid {
    Item(StreamItem),
    Ended(Option<CallError>),
}
