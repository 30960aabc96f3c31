//! WebSocket messages on a connection after its handshake, for either side.

use std::io;

use super::http::{Duplex, send_all};
use super::message::Inbox;
use crate::wire::websocket::{Frame, Opcode};

/// What came.
pub(super) enum Came {
    /// A whole message, joined if it came in several frames.
    Message(Opcode, Vec<u8>),
    /// The other side wants an answer with the same bytes.
    Ping(Vec<u8>),
    /// The answer to ours.
    Pong,
    /// The other side sends nothing more, for this reason.
    Close(u16),
    /// The connection ended without a Close frame.
    Ended,
}

/// Frames that come in.
#[derive(Default)]
pub(super) struct Receiver {
    pub(super) inbox: Inbox,
    /// The beginning of a message in several frames.
    begun: Option<(Opcode, Vec<u8>)>,
}

impl Receiver {
    /// After the handshake, of which `inbox` may hold what came behind it.
    pub(super) const fn new(inbox: Inbox) -> Self {
        Self { inbox, begun: None }
    }

    /// What comes next. It may be given up at any time.
    pub(super) async fn next<S: Duplex>(&mut self, stream: &mut S) -> Came {
        loop {
            let frame = match self.inbox.frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => match self.inbox.more(stream).await {
                    Ok(true) => continue,
                    Ok(false) | Err(_) => return Came::Ended,
                },
                Err(_) => return Came::Ended,
            };
            match frame.opcode {
                Opcode::Ping => return Came::Ping(frame.payload),
                Opcode::Pong => return Came::Pong,
                Opcode::Close => return Came::Close(frame.close_code()),
                // Nobody has agreed on them (RFC 6455 §5.2).
                Opcode::Reserved(_) => return Came::Ended,
                Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                    let begun = self.begun.take();
                    let (opcode, mut all) = begun.unwrap_or((frame.opcode, Vec::new()));
                    all.extend_from_slice(&frame.payload);
                    if frame.last {
                        return Came::Message(opcode, all);
                    }
                    self.begun = Some((opcode, all));
                }
            }
        }
    }
}

/// Sends one frame.
pub(super) async fn send<S: Duplex>(
    stream: &mut S,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    payload: &[u8],
) -> io::Result<()> {
    let mut out = Vec::new();
    Frame::whole(opcode, mask, payload.to_vec()).write(&mut out);
    send_all(stream, &out).await
}
