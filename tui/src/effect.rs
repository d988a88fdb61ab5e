//! Every deed, as data: [`crate::update`] decides, [`crate::app`] does.

use blotter_shared::protocol::trades::ExportQuery;
use serde::{Deserialize, Serialize};

use crate::client::calls::Call;
use crate::sound::Sound;

/// Something to do in the world outside of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Ask the daemon who it is; answered by `Msg::Greeted`.
    Greet,
    /// Ask for all of these in turn; each is answered, and `Msg::Loaded` ends it.
    Load(Vec<Call>),
    Call(Call),
    OpenStream {
        generation: u64,
        last_event_id: Option<i64>,
    },
    CloseStream,
    /// Prices as they change, beside the stream of what happens.
    OpenPrices {
        generation: u64,
    },
    ClosePrices,
    /// Write what a filter finds into a new file of this name in the user's home.
    Export {
        query: ExportQuery,
        name: String,
    },
    /// Put text on the clipboard of the user's own machine.
    Copy(String),
    /// Sound, bell or notification; the sentence is its visible twin.
    Ring {
        sound: Sound,
        text: String,
    },
    Title(String),
    /// Forget what the terminal shows and draw everything.
    Redraw,
    Suspend,
    Quit,
}
