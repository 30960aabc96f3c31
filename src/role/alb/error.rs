//! Answers the load balancer makes itself (AWS "Troubleshoot your Application Load Balancers").

use hyper::header::{CONTENT_TYPE, DATE, SERVER};
use hyper::{Response, StatusCode};

use crate::role::http::{Body, full};
use crate::time::UnixSeconds;

/// Why a request is not answered by a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 503: the target group has no registered target.
    NoTarget,
    /// 502 or 504: the target gave no response.
    Target(u16),
}

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::NoTarget => StatusCode::SERVICE_UNAVAILABLE,
            Self::Target(504) => StatusCode::GATEWAY_TIMEOUT,
            Self::Target(400) => StatusCode::BAD_REQUEST,
            Self::Target(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The small page that comes with `Server: awselb/2.0`.
    pub(super) fn response(self, date: UnixSeconds) -> Response<Body> {
        let status = self.status();
        let text = format!(
            "{} {}",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default()
        );
        let page = format!(
            "<html>\r\n<head><title>{text}</title></head>\r\n<body>\r\n<center><h1>{text}</h1></center>\r\n</body>\r\n</html>\r\n"
        );
        let mut response = Response::new(full(page));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            SERVER,
            hyper::header::HeaderValue::from_static("awselb/2.0"),
        );
        if let Ok(date) = date.to_http_date().try_into() {
            headers.insert(DATE, date);
        }
        headers.insert(
            CONTENT_TYPE,
            hyper::header::HeaderValue::from_static("text/html"),
        );
        response
    }
}
