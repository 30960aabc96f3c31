//! A request's body on its way to a target, as far as the target's window lets it (RFC 9113 §5.2).

use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Reason, SendStream};
use hyper::body::{Body as _, Bytes};

use crate::role::alb::failure::Failure;
use crate::role::alb::pool::http1::IdleTimer;
use crate::role::http::Body;

/// What remains to be sent of a request.
pub(super) struct Upload {
    stream: SendStream<Bytes>,
    /// To be sent next.
    data: Bytes,
    /// `None` when all of it was taken in.
    body: Option<Body>,
    /// The end has been sent, or the target takes no more.
    over: bool,
}

impl Upload {
    /// Of a request whose head was sent; without a body that was its end.
    pub(super) fn new(stream: SendStream<Bytes>, body: Option<Body>) -> Self {
        Self {
            stream,
            data: Bytes::new(),
            over: body.is_none(),
            body,
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// Why nothing moved: the client owes the rest of its request, or the target its answer.
    pub(super) fn silent(&self, idle: Duration) -> Failure {
        if self.body.is_some() && self.data.is_empty() && !self.over {
            Failure::RequestStalled
        } else {
            Failure::NoAnswer(idle)
        }
    }

    /// Sends on. Ready when there is nothing more to send, or nobody to send it to.
    ///
    /// # Errors
    /// When the client's part of it ends early.
    pub(super) fn poll(
        &mut self,
        timer: &mut IdleTimer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        while !self.over {
            if self.data.is_empty() {
                ready!(self.poll_more(timer, cx))?;
                continue;
            }
            self.stream.reserve_capacity(self.data.len());
            if self.stream.capacity() == 0 {
                match ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(_)) => continue,
                    // The response, or its error, tells why.
                    Some(Err(_)) | None => {
                        self.over = true;
                        break;
                    }
                }
            }
            let room = self.stream.capacity().min(self.data.len());
            let piece = self.data.split_to(room);
            let is_last = self.data.is_empty() && self.body.is_none();
            let sent = self.stream.send_data(piece, is_last);
            timer.restart();
            self.over = is_last || sent.is_err();
        }
        Poll::Ready(Ok(()))
    }

    /// Takes in the next piece of the body; what needs no room is sent.
    fn poll_more(
        &mut self,
        timer: &mut IdleTimer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        let Some(body) = &mut self.body else {
            self.over = true;
            return Poll::Ready(Ok(()));
        };
        match ready!(body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.data = data;
                    if body.is_end_stream() {
                        self.body = None;
                        if self.data.is_empty() {
                            self.end();
                        }
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        // A stream that is reset takes none: the response, or its error, tells why.
                        let _ = self.stream.send_trailers(trailers);
                        timer.restart();
                        self.body = None;
                        self.over = true;
                    }
                }
            },
            Some(Err(error)) => {
                self.stream.send_reset(Reason::CANCEL);
                self.over = true;
                return Poll::Ready(Err(Failure::of_request(&error)));
            }
            None => {
                self.body = None;
                self.end();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self) {
        // As above.
        let _ = self.stream.send_data(Bytes::new(), true);
        self.over = true;
    }
}
