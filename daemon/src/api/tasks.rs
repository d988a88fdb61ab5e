//! `/v1/tasks`.

use axum::Json;
use axum::extract::State;
use blotter_shared::protocol::tasks::TaskList;

use super::ApiState;
use super::extract::Who;

/// What the tasks say of themselves is about everybody: only whoever runs the daemon reads it.
pub(super) async fn list(State(api): State<ApiState>, who: Who) -> Json<TaskList> {
    let mut list = api.tasks.list(api.clock.now());
    if !api.hub.is_operator(&who.0.username) {
        list.tasks.iter_mut().for_each(|task| task.detail = None);
    }
    Json(list)
}
