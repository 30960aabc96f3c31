//! Bytes as they are, in pieces with pauses, over TCP or TLS; what comes back is read as HTTP/1 responses.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use super::Browser;
use super::exchange::Whole;
use super::http1::final_head;
use super::kept::Connection;
use crate::event::Answer;
use crate::role::config::Raw;
use crate::role::http::{beside, send_all, within};
use crate::role::http2::Tasks;
use crate::role::message::Trouble;
use crate::role::signal::{Signal, unless};

impl Browser {
    pub(super) async fn send_raw(self: Rc<Self>, raw: Raw) {
        let raw = Rc::new(raw);
        let tasks = Tasks::new(self.node.executor.clone());
        for _ in 0..raw.parallel {
            let (browser, raw) = (self.clone(), raw.clone());
            tasks.spawn(async move {
                if let Err(error) = browser.send_raw_once(&raw).await {
                    browser.failed(error);
                }
            });
        }
        tasks.ended().await;
    }

    async fn send_raw_once(&self, raw: &Raw) -> Result<(), String> {
        let origin = &raw.origin;
        let opened = self.open(origin.https, &origin.host, origin.port).await?;
        let mut connection = Connection::new(opened);
        let mut writer = connection.stream.clone();
        let (sent, ended) = (Cell::new(false), Signal::default());
        let clock = &self.node.clock;
        let sending = async {
            let pieces = raw.pieces.iter();
            let last = raw.pieces.last().into_iter();
            let times = usize::try_from(raw.repeat).unwrap_or(usize::MAX);
            let again = last.flat_map(|p| std::iter::repeat_n(p, times));
            for (number, piece) in pieces.chain(again).enumerate() {
                if number > 0 {
                    clock.sleep(raw.every).await;
                }
                let written = send_all(&mut writer, piece).await;
                written.map_err(|e| e.to_string())?;
            }
            sent.set(true);
            clock.sleep(raw.wait).await;
            Ok::<_, String>(())
        };
        let sending = unless(ended.raised(), sending);
        let (result, trouble) = {
            let reading = async {
                let trouble = self.read_responses(&mut connection).await;
                ended.raise();
                trouble
            };
            // Reading ends with the connection, sending ends the waiting for it.
            beside(pin!(reading), sending).await
        };
        let result = match (result, trouble) {
            (Some(Err(error)), _) => Err(error),
            (
                None,
                Some(trouble @ (Trouble::Head(_) | Trouble::Framing(_) | Trouble::Chunks(_))),
            ) => Err(trouble.to_string()),
            (None, Some(trouble)) if !sent.get() => Err(trouble.to_string()),
            (Some(Ok(())) | None, _) => Ok(()),
        };
        within(clock, raw.wait, self.leave(connection)).await;
        result
    }

    /// Tells every response, up to the end of them.
    async fn read_responses(&self, connection: &mut Connection) -> Trouble {
        let mut stream = connection.stream.clone();
        loop {
            let next = async {
                let head = final_head(&mut connection.inbox, &mut stream).await?;
                // What was asked is in the pieces; a client that sends those means GET.
                let framing = head.framing("GET")?;
                let body = connection.inbox.body(&mut stream, framing).await?;
                Ok::<_, Trouble>(Whole {
                    status: head.status,
                    bytes: body.bytes,
                    answer: Answer {
                        headers: head.fields.listed(),
                        body: body.start,
                        trailers: Vec::new(),
                    },
                })
            };
            match next.await {
                Ok(whole) => self.node.fact(whole.fact(connection.flow, None)),
                Err(trouble) => return trouble,
            }
        }
    }
}
