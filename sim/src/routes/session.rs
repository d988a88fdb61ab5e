//! Section 1: sessions for the streams. The address in the answer is this server's own.

use http::StatusCode;

use super::Who;
use crate::app::Sim;
use crate::core::World;
use crate::pipeline::Call;
use crate::stream::StreamKind;
use crate::wire::{Answer, Node, fault};

fn answer(sim: &mut Sim, call: &Call, who: Who, kind: StreamKind) -> Answer {
    let id = sim.sessions.open(who.token, kind, call.arrived);
    let (scheme, path) = match kind {
        StreamKind::Account => ("ws", "/v1/accounts/events"),
        StreamKind::Market => ("http", "/v1/markets/events"),
    };
    let url = format!("{scheme}://{}{path}", call.host);
    Answer::tree(Node::wrap("stream", Node::Map(vec![("url", Node::Text(url)), ("sessionid", Node::Text(id))])))
}

pub(crate) fn account(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    Ok(answer(sim, call, who, StreamKind::Account))
}

/// The sandbox has no market stream. Its gateway's words for that are not known; those for a wrong product are.
pub(crate) fn market(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    if who.world == World::Sandbox {
        let code = "keymanagement.service.InvalidAPICallAsNoApiProductMatchFound";
        return Err(fault(StatusCode::UNAUTHORIZED, "Invalid API call as no apiproduct match found", code));
    }
    Ok(answer(sim, call, who, StreamKind::Market))
}
