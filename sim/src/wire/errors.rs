//! The gateway's voice: fault objects and maintenance pages.

use http::StatusCode;

use super::answer::{Answer, Body};
use super::node::Node;

/// An Apigee fault.
pub(crate) fn fault(status: StatusCode, text: &str, code: &str) -> Answer {
    let inner = Node::wrap("errorcode", Node::text(code));
    let fault = Node::Map(vec![("faultstring", Node::text(text)), ("detail", inner)]);
    Answer::new(status, Body::Json(Node::wrap("fault", fault).to_json()))
}

/// The page that a gateway shows when nobody is behind it.
pub(crate) fn html_page(status: StatusCode) -> Answer {
    let page = "<!DOCTYPE html>\n<html><head><title>Scheduled Maintenance</title></head>\
        <body><h1>We'll be right back</h1><p>The service is temporarily unavailable for maintenance.</p></body></html>\n";
    Answer::new(status, Body::Html(page.to_owned()))
}
