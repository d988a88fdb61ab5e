//! The checked-in documents say what the program does.

use std::fs;
use std::path::PathBuf;

use blotter_daemon::api::{Access, ROUTES, openapi_document};
use blotter_shared::protocol::headers;
use blotter_shared::protocol::problem::ProblemCode;

fn docs(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_openapi_copy_is_what_the_program_prints() {
    assert!(
        docs("openapi.json") == openapi_document(),
        "docs/openapi.json differs: `blotterd openapi > docs/openapi.json`"
    );
}

#[test]
fn every_reference_in_the_openapi_document_leads_somewhere() {
    let document: serde_json::Value = serde_json::from_str(&openapi_document()).unwrap();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > ROUTES.len(), "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for route in ROUTES {
        let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
        assert_eq!(operation["summary"], route.summary);
    }
}

fn collect(value: &serde_json::Value, references: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(|reference| reference.as_str()).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}

/// The tables of docs/PROTOCOL.md, generated from the program's own.
#[test]
fn the_protocol_document_has_every_route_error_and_header() {
    let text = docs("PROTOCOL.md");
    let routes: String = ROUTES
        .iter()
        .map(|route| {
            let acts = if route.access == Access::Act { "acts" } else { "reads" };
            format!("| `{} {}` | {acts} | {} |\n", route.method, route.path, route.summary)
        })
        .collect();
    assert!(text.contains(&routes), "the table of routes should be:\n{routes}");
    let codes: String =
        ProblemCode::ALL.iter().map(|code| format!("| `{code}` | {} | {} |\n", code.status(), code.title())).collect();
    assert!(text.contains(&codes), "the table of errors should be:\n{codes}");
    for header in [
        headers::PROTOCOL,
        headers::VERSION,
        headers::DEVICE,
        headers::IDEMPOTENCY_KEY,
        headers::REPLAYED,
        headers::REQUEST_ID,
        headers::READ_ONLY,
        headers::LAST_EVENT_ID,
    ] {
        assert!(text.to_ascii_lowercase().contains(&format!("`{header}`")), "{header} is not documented");
    }
    for event in ["hello", "trade", "settings", "alarm", "health", "market", "reload", "bye"] {
        assert!(text.contains(&format!("| `{event}` |")), "the event {event} is not documented");
    }
}
