//! Answers, and errors as RFC 9457 writes them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// An answer that is whole.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    allow: Option<String>,
    challenge: bool,
    policy: bool,
    body: Content,
}

/// What an answer says: at once, or piece by piece.
#[derive(Debug)]
pub(super) enum Content {
    Whole(Full<Bytes>),
    Pieces(mpsc::Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Self::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// Nothing but what comes from here, nothing inline, and in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Answer {
    pub(super) fn text(content_type: &'static str, body: String) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            allow: None,
            challenge: false,
            policy: false,
            body: Content::Whole(Full::from(body)),
        }
    }

    /// Server-sent events, as long as somebody listens.
    pub(super) fn events(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { body: Content::Pieces(pieces), ..Self::text("text/event-stream", String::new()) }
    }

    /// Does it go on?
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.body, Content::Pieces(_))
    }

    /// A part of the page.
    pub(super) fn page(content_type: &'static str, body: &str) -> Self {
        Self { policy: true, ..Self::text(content_type, body.to_owned()) }
    }

    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self { status, ..Self::text("application/json", format!("{body}\n")) }
    }

    /// RFC 9457 §4.2.1: `about:blank` says no more than the status does; `detail` says what to do.
    pub(super) fn problem(status: StatusCode, detail: &'static str) -> Self {
        Self::problem_with(status, detail, json!({}))
    }

    /// The same with members of our own (RFC 9457 §3.2).
    pub(super) fn problem_with(status: StatusCode, detail: &'static str, more: Value) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        let mut body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        Self { content_type: "application/problem+json", ..Self::json(status, &body) }
    }

    /// RFC 9110 §15.5.2: 401 says what would do.
    pub(super) fn challenging(self) -> Self {
        Self { challenge: true, ..self }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// RFC 9110 §15.5.6: 405 names the methods that there are.
    pub(super) fn allowing(self, methods: String) -> Self {
        Self { allow: Some(methods), ..self }
    }
}

impl From<Answer> for Response<Content> {
    fn from(answer: Answer) -> Self {
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if answer.policy {
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        if answer.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(Ok(methods)) = answer.allow.map(HeaderValue::try_from) {
            headers.insert(ALLOW, methods);
        }
        response
    }
}
