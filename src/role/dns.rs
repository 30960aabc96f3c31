//! The client's side of DNS: one question, asked again when nobody answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use super::Node;
use super::http::within;
use crate::event::Fact;

/// As glibc's resolver: five seconds, and then once more (resolv.conf(5), `timeout` and `attempts`).
const TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 2;

/// The IPv4 addresses of `name`, from the server at `resolver`.
pub(super) async fn look_up(
    node: &Node,
    resolver: IpAddr,
    name: &str,
) -> Result<Vec<IpAddr>, String> {
    node.fact(Fact::LookupSent { name: name.into() });
    let result = ask(node, resolver, name).await;
    node.fact(match &result {
        Ok(addresses) => Fact::LookupAnswered {
            name: name.into(),
            addresses: addresses.clone(),
        },
        Err(error) => Fact::LookupFailed {
            name: name.into(),
            error: error.clone(),
        },
    });
    result
}

async fn ask(node: &Node, resolver: IpAddr, name: &str) -> Result<Vec<IpAddr>, String> {
    let server = SocketAddr::new(resolver, 53);
    let qualified = Name::from_utf8(format!("{name}.")).map_err(|e| e.to_string())?;
    let mut id = [0; 2];
    node.chance.fill("dns", &mut id);
    let mut query = Message::new(u16::from_be_bytes(id), MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(qualified, RecordType::A));
    let bytes = query.to_vec().map_err(|e| e.to_string())?;

    let socket = node
        .host
        .udp(0, Some(server))
        .map_err(|e| format!("no way to the resolver {resolver}: {e}"))?;
    for _ in 0..ATTEMPTS {
        socket
            .send_to(&bytes, server)
            .map_err(|e| format!("no way to the resolver {resolver}: {e}"))?;
        let answer = within(&node.clock, TIMEOUT, async {
            loop {
                let (data, from, _) = socket.receive().await;
                // Anything but an answer to this very question, from where it was asked, is not for us.
                if let Ok(message) = Message::from_vec(&data)
                    && from == server
                    && message.metadata.id == query.metadata.id
                    && message.metadata.message_type == MessageType::Response
                    && message.queries == query.queries
                {
                    return message;
                }
            }
        })
        .await;
        if let Some(answer) = answer {
            return addresses(&answer, name);
        }
    }
    Err(format!("no answer from the resolver {resolver}"))
}

fn addresses(answer: &Message, name: &str) -> Result<Vec<IpAddr>, String> {
    let code = answer.metadata.response_code;
    if code != ResponseCode::NoError {
        return Err(format!("the resolver says {code} for {name}"));
    }
    let mut found: Vec<IpAddr> = Vec::new();
    for record in &answer.answers {
        if let RData::A(a) = &record.data {
            found.push(IpAddr::V4(a.0));
        }
    }
    if found.is_empty() {
        return Err(format!("{name} has no address"));
    }
    Ok(found)
}
