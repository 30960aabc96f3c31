//! A request as HTTP/2 has it.

use hyper::{Request, Uri, Version};

use crate::role::alb::exchange::ToTarget;
use crate::role::alb::failure::Failure;
use crate::role::http::{Body, header_map};
use crate::wire::http1::RequestHead;

/// Fields that speak of an HTTP/1.1 connection, which HTTP/2 does not allow (RFC 9113 §8.2.2). `Host` becomes
/// `:authority` (§8.3.1).
const OF_HTTP1: [&str; 7] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "te",
];

/// The request, and its body.
///
/// # Errors
/// When host and target are no URI.
pub(super) fn as_http2(request: ToTarget, https: bool) -> Result<(Request<()>, Body), Failure> {
    let ToTarget { head, body, .. } = request;
    let RequestHead {
        method,
        target,
        mut fields,
        ..
    } = head;
    let host = fields.text("host").unwrap_or_default().to_owned();
    // gRPC asks for trailers by `TE: trailers`, the one of these fields that may stay (§8.2.2).
    let trailers = fields.has_member("te", "trailers");
    for name in OF_HTTP1 {
        fields.remove(name);
    }
    if trailers {
        fields.push("te", "trailers");
    }
    let uri = Uri::builder()
        .scheme(if https { "https" } else { "http" })
        .authority(host)
        .path_and_query(target)
        .build();
    let uri = uri.map_err(|e| Failure::NotOpened(e.to_string()))?;
    let request = Request::builder()
        .method(method.as_str())
        .uri(uri)
        .version(Version::HTTP_2);
    let request = request.body(());
    let mut request = request.map_err(|e| Failure::NotOpened(e.to_string()))?;
    *request.headers_mut() = header_map(&fields);
    Ok((request, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::http::empty;
    use crate::wire::http1::{Fields, Version};

    fn asked(host: &str, fields: &[(&str, &str)]) -> ToTarget {
        let fields = [("Host", host)].into_iter().chain(fields.iter().copied());
        ToTarget {
            head: RequestHead {
                method: "POST".into(),
                target: "/a?b=c".into(),
                version: Version::Http11,
                fields: fields.collect::<Fields>(),
                remarks: Vec::new(),
            },
            body: empty(),
            reuse: true,
        }
    }

    #[test]
    fn a_request_loses_what_is_of_http_1() {
        let fields = [
            ("te", "trailers, deflate"),
            ("Connection", "keep-alive"),
            ("X-Own", "kept"),
        ];
        let (request, _) = as_http2(asked("your-app.com", &fields), true).unwrap();
        assert_eq!(request.uri().to_string(), "https://your-app.com/a?b=c");
        let headers: Vec<_> = request.headers().iter().collect();
        assert_eq!(headers.len(), 2, "{headers:?}");
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers()["x-own"], "kept");
        let (request, _) = as_http2(asked("your-app.com", &[("TE", "gzip")]), false).unwrap();
        assert_eq!(request.uri().scheme_str(), Some("http"));
        assert_eq!(request.headers().len(), 0);
    }

    #[test]
    fn a_host_that_is_none_is_not_sent() {
        let refused = as_http2(asked("a b", &[]), true).map(|_| ());
        assert!(matches!(refused, Err(Failure::NotOpened(_))), "{refused:?}");
    }
}
