//! An answer before it is bytes: a status, a body, headers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

use super::node::Node;
use crate::core::Refusal;

/// The language that the client accepts: XML unless JSON is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Json,
    Xml,
}

impl Format {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepts = headers.get_all(http::header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
        if accepts.into_iter().any(|v| v.to_ascii_lowercase().contains("json")) { Self::Json } else { Self::Xml }
    }
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    /// In the language of the client.
    Tree(Node),
    /// Plain text.
    Text(String),
    /// JSON whatever was accepted, as the gateway does.
    Json(String),
    /// A page.
    Html(String),
    /// Comma-separated values.
    Csv(String),
    /// Nothing.
    Empty,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Body,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, body: Body) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub(crate) fn tree(node: Node) -> Self {
        Self::new(StatusCode::OK, Body::Tree(node))
    }

    pub(crate) fn text(status: StatusCode, text: &str) -> Self {
        Self::new(status, Body::Text(text.to_owned()))
    }

    pub(crate) fn bad(text: &str) -> Self {
        Self::text(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self::new(StatusCode::OK, Body::Json(value.to_string()))
    }

    /// The content type and bytes.
    pub(crate) fn bytes(&self, format: Format) -> (&'static str, Bytes) {
        match (&self.body, format) {
            (Body::Tree(Node::Shared(known)), Format::Json) => ("application/json;charset=UTF-8", known.json()),
            (Body::Tree(node), Format::Json) => ("application/json;charset=UTF-8", Bytes::from(node.to_json())),
            (Body::Tree(node), Format::Xml) => ("application/xml;charset=UTF-8", Bytes::from(node.to_xml())),
            (Body::Text(text), _) => ("text/plain;charset=UTF-8", Bytes::from(text.clone())),
            (Body::Json(text), _) => ("application/json", Bytes::from(text.clone())),
            (Body::Html(text), _) => ("text/html;charset=UTF-8", Bytes::from(text.clone())),
            (Body::Csv(text), _) => ("text/csv", Bytes::from(text.clone())),
            (Body::Empty, _) => ("text/plain", Bytes::new()),
        }
    }

    /// The answer as HTTP.
    pub(crate) fn into_http(self, format: Format) -> Response<Bytes> {
        let (kind, bytes) = self.bytes(format);
        let mut response = Response::new(bytes);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::Parameter { .. } | Refusal::Finalized(_) => Self::bad(&refusal.to_string()),
            Refusal::Unauthorized(_) => Self::text(StatusCode::UNAUTHORIZED, &refusal.to_string()),
            Refusal::Reject(reject) => {
                let lines: Vec<Node> = reject.lines().into_iter().map(Node::Text).collect();
                Self::tree(Node::wrap("errors", Node::wrap("error", super::node::one_or_many(lines))))
            }
        }
    }
}
