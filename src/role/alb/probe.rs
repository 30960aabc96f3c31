//! Health check probes: a request on a TCP connection of its own, over TLS where the check says so, which ends with the
//! answer (AWS "Health checks for your target groups"). They begin at fixed times: how long an answer takes does not move
//! the next one.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use hyper::Method;
use hyper::header::USER_AGENT;

use super::group::Group;
use super::pool::secure;
use crate::event::HealthReason;
use crate::role::config::{HealthCheck, ProtocolVersion, TargetProtocol};
use crate::role::http::{Duplex, chain, within};
use crate::units::show_duration;
use crate::wire::grpc;

mod http1;
mod http2;

/// By which targets know a probe (AWS "Troubleshoot your Application Load Balancers").
const AGENT: &str = "ELB-HealthChecker/2.0";

/// The status of a gRPC call whose answer has none: UNKNOWN (gRPC, "HTTP to gRPC Status Code Mapping").
const UNKNOWN: u8 = 2;

/// What a target answered.
struct Answer {
    /// As in 200.
    status: u16,
    /// How a gRPC call ended, where the answer says so.
    grpc: Option<u8>,
}

/// Probes a target for as long as it is registered.
pub(super) async fn keep_probing(
    group: Rc<Group>,
    number: u64,
    registered: SocketAddr,
    check: HealthCheck,
) {
    let node = group.node().clone();
    let address = SocketAddr::new(
        registered.ip(),
        check.port.unwrap_or_else(|| registered.port()),
    );
    let mut next = node.clock.now();
    while group.is_registered(number) {
        let began = node.clock.now();
        let probed = within(&node.clock, check.timeout, probe(&group, address, &check)).await;
        let took = show_duration(node.clock.now() - began);
        let (outcome, result) = match probed {
            Some(Ok(answer)) => {
                let (passed, told) = judge(&answer, group.config.version, &check);
                let result = format!("{told} after {took}");
                if passed {
                    (Ok(()), result)
                } else {
                    let result = format!("{result}, where {} is a success", check.wanted());
                    (Err(HealthReason::ResponseCodeMismatch), result)
                }
            }
            Some(Err(error)) => {
                let result = format!("{} after {took}", chain(&error));
                (Err(HealthReason::FailedHealthChecks), result)
            }
            None => (
                Err(HealthReason::Timeout),
                format!("no answer within {took}"),
            ),
        };
        group.tell_probe(registered, outcome.is_ok(), result);
        group.probed(number, outcome);
        next += check.interval;
        node.clock.sleep_until(next).await;
    }
}

/// Whether an answer is a success, and what it says.
fn judge(answer: &Answer, version: ProtocolVersion, check: &HealthCheck) -> (bool, String) {
    match version {
        // What is no 200 is no answer of gRPC.
        ProtocolVersion::Grpc if answer.status == 200 => {
            let code = answer.grpc.unwrap_or(UNKNOWN);
            let told = format!("gRPC status {}", grpc::named(code));
            (check.admits(code.into()), told)
        }
        ProtocolVersion::Grpc => (false, format!("HTTP {}", answer.status)),
        ProtocolVersion::Http1 | ProtocolVersion::Http2 => {
            let told = format!("HTTP {}", answer.status);
            (check.admits(answer.status), told)
        }
    }
}

/// One probe. Given up it closes its connection.
async fn probe(group: &Group, address: SocketAddr, check: &HealthCheck) -> io::Result<Answer> {
    let node = group.node();
    let version = group.config.version;
    let connect = node.host.connect(address)?;
    if let Some(flow) = connect.flow() {
        group.tell_probing(flow);
    }
    let stream = connect.await?;
    let (https, stream): (bool, Box<dyn Duplex>) = match (check.protocol, group.tls()) {
        (TargetProtocol::Https, Some(setup)) => {
            let secured = secure(node, setup, version, stream).await;
            (true, secured.map_err(io::Error::other)?)
        }
        (TargetProtocol::Https | TargetProtocol::Http, _) => (false, Box::new(stream)),
    };
    // The port that goes without saying is the scheme's own (RFC 9110 §4.2).
    let host = match (https, address.port()) {
        (false, 80) | (true, 443) => address.ip().to_string(),
        _ => address.to_string(),
    };
    match version {
        ProtocolVersion::Http1 => http1::ask(node, https, stream, &host, &check.path).await,
        ProtocolVersion::Http2 => {
            let uri = http2::uri(https, &host, &check.path)?;
            let request = hyper::Request::builder()
                .uri(uri)
                .header(USER_AGENT, AGENT)
                .body(())
                .map_err(io::Error::other)?;
            http2::ask(node, stream, request, None).await
        }
        ProtocolVersion::Grpc => {
            let mut request = hyper::Request::builder()
                .method(Method::POST)
                .uri(http2::uri(https, &host, &check.path)?)
                .header(USER_AGENT, AGENT);
            for (name, value) in grpc::ASKING {
                request = request.header(name, value);
            }
            let request = request.body(()).map_err(io::Error::other)?;
            let message = grpc::prefixed(b"");
            http2::ask(node, stream, request, Some(message.into())).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_judged_by_its_own_status() {
        let check = HealthCheck {
            matcher: vec![12..=12],
            ..HealthCheck::default()
        };
        let judged = |status, grpc| {
            let answer = Answer { status, grpc };
            judge(&answer, ProtocolVersion::Grpc, &check)
        };
        let told = |passed, text: &str| (passed, text.to_owned());
        assert_eq!(
            judged(200, Some(12)),
            told(true, "gRPC status 12 UNIMPLEMENTED")
        );
        assert_eq!(judged(200, Some(0)), told(false, "gRPC status 0 OK"));
        assert_eq!(judged(200, None), told(false, "gRPC status 2 UNKNOWN"));
        assert_eq!(judged(404, Some(12)), told(false, "HTTP 404"));
    }
}
