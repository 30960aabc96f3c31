//! Health check probes: a GET on a TCP connection of its own, which ends with the answer (AWS "Health checks for your
//! target groups"). They begin at fixed times: how long an answer takes does not move the next one.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::client::conn::http1::Builder;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, StatusCode};

use super::group::Group;
use crate::event::HealthReason;
use crate::role::config::HealthCheck;
use crate::role::http::{Body, Io, beside, chain, empty, within};
use crate::units::show_duration;

/// By which targets know a probe (AWS "Troubleshoot your Application Load Balancers").
const AGENT: &str = "ELB-HealthChecker/2.0";

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
        let probed = within(
            &node.clock,
            check.timeout,
            probe(&group, address, &check.path),
        )
        .await;
        let took = show_duration(node.clock.now() - began);
        let (outcome, result) = match probed {
            Some(Ok(status)) if check.admits(status.as_u16()) => {
                (Ok(()), format!("HTTP {} after {took}", status.as_u16()))
            }
            Some(Ok(status)) => {
                let (status, wanted) = (status.as_u16(), check.wanted());
                let result = format!("HTTP {status} after {took}, where {wanted} is a success");
                (Err(HealthReason::ResponseCodeMismatch), result)
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

/// One probe. Given up it closes its connection.
async fn probe(group: &Group, address: SocketAddr, path: &str) -> io::Result<StatusCode> {
    let node = group.node();
    let connect = node.host.connect(address)?;
    if let Some(flow) = connect.flow() {
        group.tell_probing(flow);
    }
    let stream = connect.await?;
    let handshake = Builder::new()
        .title_case_headers(true)
        .handshake::<_, Body>(Io::new(stream));
    let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
    let host = match address.port() {
        80 => address.ip().to_string(),
        _ => address.to_string(),
    };
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .body(empty())
        .map_err(io::Error::other)?;
    let mut connection = pin!(connection);
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        // Read to its end, so that closing sends FIN and not RST.
        response.into_body().collect().await?;
        drop(sender);
        Ok(status)
    };
    let (status, _) = beside(connection.as_mut(), exchange).await;
    let status = status.map_err(|e: hyper::Error| io::Error::other(e))?;
    // What is left is to say that nothing follows; a target that holds its end open is not waited for.
    within(&node.clock, Duration::ZERO, connection).await;
    Ok(status)
}
