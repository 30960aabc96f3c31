//! A DNS server, authoritative for its zone: A records over UDP.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};

use super::Node;
use super::config::Resolver;

/// Starts the server on `node`.
///
/// # Errors
/// When port 53 is taken.
pub fn start(node: Node, config: Resolver) -> io::Result<()> {
    let socket = Rc::new(node.host.udp(53, None)?);
    let config = Rc::new(config);
    let executor = node.executor.clone();
    executor.spawn(async move {
        loop {
            let (data, from, _) = socket.receive().await;
            let (node, config, socket) = (node.clone(), config.clone(), socket.clone());
            // Each question takes its own time: a slow one does not hold up the next.
            node.executor.clone().spawn(async move {
                node.clock.sleep(config.takes).await;
                if let Some(answer) = answer(&config, &data) {
                    // A full queue loses the answer, as a busy server would; the client asks again.
                    let _ = socket.send_to(&answer, from);
                }
            });
        }
    });
    Ok(())
}

/// The answer to a query. `None` for what is not a query.
fn answer(config: &Resolver, data: &[u8]) -> Option<Vec<u8>> {
    let query = Message::from_vec(data).ok()?;
    if query.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.authoritative = true;
    answer.queries.clone_from(&query.queries);
    let Some(question) = query.queries.first() else {
        answer.metadata.response_code = ResponseCode::FormErr;
        return answer.to_vec().ok();
    };
    let name = question.name().to_utf8().to_ascii_lowercase();
    match config.zone.get(name.trim_end_matches('.')) {
        None => answer.metadata.response_code = ResponseCode::NXDomain,
        Some(addresses) => {
            let ttl = u32::try_from(config.ttl.as_secs()).unwrap_or(u32::MAX);
            for address in addresses {
                let data = match (question.query_type(), address) {
                    (RecordType::A, IpAddr::V4(a)) => RData::A(A(*a)),
                    (RecordType::AAAA, IpAddr::V6(a)) => RData::AAAA(AAAA(*a)),
                    // The name exists, a record of this type does not: an empty answer (RFC 2308 §2.2).
                    _ => continue,
                };
                answer.add_answer(Record::from_rdata(question.name().clone(), ttl, data));
            }
        }
    }
    answer.to_vec().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{OpCode, Query};
    use hickory_proto::rr::Name;
    use std::time::Duration;

    fn ask(name: &str, kind: RecordType) -> Message {
        let config = Resolver {
            zone: [("your-app.com".into(), vec![[198, 51, 100, 10].into()])].into(),
            ttl: Duration::from_secs(60),
            takes: Duration::ZERO,
        };
        let mut query = Message::new(7, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(Name::from_utf8(name).unwrap(), kind));
        Message::from_vec(&answer(&config, &query.to_vec().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn answers_its_zone_and_nothing_else() {
        let found = ask("Your-App.com.", RecordType::A);
        assert_eq!(found.answers.len(), 1);
        assert_eq!((found.metadata.id, found.answers[0].ttl), (7, 60));
        let other = ask("other.com.", RecordType::A);
        assert_eq!(other.metadata.response_code, ResponseCode::NXDomain);
        let no_v6 = ask("your-app.com.", RecordType::AAAA);
        assert_eq!(no_v6.metadata.response_code, ResponseCode::NoError);
        assert!(no_v6.answers.is_empty());
    }
}
