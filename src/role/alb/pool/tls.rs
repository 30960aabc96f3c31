//! TLS towards targets. A target's certificate is not validated: self-signed and expired ones do as well (AWS "Target
//! groups for your Application Load Balancers"), as traffic inside a VPC is authenticated packet by packet.

use std::mem;
use std::rc::Rc;
use std::time::Duration;

use crate::event::Fact;
use crate::role::Node;
use crate::role::alb::failure::Failure;
use crate::role::config::ProtocolVersion;
use crate::role::http::{Duplex, within};
use crate::stack::TcpStream;
use crate::tls::client::{self, ClientSetup};

/// No TLS with the target within this time is a 504 (AWS "Troubleshoot your Application Load Balancers").
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Speaks TLS over `stream`, and agrees on this HTTP. The target is known by its address, so that no name is sent (RFC 6066 §3).
///
/// # Errors
/// When that fails, or takes too long.
pub(in crate::role::alb) async fn secure(
    node: &Node,
    setup: &Rc<ClientSetup>,
    version: ProtocolVersion,
    stream: TcpStream,
) -> Result<Box<dyn Duplex>, Failure> {
    let flow = stream.flow();
    let address = flow.remote.ip().to_string();
    node.fact(Fact::TlsStarted {
        flow,
        server_name: address.clone(),
    });
    let randomness = node.chance.next("tls");
    let handshake = client::connect(setup, &address, stream, randomness, &node.clock);
    let Some(result) = within(&node.clock, HANDSHAKE_TIMEOUT, handshake).await else {
        let failure = Failure::TlsTimeout(HANDSHAKE_TIMEOUT);
        node.fact(Fact::TlsFailed {
            flow,
            error: failure.to_string(),
        });
        return Err(failure);
    };
    match result {
        Ok(established) => {
            let mut facts = established.facts;
            node.keys_agreed(flow, mem::take(&mut facts.agreed));
            node.tls_established(flow, &facts);
            let agreed = facts.alpn.as_deref() == Some("h2");
            match version {
                ProtocolVersion::Http2 | ProtocolVersion::Grpc if !agreed => {
                    // RFC 9113 §3.2: over TLS, HTTP/2 is what both have agreed on.
                    let error = "the target did not agree to HTTP/2 (ALPN h2)".to_owned();
                    Err(Failure::Tls(error))
                }
                ProtocolVersion::Http1 | ProtocolVersion::Http2 | ProtocolVersion::Grpc => {
                    Ok(Box::new(established.stream))
                }
            }
        }
        Err(failure) => {
            node.keys_agreed(flow, failure.agreed);
            node.fact(Fact::TlsFailed {
                flow,
                error: failure.error.clone(),
            });
            Err(Failure::Tls(failure.error))
        }
    }
}
