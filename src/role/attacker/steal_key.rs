//! The server's private key comes into the attacker's hands, after the fact, and it tries to read what it recorded.

use super::Attacker;
use super::recording;
use crate::event::{Fact, Flow, Recovery};
use crate::role::config::Victim;
use crate::tls::authority::Identity;
use crate::tls::static_rsa::recover;

pub(super) fn read(attacker: &Attacker, victim: &Victim, key: &Identity) -> Result<(), String> {
    let connections = attacker
        .ear
        .with(|packets| recording::connections(packets, victim));
    if connections.is_empty() {
        return Err("no such connection was recorded".into());
    }
    for connection in connections {
        let flow = Flow {
            local: connection.client,
            remote: connection.server,
        };
        let (client, server) = (&connection.from_client.bytes, &connection.from_server.bytes);
        let fact = match recover(client, server, &key.key()) {
            Ok(recovered) => Fact::Recovered {
                flow,
                recovery: Box::new(Recovery {
                    client_random: recovered.exchange.client_random.to_vec(),
                    pre_master: recovered.exchange.pre_master.to_vec(),
                    master: recovered.exchange.master.to_vec(),
                    client_data: recovered.client_data,
                    server_data: recovered.server_data,
                }),
            },
            Err(why) => Fact::NotRecovered {
                flow,
                error: why.to_string(),
            },
        };
        attacker.node.fact(fact);
    }
    Ok(())
}
