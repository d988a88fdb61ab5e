//! `/v1/tasks`.

use axum::Json;
use axum::extract::State;
use blotter_shared::protocol::tasks::TaskList;

use super::ApiState;

pub(super) async fn list(State(api): State<ApiState>) -> Json<TaskList> {
    Json(api.tasks.list(api.clock.now()))
}
