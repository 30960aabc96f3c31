//! HTTP of either version on one connection: HTTP/2 when ALPN or the client's preface says so, HTTP/1 else.

use super::http::Conversation;
use super::http2::{self, PREFACE};
use super::output::Output;

/// Both directions of a connection that may carry HTTP.
#[derive(Debug)]
pub(super) struct Web {
    inside_tls: bool,
    http1: Conversation,
    http2: Option<Box<http2::Conversation>>,
    starts: [Start; 2],
}

#[derive(Debug)]
enum Start {
    /// So far it may be the preface of HTTP/2.
    Open(Vec<u8>),
    Http1,
}

impl Web {
    pub(super) fn new(inside_tls: bool) -> Self {
        Self {
            inside_tls,
            http1: Conversation::new(inside_tls),
            http2: None,
            starts: [Start::Open(Vec::new()), Start::Open(Vec::new())],
        }
    }

    /// ALPN chose `protocol`; `client` is the side that offered it.
    pub(super) fn agreed(&mut self, protocol: &str, client: usize) {
        if protocol == "h2" {
            self.begin_http2(client);
        }
    }

    /// Whether it is HTTP/2.
    pub(super) const fn is_http2(&self) -> bool {
        self.http2.is_some()
    }

    /// Takes the next bytes that `side` sent.
    pub(super) fn feed(&mut self, side: usize, data: &[u8], out: &mut Output<'_>) {
        if let Some(http2) = &mut self.http2 {
            return http2.feed(side, data, out);
        }
        let Start::Open(buffer) = &mut self.starts[side] else {
            return self.http1.feed(side, data, out);
        };
        buffer.extend_from_slice(data);
        if PREFACE.starts_with(buffer) && buffer.len() < PREFACE.len() {
            return;
        }
        let buffer = std::mem::take(buffer);
        if buffer.starts_with(PREFACE) {
            self.begin_http2(side).feed(side, &buffer, out);
        } else {
            self.starts[side] = Start::Http1;
            self.http1.feed(side, &buffer, out);
        }
    }

    /// No more bytes come from `side`.
    pub(super) fn close(&mut self, side: usize, out: &mut Output<'_>) {
        if self.http2.is_none() {
            self.http1.close(side, out);
        }
    }

    fn begin_http2(&mut self, client: usize) -> &mut http2::Conversation {
        let inside_tls = self.inside_tls;
        self.http2
            .get_or_insert_with(|| Box::new(http2::Conversation::new(inside_tls, client)))
    }
}
