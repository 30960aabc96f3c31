//! What is said of HTTP requests and responses: who can read them, and what a load balancer wrote into them.

use super::{Annotator, Ends, http2, is_alb};
use crate::dissect::message::{Frame, HttpHead};
use crate::lab::plan::Plan;

impl Annotator {
    pub(super) fn request(
        &mut self,
        head: &HttpHead,
        frame: &Frame,
        ends: &Ends,
        plan: &Plan,
    ) -> String {
        let Ends { from, to, .. } = ends;
        let HttpHead { method, target, .. } = head;
        if head.inside_tls {
            self.encrypted_requests.insert(target.clone());
            let bytes = frame.tcp.map_or(0, |t| t.data);
            if let Some(stream) = head.stream {
                return http2::request(head, stream, frame, ends);
            }
            return format!(
                "HTTP request inside TLS, {method} {target}: {bytes} bytes in this packet that only {from} and {to} \
                 can read. Others on the path see addresses, sizes and times."
            );
        }
        let same = self.encrypted_requests.contains(target);
        let what = if same {
            "The same request"
        } else {
            "An HTTP request"
        };
        let mut text = format!(
            "{what} in plain text, {method} {target}: anyone on the path between {from} and {to} can read it."
        );
        let forwarded = head
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case("x-forwarded-for"));
        if let Some((_, value)) = forwarded
            && is_alb(plan, from)
        {
            let source = frame.source.ip();
            // The last is the load balancer's; what stands before it came with the request.
            text.push_str(&match value.rsplit_once(',') {
                None => format!(
                    " {from} added X-Forwarded-For: {value}, because the source of this packet is its own address, \
                     {source}."
                ),
                Some((before, own)) => format!(
                    " {from} added {} to the X-Forwarded-For that came with the request, {}: the source of this packet is \
                     its own address, {source}, and nobody has proved what stands before the last.",
                    own.trim(),
                    before.trim()
                ),
            });
        }
        text
    }

    pub(super) fn response(&mut self, head: &HttpHead, ends: &Ends) -> String {
        let Ends { from, to, .. } = ends;
        let status = head.status;
        if head.inside_tls {
            let plain = self.plain_responses.iter().position(|s| *s == status);
            let again = plain.map_or("", |index| {
                self.plain_responses.remove(index);
                " again"
            });
            let status = match head.stream {
                Some(stream) => format!("{status} on stream {stream}"),
                None => status.to_string(),
            };
            return format!(
                "HTTP response {status}, encrypted{again} by {from} with the keys for its direction of the connection \
                 to {to}."
            );
        }
        self.plain_responses.push(status);
        format!("HTTP response {status} in plain text, from {from} to {to}.")
    }
}
