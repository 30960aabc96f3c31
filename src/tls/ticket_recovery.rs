//! Reading a recorded connection afterwards with the key that a server seals its session tickets with. In TLS 1.2 a ticket
//! crosses in clear and holds the master secret: the recording opens, on the connection that the ticket was made on and
//! on every later one. In TLS 1.3 it holds a pre-shared key that was used together with a new key agreement (RFC 8446
//! §2.2): that alone opens nothing but early data, of which there is none here.

use super::server::TicketKey;
use super::static_rsa::recorded::{clear_messages, open};
use crate::dissect::key_schedule::{key_block, suite_parameters};
use crate::dissect::opener::Opener;
use crate::wire::tls::key_exchange::{ClientOffer, tls12_session_ticket};
use crate::wire::tls::{
    ClientHello, ServerHello, TLS12, TLS13, handshake_type, suite_name, version_name,
};

/// What a recording held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reopened {
    /// The client's random, by which key logs name the connection.
    pub client_random: [u8; 32],
    /// The master secret, out of the ticket.
    pub master: Vec<u8>,
    /// What the client sent, byte for byte.
    pub client_data: Vec<u8>,
    /// What the server sent.
    pub server_data: Vec<u8>,
}

/// Why a recording stays closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StaysClosed {
    /// A hello is not in the recording, or cannot be read.
    #[error("the recording has no {0} that can be read")]
    Hello(&'static str),
    /// No ticket crossed in clear.
    #[error("no ticket crosses in clear on this connection")]
    NoTicket,
    /// The ticket is another server's.
    #[error("the ticket was sealed with another key")]
    OtherKey,
    /// TLS 1.3 with a new key agreement.
    #[error(
        "the ticket opens, and gives the pre-shared key; but TLS 1.3 agreed on a new key beside it: one of the two \
         private keys of that is missing, and both were deleted"
    )]
    KeyAgreement,
    /// A version or suite that is not read here.
    #[error("{0} is not read here")]
    Unread(String),
    /// A record is not authentic under the keys.
    #[error("{0}")]
    Record(String),
}

/// Decrypts a recorded connection with a server's ticket key. `client` and `server` are the bytes that each side sent
/// over TCP, from the first on.
///
/// # Errors
/// When something is missing; see [`StaysClosed`].
pub fn reopen(client: &[u8], server: &[u8], key: &TicketKey) -> Result<Reopened, StaysClosed> {
    let (from_client, from_server) = (clear_messages(client), clear_messages(server));
    let of = |kind: u8| move |m: &&super::static_rsa::recorded::Recorded| m.kind == kind;
    let hello = from_client.iter().find(of(handshake_type::CLIENT_HELLO));
    let hello = hello.ok_or(StaysClosed::Hello("ClientHello"))?.body();
    let offered = ClientHello::read(hello).ok_or(StaysClosed::Hello("ClientHello"))?;
    let offer = ClientOffer::read(hello).ok_or(StaysClosed::Hello("ClientHello"))?;
    let answer = from_server.iter().find(of(handshake_type::SERVER_HELLO));
    let answer = answer.and_then(|m| ServerHello::read(m.body()));
    let chosen = answer.ok_or(StaysClosed::Hello("ServerHello"))?;

    if chosen.version() >= TLS13 {
        let psk = offer.psk.filter(|_| chosen.pre_shared_key);
        let ticket = psk.and_then(|p| p.identities.first().copied());
        return match ticket.map(|t| key.open(t)) {
            None => Err(StaysClosed::NoTicket),
            Some(None) => Err(StaysClosed::OtherKey),
            Some(Some(_)) => Err(StaysClosed::KeyAgreement),
        };
    }
    if chosen.version() != TLS12 {
        return Err(StaysClosed::Unread(version_name(chosen.version())));
    }
    // The one that came back, or the one that was made on this connection.
    let made = from_server
        .iter()
        .find(of(handshake_type::NEW_SESSION_TICKET));
    let made = made.and_then(|m| tls12_session_ticket(m.body()));
    let back = offer.ticket.filter(|t| !t.is_empty());
    let ticket = back.or(made).ok_or(StaysClosed::NoTicket)?;
    let state = key.open(ticket).ok_or(StaysClosed::OtherKey)?;
    let unread = || StaysClosed::Unread(suite_name(chosen.suite));
    let suite = suite_parameters(chosen.suite).ok_or_else(unread)?;
    let master = master_secret(&state).ok_or_else(|| StaysClosed::Unread("the ticket".into()))?;
    let keys = key_block(&suite, &master, &offered.random, &chosen.random);
    let [client_opener, server_opener] = keys.map(|keys| Opener::new(suite, keys, false));
    let data = |bytes, side, opener: Option<Opener>| {
        let opener = opener.ok_or_else(unread)?;
        open(bytes, side, opener).map_err(|e| StaysClosed::Record(e.to_string()))
    };
    Ok(Reopened {
        client_random: offered.random,
        client_data: data(client, "client", client_opener)?,
        server_data: data(server, "server", server_opener)?,
        master,
    })
}

/// The master secret in a session as rustls 0.23 writes it: server name (a byte that says whether there is one, then its
/// length and text), version (2 bytes), suite (2), then the secret behind its length (1).
fn master_secret(state: &[u8]) -> Option<Vec<u8>> {
    let (has_name, mut rest) = state.split_first()?;
    if *has_name == 1 {
        let (length, after) = rest.split_first()?;
        rest = after.get(usize::from(*length)..)?;
    }
    let (length, after) = rest.get(4..)?.split_first()?;
    after.get(..usize::from(*length)).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_found_with_and_without_a_name_and_a_cut_state_has_none() {
        let with = [
            &[1, 3][..],
            b"a.b",
            &[3, 3, 0xc0, 0x2b, 4, 9, 8, 7, 6],
            &[1],
        ]
        .concat();
        assert_eq!(master_secret(&with).unwrap(), [9, 8, 7, 6]);
        assert_eq!(master_secret(&[0, 3, 3, 0, 0, 1, 5]).unwrap(), [5]);
        for cut in 0..with.len() - 1 {
            assert_eq!(master_secret(&with[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn what_is_no_recording_stays_closed() {
        let key = TicketKey::new([1; 32]);
        let closed = |client: &[u8], server: &[u8]| reopen(client, server, &key).unwrap_err();
        assert_eq!(closed(b"", b""), StaysClosed::Hello("ClientHello"));
        assert_eq!(
            closed(&[22, 3, 3, 0, 4, 1, 0, 0, 0], b""),
            StaysClosed::Hello("ClientHello")
        );
    }
}
