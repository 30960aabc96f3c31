//! Why a target gave no response (AWS "Troubleshoot your Application Load Balancers", HTTP 502 and HTTP 504): each cause
//! that AWS lists, and which of the two statuses it is.

use std::io;
use std::time::Duration;

use crate::units::show_duration;

/// Why a target gave no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// RST in answer to the SYN.
    #[error("the target answered the SYN with RST: nobody listens on that port")]
    Refused,
    /// ICMP said so.
    #[error("ICMP said, while connecting, that the target cannot be reached")]
    Unreachable,
    /// Nothing came in answer to the SYN.
    #[error("the TCP connection was not established within {}", show_duration(*.0))]
    ConnectTimeout(Duration),
    /// The SYN could not even leave.
    #[error("no connection could be opened: {0}")]
    NotOpened(String),
    /// TLS failed.
    #[error("the TLS handshake with the target failed: {0}")]
    Tls(String),
    /// TLS was not established in time.
    #[error("the TLS handshake with the target was not over within {}", show_duration(*.0))]
    TlsTimeout(Duration),
    /// RST with a request outstanding.
    #[error("the target reset the connection (RST) while a request was outstanding{}", after(*.0))]
    Reset(u64),
    /// FIN with a request outstanding.
    #[error("the target closed the connection (FIN) while a request was outstanding{}", after(*.0))]
    Closed(u64),
    /// RST_STREAM, with this error code, before there was a response (RFC 9113 §6.4).
    #[error("the target reset the stream (RST_STREAM, {0})")]
    StreamReset(String),
    /// GOAWAY, with this error code, which did not reach as far as this stream (RFC 9113 §6.8).
    #[error("the target took no more streams on this connection (GOAWAY, {0})")]
    GoneAway(String),
    /// FIN or RST within the body.
    #[error("the target ended the connection with {0} bytes of the body missing")]
    CutShort(u64),
    /// What came is no response.
    #[error("the response is malformed: {0}")]
    Malformed(String),
    /// All headers together are longer than 32 KiB.
    #[error("the response's headers are longer than 32 KiB")]
    HeadTooLong,
    /// Connected, and no answer, or no more of it.
    #[error("no response within the idle timeout of {}", show_duration(*.0))]
    NoAnswer(Duration),
    /// `Content-Length` promises more than came.
    #[error("Content-Length is larger than the body: {missing} bytes did not come within the idle timeout of {}", show_duration(*.idle))]
    BodyMissing {
        /// So many.
        missing: u64,
        /// The timeout.
        idle: Duration,
    },
    /// The target was taken out, and its deregistration delay ended with the request under way.
    #[error("the target's deregistration delay ended with the request under way")]
    Deregistered,
    /// The client's request ended before its body did.
    #[error("the client closed before its request was whole")]
    RequestCut,
    /// The client sent no more of its request until the idle timeout.
    #[error("the rest of the client's request did not come within the idle timeout")]
    RequestStalled,
}

/// Says of a connection whether it had been used before: then it was idle in the pool, and the target may have closed
/// it while the request was on its way.
fn after(earlier: u64) -> String {
    match earlier {
        0 => String::new(),
        1 => ", its second".to_owned(),
        n => format!(", its {}", ordinal(n + 1)),
    }
}

/// As in 3rd, 11th, 22nd.
fn ordinal(n: u64) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        (_, _) => "th",
    };
    format!("{n}{ending}")
}

impl Failure {
    /// 502 or 504; 400 or 408 when it was the client's doing.
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Refused
            | Self::Unreachable
            | Self::NotOpened(_)
            | Self::Tls(_)
            | Self::Reset(_)
            | Self::Closed(_)
            | Self::StreamReset(_)
            | Self::GoneAway(_)
            | Self::CutShort(_)
            | Self::Malformed(_)
            | Self::HeadTooLong
            | Self::Deregistered => 502,
            Self::ConnectTimeout(_)
            | Self::TlsTimeout(_)
            | Self::NoAnswer(_)
            | Self::BodyMissing { .. } => 504,
            Self::RequestCut => 400,
            Self::RequestStalled => 408,
        }
    }

    /// Whether the client, not the target, is why.
    pub(super) const fn is_the_clients(&self) -> bool {
        matches!(self, Self::RequestCut | Self::RequestStalled)
    }

    /// What an error of a request's body is.
    pub(super) fn of_request(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            Self::RequestStalled
        } else {
            Self::RequestCut
        }
    }

    /// What an error while connecting is.
    pub(super) fn connecting(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            return Self::Refused;
        }
        if error.kind() == io::ErrorKind::HostUnreachable {
            return Self::Unreachable;
        }
        if error.kind() == io::ErrorKind::AddrNotAvailable {
            return Self::NotOpened("every source port towards the target is in use".to_owned());
        }
        Self::NotOpened(error.to_string())
    }

    /// What an error on a connection with a request outstanding is, after so many earlier ones.
    pub(super) fn outstanding(error: &io::Error, earlier: u64) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Closed(earlier);
        }
        Self::Reset(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_the_status_that_aws_says() {
        let s = Duration::from_secs;
        for (failure, status) in [
            (
                Failure::connecting(&io::ErrorKind::ConnectionRefused.into()),
                502,
            ),
            (
                Failure::connecting(&io::ErrorKind::HostUnreachable.into()),
                502,
            ),
            (Failure::ConnectTimeout(s(10)), 504),
            (Failure::Tls("bad".into()), 502),
            (Failure::TlsTimeout(s(10)), 504),
            (
                Failure::outstanding(&io::ErrorKind::ConnectionReset.into(), 0),
                502,
            ),
            (
                Failure::outstanding(&io::ErrorKind::UnexpectedEof.into(), 0),
                502,
            ),
            (Failure::Malformed("x".into()), 502),
            (Failure::HeadTooLong, 502),
            (Failure::NoAnswer(s(60)), 504),
            (
                Failure::BodyMissing {
                    missing: 40,
                    idle: s(60),
                },
                504,
            ),
            (Failure::CutShort(40), 502),
            (Failure::StreamReset("CANCEL".into()), 502),
            (Failure::GoneAway("NO_ERROR".into()), 502),
        ] {
            assert_eq!(failure.status(), status, "{failure}");
        }
    }

    #[test]
    fn a_cause_says_whether_the_connection_had_been_idle() {
        assert_eq!(
            Failure::Reset(1).to_string(),
            "the target reset the connection (RST) while a request was outstanding, its second"
        );
        assert!(Failure::Closed(2).to_string().ends_with(", its 3rd"));
        assert!(Failure::Closed(12).to_string().ends_with(", its 13th"));
        assert!(Failure::Closed(21).to_string().ends_with(", its 22nd"));
        assert_eq!(
            Failure::NoAnswer(Duration::from_secs(60)).to_string(),
            "no response within the idle timeout of 60 s"
        );
        assert_eq!(
            Failure::BodyMissing {
                missing: 40,
                idle: Duration::from_secs(60)
            }
            .to_string(),
            "Content-Length is larger than the body: 40 bytes did not come within the idle timeout of 60 s"
        );
    }
}
