//! hyper's messages as the pool has them, and back.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};

use super::exchange::ToTarget;
use crate::role::http::{Body, incoming};
use crate::wire::http1::{Fields, RequestHead, ResponseHead, Version};

/// How names of headers are written towards targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderCase {
    /// As in "User-Agent".
    Title,
    /// As HTTP/2 has them, but for a few names (AWS "How Elastic Load Balancing works", "HTTP headers").
    Lower,
}

/// Names that are always in mixed case.
const MIXED: [&str; 7] = [
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "Host",
    "X-Amzn-Trace-Id",
    "Upgrade",
    "Connection",
];

/// The request as it goes to a target.
pub(super) fn to_target(request: Request<hyper::body::Incoming>, case: HeaderCase) -> ToTarget {
    let (head, body) = request.into_parts();
    let fields = head.headers.iter();
    let fields = fields.map(|(n, v)| (written(n.as_str(), case), v.as_bytes()));
    ToTarget {
        head: RequestHead {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            version: Version::Http11,
            fields: fields.collect::<Fields>(),
            remarks: Vec::new(),
        },
        body: incoming(body),
        reuse: true,
    }
}

fn written(name: &str, case: HeaderCase) -> String {
    if let Some(mixed) = MIXED.iter().find(|m| m.eq_ignore_ascii_case(name)) {
        return (*mixed).to_owned();
    }
    match case {
        HeaderCase::Lower => name.to_owned(),
        HeaderCase::Title => {
            let words = name.split('-').map(|word| {
                let (first, rest) = word.split_at(word.len().min(1));
                first.to_ascii_uppercase() + rest
            });
            words.collect::<Vec<_>>().join("-")
        }
    }
}

/// The response as it goes to the client.
pub(super) fn from_target(head: &ResponseHead, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    // A head with another status was refused.
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let fields = head.fields.iter().filter_map(|f| {
        let name = HeaderName::try_from(f.name.as_str()).ok()?;
        Some((name, HeaderValue::from_bytes(&f.value).ok()?))
    });
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in fields {
        headers.append(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_each_protocol_has_them() {
        for (name, title, lower) in [
            ("user-agent", "User-Agent", "user-agent"),
            ("x-forwarded-for", "X-Forwarded-For", "X-Forwarded-For"),
            ("host", "Host", "Host"),
            ("hostess", "Hostess", "hostess"),
            ("x--y", "X--Y", "x--y"),
        ] {
            assert_eq!(written(name, HeaderCase::Title), title);
            assert_eq!(written(name, HeaderCase::Lower), lower);
        }
    }
}
