//! The gateway's voice: fault objects and maintenance pages.

use http::StatusCode;

use super::answer::{Answer, Body};

/// An Apigee fault.
pub(crate) fn fault(status: StatusCode, text: &str, code: &str) -> Answer {
    let body = serde_json::json!({"fault": {"faultstring": text, "detail": {"errorcode": code}}});
    Answer::new(status, Body::Json(body.to_string()))
}

/// The page that a gateway shows when nobody is behind it.
pub(crate) fn html_page(status: StatusCode) -> Answer {
    let page = "<!DOCTYPE html>\n<html><head><title>Scheduled Maintenance</title></head>\
        <body><h1>We'll be right back</h1><p>The service is temporarily unavailable for maintenance.</p></body></html>\n";
    Answer::new(status, Body::Html(page.to_owned()))
}
