//! Answers, and errors as RFC 9457 writes them.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// An answer that is whole.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    allow: Option<&'static str>,
    body: String,
}

impl Answer {
    pub(super) fn text(content_type: &'static str, body: String) -> Self {
        Self { status: StatusCode::OK, content_type, allow: None, body }
    }

    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self { status, content_type: "application/json", allow: None, body: format!("{body}\n") }
    }

    /// RFC 9457 §4.2.1: `about:blank` says no more than the status does; `detail` says what to do.
    pub(super) fn problem(status: StatusCode, detail: &'static str) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
        Self { content_type: "application/problem+json", ..Self::json(status, &body) }
    }

    /// RFC 9110 §15.5.6: 405 names the methods that there are.
    pub(super) fn allowing(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }
}

impl From<Answer> for Response<Full<Bytes>> {
    fn from(answer: Answer) -> Self {
        let mut response = Response::new(Full::from(answer.body));
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(methods) = answer.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        response
    }
}
