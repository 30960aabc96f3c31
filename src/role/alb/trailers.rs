//! Trailers of requests, on their way to a target. There a client could say once more what the load balancer has decided:
//! which host is asked for, who asks, how the body is framed (RFC 9110 §6.5.1).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{self, Frame, SizeHint};

use crate::role::http::Body;

/// Not for trailers: fields that frame the message, route it or are of its connection.
const REFUSED: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Nor are those that the load balancer writes.
const OURS: [&str; 2] = ["x-amzn-", "x-forwarded-"];

/// `body` without such trailers.
pub(super) fn kept(body: Body) -> Body {
    Box::pin(Kept(body))
}

struct Kept(Body);

fn is_refused(name: &str) -> bool {
    REFUSED.contains(&name) || OURS.iter().any(|prefix| name.starts_with(prefix))
}

fn filtered(trailers: HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in &trailers {
        if !is_refused(name.as_str()) {
            kept.append(name, value.clone());
        }
    }
    kept
}

impl body::Body for Kept {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(match ready!(self.0.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(trailers) => {
                    let kept = filtered(trailers);
                    (!kept.is_empty()).then(|| Ok(Frame::trailers(kept)))
                }
                Err(data) => Some(Ok(data)),
            },
            end @ (Some(Err(_)) | None) => end,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
