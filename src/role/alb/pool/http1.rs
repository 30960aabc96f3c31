//! A request and its response over a connection that speaks HTTP/1.1: the request is written while the response is
//! waited for, for a target may answer before it has read all.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::Body as _;

use super::connection::Connection;
use crate::role::alb::exchange::ToTarget;
use crate::role::alb::failure::Failure;
use crate::role::http::Body;
use crate::time::{Clock, Sleep};
use crate::wire::http1::{
    Fields, Framing, HeadError, Limits, ResponseHead, chunk, is_token_byte, last_chunk,
};

/// All headers of a response (AWS "Quotas for your Application Load Balancers").
pub(super) const LIMITS: Limits = Limits {
    line: 32 * 1024,
    field: 32 * 1024,
    head: 32 * 1024,
};

/// Bytes of a body that are written together, so that a small one leaves with its head.
const AT_ONCE: usize = 16 * 1024;

/// Interim responses to one request. More mean nothing.
const INTERIM_MAX: usize = 16;

/// Writes the request and reads the head of its response. What is left of the request is written while the response's
/// body passes.
///
/// # Errors
/// When there is no response, or none within `idle` after the last byte in either direction.
pub(super) async fn exchange(
    connection: &mut Connection,
    clock: &Clock,
    idle: Duration,
    request: ToTarget,
) -> Result<(ResponseHead, Upload), Failure> {
    let mut upload = Upload::new(request)?;
    let mut timer = IdleTimer::new(clock, idle);
    let earlier = connection.requests;
    connection.requests += 1;
    let mut interim = 0;
    let mut looked_at = 0;
    let head = poll_fn(|cx| {
        loop {
            if upload.poll(connection, &mut timer, cx)? == Poll::Ready(()) {
                // Nothing more to say.
            }
            if connection.read.len() > looked_at {
                looked_at = connection.read.len();
                if let Some((head, used)) = read_head(&connection.read)? {
                    connection.read.drain(..used);
                    looked_at = 0;
                    if !head.is_interim() {
                        return Poll::Ready(Ok(head));
                    }
                    connection.keep_back(head.status);
                    interim += 1;
                    if interim > INTERIM_MAX {
                        let error = "too many interim responses".to_owned();
                        return Poll::Ready(Err(Failure::Malformed(error)));
                    }
                    continue;
                }
            }
            match connection.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Failure::Closed(earlier))),
                Poll::Ready(Ok(_)) => timer.restart(),
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(Failure::outstanding(&error, earlier)));
                }
                Poll::Pending => {
                    ready!(timer.poll(cx));
                    return Poll::Ready(Err(upload.silent(idle)));
                }
            }
        }
    })
    .await?;
    Ok((head, upload))
}

fn read_head(bytes: &[u8]) -> Result<Option<(ResponseHead, usize)>, Failure> {
    let read = ResponseHead::parse(bytes, &LIMITS).map_err(|error| match error {
        HeadError::NotHttp | HeadError::LineTooLong => Failure::Malformed(error.to_string()),
        HeadError::FieldTooLong | HeadError::HeadTooLong => Failure::HeadTooLong,
    })?;
    if let Some((head, _)) = &read {
        for field in &head.fields {
            let name = &field.name;
            if name.is_empty() || !name.bytes().all(is_token_byte) {
                return Err(Failure::Malformed(format!("a header is called {name:?}")));
            }
            // RFC 9110 §5.5: CR, LF and NUL make a value invalid.
            if field.value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
                return Err(Failure::Malformed(format!("the value of {name}")));
            }
        }
    }
    Ok(read)
}

/// What remains to be written of a request.
pub(super) struct Upload {
    /// To be written next, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// `None` when all of it is in `out`.
    body: Option<Body>,
    chunked: bool,
    /// The target takes no more: it has closed, or answered already and will.
    broken: bool,
}

