//! The body of a target's response, as it comes. With its end the connection goes back to the pool, or is closed.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{HeaderName, HeaderValue};

use super::Pool;
use super::connection::Connection;
use super::http1::{IdleTimer, Upload, cut};
use crate::role::alb::failure::Failure;
use crate::wire::http1::{ChunkedDecoder, Framing};

/// The body of a response.
pub(super) struct TargetBody {
    pool: Rc<Pool>,
    /// Gone once the body is whole. Dropped with the body when nobody wants the rest.
    connection: Option<Connection>,
    upload: Upload,
    rest: Rest,
    /// Those of a chunked body that is whole.
    trailers: Option<HeaderMap>,
    reuse: bool,
    timer: IdleTimer,
}

/// What is to come.
enum Rest {
    Length(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
}

impl TargetBody {
    pub(super) fn new(
        pool: Rc<Pool>,
        connection: Connection,
        upload: Upload,
        framing: Framing,
        reuse: bool,
    ) -> Self {
        let timer = IdleTimer::new(&pool.node.clock, pool.idle_timeout);
        let mut body = Self {
            pool,
            connection: Some(connection),
            upload,
            rest: match framing {
                Framing::None => Rest::Length(0),
                Framing::Length(length) => Rest::Length(length),
                Framing::Chunked => Rest::Chunked(ChunkedDecoder::new()),
                Framing::UntilClose => Rest::UntilClose,
            },
            trailers: None,
            reuse,
            timer,
        };
        if matches!(body.rest, Rest::Length(0)) {
            body.end();
        }
        body
    }

    /// The body is whole.
    fn end(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        // A request that was not written to its end, or an answer to nothing, leaves a connection on which nobody can
        // tell what comes next.
        let clean = self.upload.is_over() && connection.read.is_empty();
        if self.reuse && clean && !matches!(self.rest, Rest::UntilClose) {
            self.pool.give_back(connection);
        } else {
            connection.close();
        }
    }

    /// All of a body of `length` bytes.
    ///
    /// # Errors
    /// When it does not come.
    pub(super) async fn whole(&mut self, length: u64, idle: Duration) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        loop {
            let missing = length - whole.len() as u64;
            if missing == 0 {
                return Ok(whole);
            }
            match poll_fn(|cx| self.poll_data(cx)).await {
                Ok(Piece::Data(data)) => whole.extend_from_slice(&data),
                Ok(Piece::Trailers(_) | Piece::End) => return Ok(whole),
                Err(Failure::NoAnswer(_)) => return Err(Failure::BodyMissing { missing, idle }),
                Err(Failure::Closed(_) | Failure::Reset(_)) => {
                    return Err(Failure::CutShort(missing));
                }
                Err(other) => return Err(other),
            }
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Failure>> {
        loop {
            let Some(connection) = &mut self.connection else {
                let trailers = self.trailers.take();
                return Poll::Ready(Ok(trailers.map_or(Piece::End, Piece::Trailers)));
            };
            if let Poll::Ready(Err(failure)) = self.upload.poll(connection, &mut self.timer, cx) {
                return Poll::Ready(Err(failure));
            }
            if !connection.read.is_empty()
                && let Some(piece) = self.take()?
            {
                return Poll::Ready(Ok(piece));
            }
            let Some(connection) = &mut self.connection else {
                continue;
            };
            match connection.poll_read(cx) {
                Poll::Ready(Ok(0)) => {
                    if matches!(self.rest, Rest::UntilClose) {
                        self.end();
                        return Poll::Ready(Ok(Piece::End));
                    }
                    return Poll::Ready(Err(Failure::Closed(0)));
                }
                Poll::Ready(Ok(_)) => self.timer.restart(),
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(Failure::outstanding(&error, 0)));
                }
                Poll::Pending => {
                    ready!(self.timer.poll(cx));
                    return Poll::Ready(Err(Failure::NoAnswer(self.pool.idle_timeout)));
                }
            }
        }
    }

    /// What the bytes that were read say. `None` when they say nothing yet.
    fn take(&mut self) -> Result<Option<Piece>, Failure> {
        let Some(connection) = &mut self.connection else {
            return Ok(None);
        };
        let read = &mut connection.read;
        match &mut self.rest {
            Rest::UntilClose => {
                let data = std::mem::take(read);
                Ok(Some(Piece::Data(data)))
            }
            Rest::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                let data = read.drain(..n).collect();
                *left -= n as u64;
                if *left == 0 {
                    self.end();
                }
                Ok(Some(Piece::Data(data)))
            }
            Rest::Chunked(decoder) => {
                let mut data = Vec::new();
                let used = decoder.decode(read, &mut data);
                let used = used.map_err(|e| Failure::Malformed(e.to_string()))?;
                read.drain(..used);
                if let Some(trailers) = decoder.trailers() {
                    let fields = trailers.iter().filter_map(|f| {
                        let name = HeaderName::try_from(f.name.as_str()).ok()?;
                        Some((name, HeaderValue::from_bytes(&f.value).ok()?))
                    });
                    let fields: HeaderMap = fields.collect();
                    self.trailers = (!fields.is_empty()).then_some(fields);
                    self.end();
                }
                Ok((!data.is_empty()).then_some(Piece::Data(data)))
            }
        }
    }
}

/// A piece of a body.
enum Piece {
    Data(Vec<u8>),
    Trailers(HeaderMap),
    End,
}

impl Body for TargetBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(match ready!(self.poll_data(cx)) {
            Ok(Piece::Data(data)) => Some(Ok(Frame::data(data.into()))),
            Ok(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Piece::End) => None,
            Err(failure) => {
                // What was sent on cannot be taken back: the client's connection ends in the middle too.
                if let Some(connection) = self.connection.take() {
                    self.pool.broken_off(connection.flow, &failure);
                }
                Some(Err(cut(&failure)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest {
            Rest::Length(left) => SizeHint::with_exact(left),
            Rest::Chunked(_) | Rest::UntilClose => SizeHint::default(),
        }
    }
}
