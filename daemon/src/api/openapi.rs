//! The interface as an OpenAPI document, from the route table and the shared types. Its checked-in
//! copy is docs/openapi.json.

use blotter_shared::protocol::PROTOCOL_VERSION;
use blotter_shared::protocol::headers;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::problem::CONTENT_TYPE;
use super::routes::{Access, Answer, ROUTES, Route};

/// Problems that any route may answer.
const COMMON: &[ProblemCode] = &[
    ProblemCode::Malformed,
    ProblemCode::NotAdmitted,
    ProblemCode::TimedOut,
    ProblemCode::ProtocolMismatch,
    ProblemCode::TooMany,
    ProblemCode::Internal,
    ProblemCode::DatabaseUnavailable,
    ProblemCode::ShuttingDown,
];
/// Problems of every route that acts.
const ACTING: &[ProblemCode] = &[
    ProblemCode::Forbidden,
    ProblemCode::KeyReused,
    ProblemCode::BodyTooLarge,
    ProblemCode::Invalid,
    ProblemCode::KeyMissing,
];

/// The document, as `blotterd openapi` prints it.
#[must_use]
pub fn document() -> String {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for route in ROUTES {
        let entry = paths.entry(route.path).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(methods) = entry {
            methods.insert(route.method.to_ascii_lowercase(), operation(route, &mut generator));
        }
    }
    let schemas = generator.take_definitions(true);
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Blotter daemon",
            "description": "HTTP/1.1 over a Unix socket; see docs/PROTOCOL.md.",
            "version": format!("{PROTOCOL_VERSION}"),
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": { "Problem": {
                "description": "What went wrong, as RFC 9457 has it",
                "content": { CONTENT_TYPE: { "schema": problem } },
            }},
        },
    });
    format!("{document:#}\n")
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters(route, generator),
        "responses": responses(route, generator),
    });
    if let (Some(body), Value::Object(fields)) = (route.body, &mut operation) {
        let schema = body(generator);
        let content = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        fields.insert("requestBody".to_owned(), content);
    }
    operation
}

fn parameters(route: &Route, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut parameters = vec![header(headers::PROTOCOL, "integer", false)];
    if route.path.contains("{id}") {
        let schema = json!({ "type": "string", "format": "uuid" });
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
    }
    if route.access == Access::Act {
        parameters.extend([header(headers::IDEMPOTENCY_KEY, "string", true), header(headers::DEVICE, "string", false)]);
    }
    if let Answer::Events(_) = route.answer {
        parameters.push(header(headers::LAST_EVENT_ID, "integer", false));
    }
    if let Some(query) = route.query {
        parameters.extend(query_parameters(&query(generator), generator));
    }
    parameters
}

fn header(name: &str, kind: &str, required: bool) -> Value {
    json!({ "name": name, "in": "header", "required": required, "schema": { "type": kind } })
}

/// Each property of the query's type is a parameter of its own.
fn query_parameters(reference: &schemars::Schema, generator: &SchemaGenerator) -> Vec<Value> {
    let name = reference.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let Some(schema) = name.and_then(|name| generator.definitions().get(name)) else { return Vec::new() };
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    properties
        .into_iter()
        .map(|(name, schema)| {
            let required = required.iter().any(|other| other.as_str() == Some(&name));
            json!({ "name": name, "in": "query", "required": required, "schema": schema })
        })
        .collect()
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let content = match route.answer {
        Answer::Json(schema) => json!({ "application/json": { "schema": schema(generator) } }),
        Answer::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
        Answer::Document => json!({ "application/json": { "schema": { "type": "object" } } }),
        Answer::File(schema) => json!({
            "text/csv": { "schema": { "type": "string" } },
            "application/json": { "schema": schema(generator) },
        }),
        Answer::Events(schema) => json!({ "text/event-stream": { "schema": schema(generator) } }),
    };
    let mut responses = Map::new();
    responses.insert("200".to_owned(), json!({ "description": route.summary, "content": content }));
    let acting = if route.access == Access::Act { ACTING } else { &[] };
    let mut codes: Vec<_> = COMMON.iter().chain(acting).chain(route.problems).collect();
    codes.sort_by_key(|code| (code.status(), code.as_str()));
    codes.dedup();
    for code in codes {
        let entry = responses
            .entry(code.status().to_string())
            .or_insert_with(|| json!({ "$ref": "#/components/responses/Problem" }));
        if let Value::Object(fields) = entry {
            let known = fields.get("description").and_then(Value::as_str).map(|text| format!("{text}, "));
            let description = format!("{}{code}", known.unwrap_or_default());
            fields.insert("description".to_owned(), Value::String(description));
        }
    }
    Value::Object(responses)
}