impl Upload {
    fn new(request: ToTarget) -> Result<Self, Failure> {
        let ToTarget { mut head, body, .. } = request;
        // A head from a client was judged at the front: that its body's end cannot be told does not happen.
        let framing = head.framing_leniently();
        let framing = framing.map_err(|e| Failure::NotOpened(e.to_string()))?;
        let ended = body.is_end_stream();
        let chunked = match framing {
            Framing::Chunked => true,
            // HTTP/2 ends a body with a flag; HTTP/1.1 needs to be told.
            Framing::None | Framing::UntilClose if !ended => {
                match body.size_hint().exact() {
                    Some(length) => head.fields.set("Content-Length", length.to_string()),
                    None => head.fields.set("Transfer-Encoding", "chunked"),
                }
                body.size_hint().exact().is_none()
            }
            Framing::None | Framing::UntilClose | Framing::Length(_) => false,
        };
        let mut out = Vec::new();
        head.write(&mut out);
        Ok(Self {
            out,
            written: 0,
            body: (chunked || !ended).then_some(body),
            chunked,
            broken: false,
        })
    }

    /// Whether all of it was written.
    pub(super) const fn is_over(&self) -> bool {
        self.body.is_none() && self.written == self.out.len() && !self.broken
    }

    /// Why nothing moved: the client owes the rest of its request, or the target its answer.
    fn silent(&self, idle: Duration) -> Failure {
        if self.body.is_some() && self.written == self.out.len() && !self.broken {
            Failure::RequestStalled
        } else {
            Failure::NoAnswer(idle)
        }
    }

    /// Writes on. Ready when there is nothing more to write, or nobody to write to.
    ///
    /// # Errors
    /// When the client's part of it ends early.
    pub(super) fn poll(
        &mut self,
        connection: &mut Connection,
        timer: &mut IdleTimer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        if self.broken {
            return Poll::Ready(Ok(()));
        }
        loop {
            self.fill(cx)?;
            if self.written == self.out.len() {
                // TLS may hold records back. What becomes of the connection is seen when it is read.
                let flushed = connection.poll_flush(cx);
                if self.body.is_some() {
                    return Poll::Pending;
                }
                return flushed.map(|_| Ok(()));
            }
            match ready!(connection.poll_write(cx, &self.out[self.written..])) {
                Ok(n) if n > 0 => {
                    self.written += n;
                    timer.restart();
                    if self.written == self.out.len() {
                        self.out.clear();
                        self.written = 0;
                    }
                }
                // What the target said before it closed may still be there to be read, and tells more.
                Ok(_) | Err(_) => {
                    self.broken = true;
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Takes in what there is of the body.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        while self.out.len() < AT_ONCE
            && let Some(body) = &mut self.body
        {
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if self.chunked => chunk(&data, &mut self.out),
                    Ok(data) => self.out.extend_from_slice(&data),
                    Err(frame) => {
                        if let (true, Ok(trailers)) = (self.chunked, frame.into_trailers()) {
                            let fields = trailers.iter();
                            let fields = fields.map(|(n, v)| (n.as_str(), v.as_bytes()));
                            last_chunk(&fields.collect::<Fields>(), &mut self.out);
                        }
                        self.body = None;
                    }
                },
                Poll::Ready(Some(Err(error))) => return Err(Failure::of_request(&error)),
                Poll::Ready(None) => {
                    if self.chunked {
                        last_chunk(&Fields::new(), &mut self.out);
                    }
                    self.body = None;
                }
            }
        }
        Ok(())
    }
}

/// Runs out when nothing was sent or received for a while.
pub(super) struct IdleTimer {
    clock: Clock,
    idle: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl IdleTimer {
    pub(super) fn new(clock: &Clock, idle: Duration) -> Self {
        Self {
            clock: clock.clone(),
            idle,
            sleep: Box::pin(clock.sleep(idle)),
        }
    }

    pub(super) fn restart(&mut self) {
        self.sleep = Box::pin(self.clock.sleep(self.idle));
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        pin!(&mut self.sleep).poll(cx)
    }
}

/// An error of the stream, for a body that nobody can answer for any more.
pub(super) fn cut(failure: &Failure) -> io::Error {
    let text = failure.to_string();
    if let Failure::NoAnswer(_) = failure {
        // Those who speak HTTP/2 through an ALB see this code when a stream was silent for the idle timeout.
        let told = h2::Reason::PROTOCOL_ERROR.into();
        return io::Error::new(io::ErrorKind::UnexpectedEof, Silent { text, told });
    }
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

/// A body of which nothing more came; over HTTP/2 the client's stream is reset with the code of `told`.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Silent {
    text: String,
    #[source]
    told: h2::Error,
}
