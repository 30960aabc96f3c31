//! Responses on their way to a client that speaks HTTP/1.1 or less (RFC 9112 §6, §9.3).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use hyper::body::Body as _;

use super::wire::{Line, Stop};
use crate::role::alb::headers::leave_connection;
use crate::role::http::Body;
use crate::wire::http1::{Fields, Framing, RequestHead, ResponseHead, Version, chunk, last_chunk};

/// Written at once, at most, when a body is there already.
const AT_ONCE: usize = 64 * 1024;

/// What a response depends on, of its request.
pub(super) struct Asked {
    head_only: bool,
    version: Version,
}

impl Asked {
    pub(super) fn of(request: &RequestHead) -> Self {
        Self {
            head_only: request.method == "HEAD",
            version: request.version.clone(),
        }
    }

    /// For what could not be read.
    pub(super) const fn unknown() -> Self {
        Self {
            head_only: false,
            version: Version::Http11,
        }
    }
}

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    None,
    Plain(Option<u64>),
    Chunked,
}

impl Line {
    /// Sends a response. With `close` it is the last one. Whether the connection can be used for another request.
    pub(super) async fn respond(
        &self,
        asked: &Asked,
        mut head: ResponseHead,
        mut body: Body,
        close: bool,
    ) -> Result<bool, Stop> {
        let coding = coding(asked, &head, &body);
        let until_close = coding == Coding::Plain(None) || asked.version == Version::Http09;
        let close = close || until_close;
        let stays =
            asked.version == Version::Http10 || head.fields.has_member("connection", "keep-alive");
        leave_connection(&mut head.fields);
        match coding {
            Coding::None => {}
            Coding::Plain(length) => {
                head.fields.remove("transfer-encoding");
                if let (Some(length), false) = (length, head.fields.has("content-length")) {
                    head.fields.push("Content-Length", length.to_string());
                }
            }
            Coding::Chunked => {
                head.fields.remove("content-length");
                head.fields.set("Transfer-Encoding", "chunked");
            }
        }
        if close {
            head.fields.push("Connection", "close");
        } else if stays {
            head.fields.push("Connection", "keep-alive");
        }
        head.version = Version::Http11;
        let mut out = Vec::new();
        // HTTP/0.9 is the body and nothing else.
        if asked.version != Version::Http09 {
            head.write(&mut out);
        }
        let mut left = match coding {
            Coding::None => Some(0),
            Coding::Plain(length) => length,
            Coding::Chunked => None,
        };
        let mut trailers = Fields::new();
        while coding != Coding::None && left != Some(0) {
            let frame = self.frame(&mut body, &mut out).await?;
            match frame {
                // It broke off: what is missing is for the client to notice (RFC 9112 §8).
                Some(Err(_)) => {
                    self.send(&out).await?;
                    return Err(Stop::Ended);
                }
                None if left.is_some() => {
                    self.send(&out).await?;
                    return Err(Stop::Ended);
                }
                None => break,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if coding == Coding::Chunked => chunk(&data, &mut out),
                    Ok(data) => {
                        let most = left.map_or(data.len(), |l| data.len().min(bounded(l)));
                        out.extend_from_slice(&data[..most]);
                        left = left.map(|l| l - most as u64);
                    }
                    Err(frame) => {
                        if let Ok(map) = frame.into_trailers() {
                            let pairs = map.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
                            trailers.extend(pairs);
                        }
                    }
                },
            }
            if out.len() >= AT_ONCE {
                self.send(&out).await?;
                out.clear();
            }
        }
        if coding == Coding::Chunked {
            last_chunk(&trailers, &mut out);
        }
        self.send(&out).await?;
        Ok(!close)
    }

    /// The body's next frame. While it is not there, what waits in `out` leaves.
    async fn frame(
        &self,
        body: &mut Body,
        out: &mut Vec<u8>,
    ) -> Result<Option<std::io::Result<hyper::body::Frame<bytes::Bytes>>>, Stop> {
        let now = poll_fn(|cx| {
            Poll::Ready(match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(frame) => Some(frame),
                Poll::Pending => None,
            })
        });
        if let Some(frame) = now.await {
            return Ok(frame);
        }
        if !out.is_empty() {
            self.send(out).await?;
            out.clear();
        }
        let next = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let frame = self.unless_gone(next).await.ok_or(Stop::Ended)?;
        self.rest_begins();
        Ok(frame)
    }
}

fn bounded(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn coding(asked: &Asked, head: &ResponseHead, body: &Body) -> Coding {
    let method = if asked.head_only { "HEAD" } else { "GET" };
    match head.framing(method) {
        Ok(Framing::None) if head.fields.has("content-length") => Coding::None,
        Ok(Framing::None) => Coding::None,
        Ok(Framing::Length(length)) => Coding::Plain(Some(length)),
        Ok(Framing::Chunked | Framing::UntilClose) | Err(_) => match body.size_hint().exact() {
            Some(length) => Coding::Plain(Some(length)),
            None if asked.version.is_http11() => Coding::Chunked,
            None => Coding::Plain(None),
        },
    }
}
