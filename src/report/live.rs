//! Lines about a lab as it happens: a packet, or something that packets do not show.

use super::happening;
use super::paint::{Paint, Tone};
use super::rows::end_names;
use super::summary::{Secrecy, label, only_moves_windows, probe, window};
use super::text::{pad, pad_left, printable};
use crate::dissect::message::{Frame, TcpPart};
use crate::event::{Event, Fact, PingFact, Serving, What};
use crate::lab::plan::Plan;
use crate::time::Instant;

/// Writes the lines of one lab.
#[derive(Debug, Clone)]
pub struct Lines {
    /// Columns of the longest name.
    names: usize,
    all: bool,
    paint: Paint,
}

/// Columns of the time, as in "12345.678901".
const TIME_COLUMNS: usize = 12;
/// Lines of a program's output that are shown.
const OUTPUT_LINES_MAX: usize = 40;

impl Lines {
    /// Lines about `plan`; pure ACKs only with `all`.
    #[must_use]
    pub fn new(plan: &Plan, all: bool, paint: Paint) -> Self {
        let names = plan.topology.nodes.iter();
        Self {
            names: names.map(|n| n.name.as_str().len()).max().unwrap_or(0),
            all,
            paint,
        }
    }

    /// The line about a packet of the main capture, its `number` there at the end. `None`: nothing to show.
    #[must_use]
    pub fn packet(&self, frame: &Frame, number: u64, plan: &Plan) -> Option<String> {
        let pure_ack = frame.tcp.is_some_and(|t| t.part == TcpPart::Ack)
            && frame.messages.is_empty()
            && probe(frame).is_none()
            && window(frame).is_none()
            && frame.lost.is_none();
        let quiet = pure_ack || (only_moves_windows(frame) && frame.lost.is_none());
        if quiet && !self.all {
            return None;
        }
        let label = label(frame);
        let (tone, arrow) = match label.secrecy {
            Secrecy::Clear => (Tone::Clear, "──▶"),
            Secrecy::Partly => (Tone::Cipher, "─═▶"),
            Secrecy::Cipher => (Tone::Cipher, "══▶"),
        };
        let mut text = printable(&label.to_string());
        if frame.tcp.is_some_and(|t| t.retransmission) {
            text.push_str(" (again)");
        }
        let ends = <[String; 2]>::from(end_names(plan, frame));
        let [from, to] = ends.map(|end| pad(&end, self.names));
        let lost = frame.lost.map(|cause| format!("  ✕ {cause}"));
        Some(format!(
            "{}  {from} {} {to}  {text}  {}{}\n",
            self.time(frame.at),
            self.paint.dip(tone, arrow),
            self.paint.dip(Tone::Dim, &format!("#{number}")),
            self.paint.dip(Tone::Bad, &lost.unwrap_or_default()),
        ))
    }

    /// The line about something that packets do not show, with what a program printed below it.
    #[must_use]
    pub fn event(&self, event: &Event) -> Option<String> {
        let tone = match &event.what {
            What::Dropped { .. } | What::Altered { .. } | What::Limit { .. } => Tone::Bad,
            What::Secret(_) | What::Computing { .. } => return None,
            What::Tcp { .. } => Tone::Strong,
            What::Fact(fact) => tone(fact)?,
        };
        let (_, words) = happening::words(event);
        let mut text = format!(
            "{}  {}  ·  {}\n",
            self.time(event.at),
            pad(event.node.as_str(), self.names),
            self.paint.dip(tone, &printable(&words)),
        );
        if let What::Fact(Fact::ProgramEnded { output, errors, .. }) = &event.what {
            let lines = || output.lines().chain(errors.lines());
            for line in lines().take(OUTPUT_LINES_MAX) {
                text.push_str(&format!("{:TIME_COLUMNS$}  │ {}\n", "", printable(line)));
            }
            let more = lines().count().saturating_sub(OUTPUT_LINES_MAX);
            if more > 0 {
                text.push_str(&format!("{:TIME_COLUMNS$}  │ … {more} more lines\n", ""));
            }
        }
        Some(text)
    }

    fn time(&self, at: Instant) -> String {
        let micros = at.as_nanos() / 1_000;
        let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        self.paint.dip(Tone::Dim, &pad_left(&text, TIME_COLUMNS))
    }
}

/// How a fact is shown; `None` when a packet shows it.
const fn tone(fact: &Fact) -> Option<Tone> {
    match fact {
        Fact::TargetChosen { .. }
        | Fact::CertificateAccepted { .. }
        | Fact::CertificateRenewed { .. }
        | Fact::ClientCertificateAccepted { .. } => Some(Tone::Good),
        Fact::ProgramStarted { .. }
        | Fact::ProgramEnded { .. }
        | Fact::NetworkChanged(_)
        | Fact::Service { .. }
        | Fact::WebSocketClosed { .. }
        | Fact::Ping(PingFact::Done(_)) => Some(Tone::Strong),
        Fact::LookupFailed { .. }
        | Fact::ConnectFailed { .. }
        | Fact::TlsFailed { .. }
        | Fact::TlsMismatch { .. }
        | Fact::CertificateRefused { .. }
        | Fact::ClientCertificateRefused { .. }
        | Fact::Intercepted { .. }
        | Fact::Attacked(_)
        | Fact::Overheard { .. }
        | Fact::Recovered { .. }
        | Fact::NotRecovered { .. }
        | Fact::Serving(
            Serving::Refused { .. }
            | Serving::Desync { .. }
            | Serving::ClientGone { .. }
            | Serving::IdleTimeout { .. }
            | Serving::Deregistered { .. },
        )
        | Fact::Ping(PingFact::NotSent { .. } | PingFact::TimedOut { .. })
        | Fact::StepFailed { .. } => Some(Tone::Bad),
        Fact::Balancing(_)
        | Fact::LookupSent { .. }
        | Fact::LookupAnswered { .. }
        | Fact::Dns(_)
        | Fact::Connecting(_)
        | Fact::Connected(_)
        | Fact::Accepted(_)
        | Fact::TlsStarted { .. }
        | Fact::KeysAgreed { .. }
        | Fact::PreMasterAgreed { .. }
        | Fact::TlsEstablished { .. }
        | Fact::WebSocketMessage { .. }
        | Fact::RequestSent { .. }
        | Fact::RequestReceived { .. }
        | Fact::ResponseSent { .. }
        | Fact::ResponseReceived { .. }
        | Fact::TargetFailed { .. }
        | Fact::Cookie(_)
        | Fact::Ping(
            PingFact::Sent { .. } | PingFact::Answered { .. } | PingFact::Refused { .. },
        )
        | Fact::AccessLogged(_)
        | Fact::FlowLogged(_)
        | Fact::ConnectionLogged(_)
        | Fact::Serving(
            Serving::LastRequest { .. }
            | Serving::BrokenOff { .. }
            | Serving::Interim { .. }
            | Serving::Upgraded { .. },
        )
        | Fact::Closed(_) => None,
    }
}
