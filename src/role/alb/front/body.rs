//! The body of a client's HTTP/1.1 request, on its way to a target. It is taken in whole before a target is asked, as
//! far as it fits: a target sees no slow uploads, and a client that goes away in the middle of one costs it nothing.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::wire::{Line, Stop, Wire};
use crate::role::http::header_map;
use crate::wire::http1::{ChunkedDecoder, ChunkedError, Fields, Framing};

/// As much of a body is taken in before a target is asked; the rest follows as it comes. AWS tells no number.
const BUFFER: usize = 1024 * 1024;

/// Read ahead of the target, when a body is larger than that.
const WINDOW: usize = 64 * 1024;

/// Why a body is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// The connection stopped in the middle of it.
    #[error("the client's connection stopped in the middle of the body")]
    Stopped(Stop),
    /// It is not in chunks.
    #[error(transparent)]
    Chunks(#[from] ChunkedError),
}

impl From<BodyError> for io::Error {
    /// That it stalled can be told from the kind.
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::Stopped(Stop::Idle) => io::ErrorKind::TimedOut,
            BodyError::Stopped(Stop::Ended | Stop::Failed) | BodyError::Chunks(_) => {
                io::ErrorKind::Other
            }
        };
        Self::new(kind, error)
    }
}

enum Left {
    Nothing,
    Bytes(u64),
    Chunks(Box<ChunkedDecoder>),
}

/// A body that is coming in.
pub(super) struct Coming {
    left: Left,
    /// Taken in, and not taken away yet.
    data: Vec<u8>,
    trailers: Option<Fields>,
    /// What came in of it, as it is on the connection.
    bytes: Rc<Cell<u64>>,
    broken: Option<BodyError>,
}

impl Coming {
    pub(super) fn none() -> Self {
        Self {
            left: Left::Nothing,
            data: Vec::new(),
            trailers: None,
            bytes: Rc::default(),
            broken: None,
        }
    }

    /// A body that ends so; `bytes` counts what comes in of it.
    pub(super) fn framed(framing: Framing, bytes: Rc<Cell<u64>>) -> Self {
        Self {
            left: match framing {
                // A request never ends with its connection.
                Framing::None | Framing::UntilClose => Left::Nothing,
                Framing::Length(length) => Left::Bytes(length),
                Framing::Chunked => Left::Chunks(Box::default()),
            },
            bytes,
            ..Self::none()
        }
    }

    /// Whether all of it was read.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    /// Takes what belongs to it from `input`.
    fn take(&mut self, input: &mut Vec<u8>) -> Result<(), ChunkedError> {
        let used = match &mut self.left {
            Left::Nothing => 0,
            Left::Bytes(left) => {
                let room = usize::try_from(*left).unwrap_or(usize::MAX);
                let used = input.len().min(room);
                self.data.extend_from_slice(&input[..used]);
                *left -= used as u64;
                if *left == 0 {
                    self.left = Left::Nothing;
                }
                used
            }
            Left::Chunks(decoder) => {
                let used = decoder.decode(input, &mut self.data)?;
                if let Some(trailers) = decoder.trailers() {
                    self.trailers = Some(trailers.clone()).filter(|t| !t.is_empty());
                    self.left = Left::Nothing;
                }
                used
            }
        };
        self.bytes.set(self.bytes.get() + used as u64);
        input.drain(..used);
        Ok(())
    }
}

impl Wire {
    /// Takes in more of the body: from what was read, else from the stream.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        if let Some(error) = self.coming.broken {
            return Poll::Ready(Err(error));
        }
        if self.input.is_empty()
            && let Err(stop) = ready!(self.poll_more(cx))
        {
            self.coming.broken = Some(BodyError::Stopped(stop));
            return Poll::Ready(Err(BodyError::Stopped(stop)));
        }
        let taken = self.coming.take(&mut self.input);
        if let Err(error) = taken {
            self.coming.broken = Some(error.into());
            return Poll::Ready(Err(error.into()));
        }
        if self.coming.is_done()
            && let Some(waker) = self.waiting.take()
        {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl Line {
    /// Takes in the body of the request that was read last, as far as it is to be held.
    pub(super) async fn take_in(&self) -> Result<(), BodyError> {
        poll_fn(|cx| {
            self.with(|wire| {
                while !wire.coming.is_done() && wire.coming.data.len() < BUFFER {
                    ready!(wire.poll_body(cx))?;
                }
                Poll::Ready(Ok(()))
            })
        })
        .await
    }
}

/// A body for a target.
pub(super) struct RequestBody(pub(super) Line);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.with(|wire| {
            while wire.coming.data.is_empty() && !wire.coming.is_done() {
                if let Err(error) = ready!(wire.poll_body(cx)) {
                    return Poll::Ready(Some(Err(error.into())));
                }
                // What is there already comes in one piece.
                while !wire.input.is_empty()
                    && !wire.coming.is_done()
                    && wire.coming.data.len() < WINDOW
                {
                    if let Err(error) = ready!(wire.poll_body(cx)) {
                        return Poll::Ready(Some(Err(error.into())));
                    }
                }
            }
            let data = std::mem::take(&mut wire.coming.data);
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data.into()))));
            }
            let trailers = wire.coming.trailers.take();
            Poll::Ready(trailers.map(|t| Ok(Frame::trailers(header_map(&t)))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.with(|wire| {
            let coming = &wire.coming;
            coming.is_done() && coming.data.is_empty() && coming.trailers.is_none()
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.0.with(|wire| {
            let held = wire.coming.data.len() as u64;
            match &wire.coming.left {
                Left::Nothing if wire.coming.trailers.is_none() => SizeHint::with_exact(held),
                Left::Bytes(left) => SizeHint::with_exact(held + left),
                Left::Nothing | Left::Chunks(_) => SizeHint::default(),
            }
        })
    }
}
