//! Everything that a client sent is sent again, on a connection of the attacker's own. The server answers the hello as
//! it answers any, with a random and keys of its own; what comes behind it was encrypted with other ones.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Attacker;
use crate::event::{Deed, Fact};
use crate::role::config::Victim;

/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 * 1024;

pub(super) async fn send(attacker: &Attacker, victim: &Victim) -> Result<(), String> {
    let recorded = attacker.recorded(victim)?;
    let connect = attacker.node.host.connect(recorded.server);
    let connect = connect.map_err(|e| e.to_string())?;
    if let Some(flow) = connect.flow() {
        attacker.node.fact(Fact::Connecting(flow));
    }
    let mut stream = connect.await.map_err(|e| e.to_string())?;
    let flow = stream.flow();
    attacker.attacked(flow.local, flow.remote, Deed::HelloReplayed);
    let sent = stream.write_all(&recorded.from_client.bytes).await;
    sent.map_err(|e| e.to_string())?;
    // Up to the server's end, which is soon.
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while answer.len() < ANSWER_MAX {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(n) => answer.extend_from_slice(&piece[..n]),
        }
    }
    let _ = stream.shutdown().await;
    attacker.node.fact(Fact::Closed(flow));
    Ok(())
}
