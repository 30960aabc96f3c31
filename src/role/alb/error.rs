//! Answers the load balancer makes itself (AWS "Troubleshoot your Application Load Balancers").

use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, CONTENT_TYPE, DATE, HeaderValue, LOCATION, SERVER};
use hyper::{Response, StatusCode};

use super::rule::Answer;
use crate::role::http::{Body, full};
use crate::time::UnixSeconds;

/// Why a request is not answered by a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 400: it is not a request, or one that cannot be taken for one request only.
    BadRequest(String),
    /// 405: TRACE.
    Method,
    /// 408: the client did not send the rest before the idle timeout.
    RequestTimeout,
    /// 414: the request line is longer than 16 KiB.
    TargetTooLong,
    /// 463: more than 30 addresses in X-Forwarded-For.
    TooManyAddresses,
    /// 464: what the client speaks does not go with what the target group does.
    Mismatch(&'static str),
    /// 501: a transfer coding other than chunked and identity.
    NotImplemented,
    /// 505: neither HTTP/1 nor HTTP/2.
    Version,
    /// 503: the target group has no registered target.
    NoTarget,
    /// 502 or 504: the target gave no response; 400 or 408 when its request never became whole.
    Target(u16),
}

impl Refusal {
    /// In words, for the trace.
    pub(super) fn why(&self) -> &str {
        match self {
            Self::BadRequest(why) => why,
            Self::Method => "TRACE is not answered",
            Self::RequestTimeout => "the rest of the request did not come before the idle timeout",
            Self::TargetTooLong => "the request line is longer than 16 KiB",
            Self::TooManyAddresses => "more than 30 addresses in X-Forwarded-For",
            Self::Mismatch(why) => why,
            Self::NotImplemented => "a transfer coding other than chunked and identity",
            Self::Version => "not a version of HTTP that is spoken here",
            Self::NoTarget => "the target group has no registered target",
            Self::Target(_) => "the target gave no response",
        }
    }

    /// What the client is told.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            // AWS's own; every number from 100 to 999 is a status code.
            Self::TooManyAddresses => StatusCode::from_u16(463).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Mismatch(_) => StatusCode::from_u16(464).unwrap_or(StatusCode::BAD_REQUEST),
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::NoTarget => StatusCode::SERVICE_UNAVAILABLE,
            Self::Target(status) => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY)
            }
        }
    }

    /// The small page that comes with `Server: awselb/2.0`.
    pub(super) fn response(&self, date: UnixSeconds) -> Response<Body> {
        own(self.status(), page(self.status()), "text/html", date)
    }
}

/// The answer that a rule says.
pub(super) fn answered(answer: Answer, date: UnixSeconds) -> Response<Body> {
    // A lab file cannot ask for another one.
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = answer.body.unwrap_or_else(|| page(status));
    let mut response = own(status, body, answer.content_type, date);
    // What a client sends may not fit: then it has no use for the place either.
    if let Some(location) = answer.location.and_then(|l| l.try_into().ok()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// As load balancers of AWS call it. Where that is not the name of RFC 9110 it was seen on the wire: "503 Service
/// Temporarily Unavailable", "504 Gateway Time-out".
fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => "Service Temporarily Unavailable",
        StatusCode::GATEWAY_TIMEOUT => "Gateway Time-out",
        other => other.canonical_reason().unwrap_or_default(),
    }
}

fn page(status: StatusCode) -> String {
    let text = format!("{} {}", status.as_u16(), reason(status));
    format!(
        "<html>\r\n<head><title>{text}</title></head>\r\n<body>\r\n<center><h1>{text}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
}

fn own(
    status: StatusCode,
    body: String,
    content_type: &'static str,
    date: UnixSeconds,
) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let reason = ReasonPhrase::from_static(reason(status).as_bytes());
    response.extensions_mut().insert(reason);
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("awselb/2.0"));
    if let Ok(date) = date.to_http_date().try_into() {
        headers.insert(DATE, date);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Unless the connection ends with it, and where there is a word for that: HTTP/2 has none.
    headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
    response
}
