//! One request and its response over HTTP/1.

use super::Browser;
use super::exchange::Whole;
use super::kept::Connection;
use super::upload;
use crate::event::{Answer, Fact, Flow};
use crate::role::config::{Ask, Origin};
use crate::role::http::{beside, send_all, within};
use crate::role::message::{Inbox, Pace, Trouble};
use crate::wire::http1::{Fields, Limits, RequestHead, ResponseHead, Version};

use std::pin::pin;
use std::time::Duration;

/// How long a client waits for 100 (Continue) before it sends the body unasked (curl's default).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// More than any server sends.
const LIMITS: Limits = Limits {
    line: 64 * 1024,
    field: 256 * 1024,
    head: 1024 * 1024,
};

/// What is asked now: a redirect changes it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) origin: Origin,
    pub(super) target: String,
    pub(super) method: String,
    pub(super) body: Option<Vec<u8>>,
}

/// Why there is no response.
pub(super) enum Lost {
    /// The connection was one that had been kept, and ended before any of the response came: the server may have
    /// closed it while the request was on its way. It may be asked again (RFC 9112 §9.3.1).
    Stale,
    /// For this reason.
    For(String),
}

/// A response, and whether the connection can carry another request.
pub(super) struct Answered {
    pub(super) whole: Whole,
    pub(super) reusable: bool,
}

impl Browser {
    pub(super) async fn exchange(
        &self,
        connection: &mut Connection,
        ask: &Ask,
        asked: &Asked,
    ) -> Result<Answered, Lost> {
        self.node.fact(Fact::RequestSent {
            flow: connection.flow,
            stream: None,
            method: asked.method.clone(),
            target: asked.target.clone(),
        });
        connection.inbox.pace = ask.reads.map(|(bytes, every)| Pace {
            bytes,
            every,
            clock: self.node.clock.clone(),
        });
        let head = self.request_head(connection.flow, ask, asked);
        let keeps_alive = head.keeps_alive();
        let mut out = Vec::new();
        head.write(&mut out);
        let body = asked.body.as_deref().unwrap_or_default();
        let mut reader = connection.stream.clone();
        let mut writer = connection.stream.clone();
        let inbox = &mut connection.inbox;
        let mut first = None;
        if ask.expects_continue && !body.is_empty() {
            // An error shows when the answer is waited for.
            let _ = send_all(&mut writer, &out).await;
            out.clear();
            let interim = final_or_continue(inbox, &mut reader);
            match within(&self.node.clock, CONTINUE_WAIT, interim).await {
                Some(Ok(head)) if head.status != 100 => first = Some(Ok(head)),
                Some(Err(trouble)) => first = Some(Err(trouble)),
                Some(Ok(_)) | None => {}
            }
        }
        let (head, all_sent) = match first {
            // Who says no before the body is not sent it.
            Some(head) => (head, false),
            None => {
                let clock = &self.node.clock;
                let sending = async move {
                    let sent = upload::send(&mut writer, out, body, ask.writes, clock);
                    sent.await.is_ok()
                };
                let mut sending = pin!(sending);
                // A server may answer before it has everything.
                let answer = final_head(inbox, &mut reader);
                let (head, sent) = beside(sending.as_mut(), answer).await;
                (head, sent == Some(true))
            }
        };
        let begun = inbox.has_begun();
        let response = match head {
            Ok(head) => head,
            Err(Trouble::Ended | Trouble::Connection(_)) if connection.answered > 0 && !begun => {
                return Err(Lost::Stale);
            }
            Err(trouble) => return Err(Lost::For(trouble.to_string())),
        };
        let lost = |trouble: Trouble| Lost::For(trouble.to_string());
        let framing = response.framing(&asked.method);
        let framing = framing.map_err(|e| lost(e.into()))?;
        let until_close = framing == crate::wire::http1::Framing::UntilClose;
        let body = inbox.body(&mut reader, framing).await.map_err(lost)?;
        connection.answered += 1;
        let reusable = all_sent && keeps_alive && response.keeps_alive() && !until_close;
        Ok(Answered {
            whole: Whole {
                status: response.status,
                bytes: body.bytes,
                answer: Answer {
                    headers: response.fields.listed(),
                    body: body.start,
                    trailers: Vec::new(),
                },
            },
            reusable: reusable && response.status != 101,
        })
    }

    fn request_head(&self, flow: Flow, ask: &Ask, asked: &Asked) -> RequestHead {
        let mut fields = Fields::new();
        fields.push("Host", asked.origin.authority());
        fields.push("User-Agent", self.config.user_agent.as_str());
        let own = ask.headers.iter().map(|(name, _)| name);
        if !own.into_iter().any(|n| n.eq_ignore_ascii_case("cookie"))
            && let Some(cookie) = self.cookies.show(flow, &asked.origin, &asked.target)
        {
            fields.push("Cookie", cookie);
        }
        if let Some(body) = &asked.body {
            fields.push("Content-Length", body.len().to_string());
            if ask.expects_continue {
                fields.push("Expect", "100-continue");
            }
        }
        for (name, _) in &ask.headers {
            fields.remove(name);
        }
        for (name, value) in &ask.headers {
            fields.push(name.as_str(), value.as_str());
        }
        RequestHead {
            method: asked.method.clone(),
            target: asked.target.clone(),
            version: if ask.http10 {
                Version::Http10
            } else {
                Version::Http11
            },
            fields,
            remarks: Vec::new(),
        }
    }
}

/// The next head that is the last word, or 100 (Continue).
async fn final_or_continue<S: crate::role::http::Duplex>(
    inbox: &mut Inbox,
    stream: &mut S,
) -> Result<ResponseHead, Trouble> {
    loop {
        let head = inbox.response(stream, &LIMITS).await?;
        if !head.is_interim() || head.status == 100 {
            return Ok(head);
        }
    }
}

/// The next head that is the last word.
pub(super) async fn final_head<S: crate::role::http::Duplex>(
    inbox: &mut Inbox,
    stream: &mut S,
) -> Result<ResponseHead, Trouble> {
    loop {
        let head = inbox.response(stream, &LIMITS).await?;
        if !head.is_interim() {
            return Ok(head);
        }
    }
}
