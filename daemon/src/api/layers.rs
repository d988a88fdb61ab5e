//! What every request goes through: an id, the handshake, access, a deadline, figures, and the
//! document of whatever went wrong.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use blotter_shared::protocol::headers::{self, check_protocol};
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, header};
use http_body::Body;
use tokio::time::{Instant, timeout};
use tracing::Instrument;
use uuid::Uuid;

use super::extract::Who;
use super::problem::{ApiError, write_document};
use super::routes::{Access, Handshake, ROUTES, Route, Timing};
use super::{Api, ApiState};
use crate::auth::Rights;
use crate::clock::Clock;
use crate::telemetry::RouteMeter;

/// What a layer needs to know of its route.
#[derive(Debug)]
pub(super) struct Context {
    api: ApiState,
    route: &'static Route,
    meter: RouteMeter,
}

impl Context {
    pub(super) fn new(api: &ApiState, route: &'static Route) -> Self {
        Self { api: Arc::clone(api), route, meter: api.metrics.route(route.path, route.method) }
    }
}

/// The way of a request that found its route.
pub(super) async fn around(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = new_id(&context.api.clock);
    let span = span(&request, context.route.path, id);
    let response = async {
        match admit(&context, &request) {
            Ok(()) => run(&context, request, next).await,
            Err(error) => error.into_response(),
        }
    };
    let response = finish(&context.api, response.instrument(span).await, id);
    context.api.metrics.answered(
        &context.meter,
        response.status().as_u16(),
        started.elapsed(),
        response.body().size_hint().exact(),
    );
    response
}

/// No such path.
pub(super) async fn not_found(State(api): State<ApiState>, request: Request) -> Response {
    let id = new_id(&api.clock);
    let path: String = request.uri().path().chars().take(100).collect();
    let error = ApiError::new(ProblemCode::NotFound, format!("there is no path {path}; see /v1/openapi.json"));
    finish(&api, error.into_response(), id)
}

/// The path is there, the method is not.
pub(super) async fn method_not_allowed(State(api): State<ApiState>, request: Request) -> Response {
    let id = new_id(&api.clock);
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let methods: Vec<_> = ROUTES.iter().filter(|route| route.path == path).map(|route| route.method).collect();
    let allowed = methods.join(", ");
    let detail = format!("{path} takes {allowed}, not {}", request.method());
    let mut response = ApiError::new(ProblemCode::MethodNotAllowed, detail).into_response();
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    finish(&api, response, id)
}

fn admit(context: &Context, request: &Request) -> Result<(), ApiError> {
    if context.api.stop.is_cancelled() {
        return Err(ApiError::new(ProblemCode::ShuttingDown, "the daemon is stopping; connect again in a moment"));
    }
    let who = Who::of(request.extensions())?;
    if context.route.handshake == Handshake::Strict {
        handshake(request.headers())?;
    }
    match (context.route.access, who.0.rights) {
        (Access::Act, Rights::ReadOnly) => {
            let detail = format!("user {} may look and not act (auth.read_only_users)", who.0.username);
            Err(Problem {
                limit: Some("auth.read_only_users".to_owned()),
                ..Problem::new(ProblemCode::Forbidden, detail)
            }
            .into())
        }
        (Access::Act, Rights::Full) if asks_read_only(request.headers()) => {
            Err(ApiError::new(ProblemCode::Forbidden, "this client asked to be read-only"))
        }
        (Access::Act, Rights::Full) | (Access::Read, Rights::Full | Rights::ReadOnly) => Ok(()),
    }
}

fn handshake(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(theirs) = headers.get(headers::PROTOCOL) else { return Ok(()) };
    let theirs = theirs.to_str().ok().and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
        ApiError::new(ProblemCode::Malformed, format!("the header {} is a whole number", headers::PROTOCOL))
    })?;
    check_protocol(theirs).map_err(|sentence| ApiError::new(ProblemCode::ProtocolMismatch, sentence))
}

fn asks_read_only(headers: &HeaderMap) -> bool {
    headers.get(headers::READ_ONLY).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// The handler, within the deadline; its panic is one failed request and no more.
async fn run(context: &Context, request: Request, next: Next) -> Response {
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    let handled = match context.route.timing {
        Timing::Endless => handled.await,
        Timing::Bounded => {
            let limit = context.api.limits.request_timeout_s;
            match timeout(limit, handled).await {
                Ok(handled) => handled,
                Err(_) => {
                    let detail = format!("a request may take {} s, its body included", limit.as_secs_f32());
                    let limit = Some("limits.request_timeout_s".to_owned());
                    return ApiError::from(Problem { limit, ..Problem::new(ProblemCode::TimedOut, detail) })
                        .into_response();
                }
            }
        }
    };
    handled.unwrap_or_else(|_| ApiError::internal(&"a handler panicked").into_response())
}

fn finish(api: &Api, mut response: Response, id: Uuid) -> Response {
    let request_id = id.to_string();
    if let Some(problem) = response.extensions_mut().remove::<Arc<Problem>>() {
        let problem = Problem { request_id: Some(request_id.clone()), ..Arc::unwrap_or_clone(problem) };
        api.metrics.problem(problem.code.as_str());
        tracing::debug!(request.id = %id, code = %problem.code, "a request was refused");
        write_document(&mut response, &problem);
    }
    let headers = response.headers_mut();
    headers.insert(headers::VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(headers::REQUEST_ID, value);
    }
    response
}

/// The route as it stands in the table: a path or a query may hold what is nobody's business.
fn span(request: &Request, route: &'static str, id: Uuid) -> tracing::Span {
    let user = Who::of(request.extensions()).map(|who| who.0.username.to_string()).unwrap_or_default();
    tracing::info_span!("request", request.id = %id, user, method = %request.method(), route)
}

fn new_id(clock: &Clock) -> Uuid {
    let now = clock.now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()))
}
