//! The attacker ends TLS itself: towards the client as a server, with a certificate of its own, and towards the server
//! as a client. Between the two everything is plain. It works on clients that accept the certificate.

use std::cell::RefCell;
use std::io;
use std::mem;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::overheard::Overheard;
use super::{PIECE, Sides, both};
use crate::event::Fact;
use crate::role::Node;
use crate::role::config::Side;
use crate::stack::TcpStream;
use crate::tls::{client as tls_client, server as tls_server};

/// Serves one client until both sides ended.
pub(super) async fn serve(
    node: &Node,
    server_name: &str,
    sides: &Sides,
    client: TcpStream,
    server: TcpStream,
) -> Overheard {
    let (to_client, to_server) = (client.flow(), server.flow());
    let overheard = RefCell::new(Overheard::default());
    let chance = node.chance.next("tls");
    // The client first: while it refuses the certificate, the server learns nothing but a connection.
    let accepted = tls_server::accept(&sides.0, client, chance, &node.clock).await;
    let client = match accepted {
        Ok(established) => {
            let mut facts = established.facts;
            node.keys_agreed(to_client, mem::take(&mut facts.agreed));
            node.tls_established(to_client, &facts);
            established.stream
        }
        Err(failure) => {
            node.keys_agreed(to_client, failure.agreed);
            node.fact(Fact::TlsFailed {
                flow: to_client,
                error: failure.error,
            });
            return overheard.into_inner();
        }
    };
    node.fact(Fact::TlsStarted {
        flow: to_server,
        server_name: server_name.to_owned(),
    });
    let chance = node.chance.next("tls");
    let connected = tls_client::connect(&sides.1, server_name, server, chance, &node.clock).await;
    let server = match connected {
        Ok(established) => {
            let mut facts = established.facts;
            node.keys_agreed(to_server, mem::take(&mut facts.agreed));
            node.tls_established(to_server, &facts);
            established.stream
        }
        Err(failure) => {
            node.keys_agreed(to_server, failure.agreed);
            node.fact(Fact::TlsFailed {
                flow: to_server,
                error: failure.error,
            });
            return overheard.into_inner();
        }
    };
    let (from_client, into_client) = tokio::io::split(client);
    let (from_server, into_server) = tokio::io::split(server);
    let there = pass(Side::Client, from_client, into_server, &overheard);
    let back = pass(Side::Server, from_server, into_client, &overheard);
    // An error is one of the two sides': its packets tell.
    let _ = both(there, back).await;
    overheard.into_inner()
}

/// One direction, in plain text, up to its close_notify, which is passed on as the attacker's own.
async fn pass(
    side: Side,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    overheard: &RefCell<Overheard>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let n = from.read(&mut piece).await?;
        if n == 0 {
            return to.shutdown().await;
        }
        overheard.borrow_mut().plain(side, &piece[..n]);
        to.write_all(&piece[..n]).await?;
        to.flush().await?;
    }
}
