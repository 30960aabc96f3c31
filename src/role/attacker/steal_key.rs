//! A key of the server's comes into the attacker's hands, after the fact, and it tries to read what it recorded.

use super::Attacker;
use super::recording;
use crate::event::{Fact, Flow, Recovery};
use crate::role::config::{Stolen, Victim};
use crate::tls::authority::Identity;
use crate::tls::server::TicketKey;
use crate::tls::static_rsa::recover;
use crate::tls::ticket_recovery::reopen;

pub(super) fn read(
    attacker: &Attacker,
    victim: &Victim,
    key: &Identity,
    stolen: Stolen,
) -> Result<(), String> {
    let connections = attacker
        .ear
        .with(|packets| recording::connections(packets, victim));
    if connections.is_empty() {
        return Err("no such connection was recorded".into());
    }
    let ticket_key = key.ticket_key().of_listener(&victim.listener);
    for connection in connections {
        let flow = Flow {
            local: connection.client,
            remote: connection.server,
        };
        let (client, server) = (&connection.from_client.bytes, &connection.from_server.bytes);
        let read = match stolen {
            Stolen::PrivateKey => with_private_key(client, server, key),
            Stolen::TicketKey => with_ticket_key(client, server, &ticket_key),
        };
        let fact = match read {
            Ok(recovery) => Fact::Recovered {
                flow,
                recovery: Box::new(recovery),
            },
            Err(error) => Fact::NotRecovered { flow, error },
        };
        attacker.node.fact(fact);
    }
    Ok(())
}

fn with_private_key(client: &[u8], server: &[u8], key: &Identity) -> Result<Recovery, String> {
    let recovered = recover(client, server, &key.key()).map_err(|why| why.to_string())?;
    Ok(Recovery {
        client_random: recovered.exchange.client_random.to_vec(),
        pre_master: recovered.exchange.pre_master.to_vec(),
        master: recovered.exchange.master.to_vec(),
        client_data: recovered.client_data,
        server_data: recovered.server_data,
    })
}

fn with_ticket_key(client: &[u8], server: &[u8], key: &TicketKey) -> Result<Recovery, String> {
    let reopened = reopen(client, server, key).map_err(|why| why.to_string())?;
    Ok(Recovery {
        client_random: reopened.client_random.to_vec(),
        pre_master: Vec::new(),
        master: reopened.master,
        client_data: reopened.client_data,
        server_data: reopened.server_data,
    })
}
