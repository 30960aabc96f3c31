//! What handshake messages carry of the key exchange and of session resumption: shares, pre-shared keys and their
//! binders, session ids and tickets (RFC 8446 §4.2.8, §4.2.11, §4.6.1; RFC 5246 §7.4; RFC 8422 §5.4; RFC 5077 §3).

use super::Reader;

/// The key exchange's part of a ClientHello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOffer<'a> {
    /// The session id; random where it only looks like one.
    pub session_id: &'a [u8],
    /// Groups and shares, preferred first.
    pub shares: Vec<(u16, &'a [u8])>,
    /// The ticket of TLS 1.2; empty when it asks for one, `None` without the extension.
    pub ticket: Option<&'a [u8]>,
    /// Pre-shared keys.
    pub psk: Option<OfferedPsks<'a>>,
}

/// The pre_shared_key extension of a ClientHello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedPsks<'a> {
    /// Identities: tickets.
    pub identities: Vec<&'a [u8]>,
    /// A binder for each.
    pub binders: Vec<&'a [u8]>,
    /// Bytes of the body before the list of binders, which are what the binders bind.
    pub bound: usize,
}

impl<'a> ClientOffer<'a> {
    /// Reads the body of the message; `None` when it is not well-formed.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut r = Reader(body);
        r.take(2 + 32)?;
        let mut offer = Self {
            session_id: r.vector8()?.0,
            shares: Vec::new(),
            ticket: None,
            psk: None,
        };
        r.vector16()?; // suites
        r.vector8()?; // compression methods
        for (kind, data) in r.extensions()? {
            let mut data = Reader(data);
            match kind {
                KEY_SHARE => {
                    let mut shares = data.vector16()?;
                    while !shares.0.is_empty() {
                        offer.shares.push((shares.u16()?, shares.vector16()?.0));
                    }
                }
                SESSION_TICKET => offer.ticket = Some(data.0),
                PRE_SHARED_KEY => {
                    let mut psk = OfferedPsks {
                        identities: Vec::new(),
                        binders: Vec::new(),
                        bound: 0,
                    };
                    let mut identities = data.vector16()?;
                    while !identities.0.is_empty() {
                        psk.identities.push(identities.vector16()?.0);
                        identities.take(4)?; // obfuscated age
                    }
                    // It is the last extension, and the binders are its last part (RFC 8446 §4.2.11).
                    psk.bound = body.len() - data.0.len();
                    let mut binders = data.vector16()?;
                    while !binders.0.is_empty() {
                        psk.binders.push(binders.vector8()?.0);
                    }
                    offer.psk = Some(psk);
                }
                _ => {}
            }
        }
        Some(offer)
    }
}

/// The key exchange's part of a ServerHello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerChoice<'a> {
    /// The session id: in TLS 1.2 that of the session.
    pub session_id: &'a [u8],
    /// Group and share (TLS 1.3); a HelloRetryRequest has no share.
    pub share: Option<(u16, &'a [u8])>,
    /// Which of the offered pre-shared keys it takes.
    pub psk: Option<u16>,
    /// Whether the master secret is the extended one (RFC 7627).
    pub extended_master_secret: bool,
}

impl<'a> ServerChoice<'a> {
    /// Reads the body of the message; `None` when it is not well-formed.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut r = Reader(body);
        r.take(2 + 32)?;
        let mut choice = Self {
            session_id: r.vector8()?.0,
            share: None,
            psk: None,
            extended_master_secret: false,
        };
        r.take(2 + 1)?; // suite, compression method
        for (kind, data) in r.extensions()? {
            let mut data = Reader(data);
            match kind {
                KEY_SHARE => {
                    let group = data.u16()?;
                    let share = if data.0.is_empty() {
                        &[]
                    } else {
                        data.vector16()?.0
                    };
                    choice.share = Some((group, share));
                }
                PRE_SHARED_KEY => choice.psk = Some(data.u16()?),
                EXTENDED_MASTER_SECRET => choice.extended_master_secret = true,
                _ => {}
            }
        }
        Some(choice)
    }
}

/// Group and share in the body of a ServerKeyExchange with a named curve (RFC 8422 §5.4); `None` when it has another
/// form or is not well-formed.
#[must_use]
pub fn server_key_exchange(body: &[u8]) -> Option<(u16, &[u8])> {
    const NAMED_CURVE: u8 = 3;
    let mut r = Reader(body);
    if r.u8()? != NAMED_CURVE {
        return None;
    }
    Some((r.u16()?, r.vector8()?.0))
}

/// The share in the body of a ClientKeyExchange with elliptic curves (RFC 8422 §5.7).
#[must_use]
pub fn client_key_exchange(body: &[u8]) -> Option<&[u8]> {
    let mut r = Reader(body);
    let share = r.vector8()?.0;
    r.0.is_empty().then_some(share)
}

/// The encrypted pre-master secret in the body of a ClientKeyExchange with RSA (RFC 5246 §7.4.7.1).
#[must_use]
pub fn rsa_client_key_exchange(body: &[u8]) -> Option<&[u8]> {
    let mut r = Reader(body);
    let encrypted = r.vector16()?.0;
    r.0.is_empty().then_some(encrypted)
}

/// The ticket in the body of a NewSessionTicket of TLS 1.3, and the nonce by which its pre-shared key is derived.
#[must_use]
pub fn new_session_ticket(body: &[u8]) -> Option<NewTicket<'_>> {
    let mut r = Reader(body);
    r.take(4 + 4)?; // lifetime, age_add
    Some(NewTicket {
        nonce: r.vector8()?.0,
        ticket: r.vector16()?.0,
    })
}

/// A ticket of TLS 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTicket<'a> {
    /// The nonce.
    pub nonce: &'a [u8],
    /// The ticket.
    pub ticket: &'a [u8],
}

/// The ticket in the body of a NewSessionTicket of TLS 1.2 (RFC 5077 §3.3).
#[must_use]
pub fn tls12_session_ticket(body: &[u8]) -> Option<&[u8]> {
    let mut r = Reader(body);
    r.take(4)?; // lifetime hint
    Some(r.vector16()?.0)
}

const EXTENDED_MASTER_SECRET: u16 = 23;
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;
const KEY_SHARE: u16 = 51;

#[cfg(test)]
mod tests {
    use super::*;

    fn client_hello() -> Vec<u8> {
        let mut b = vec![3, 3];
        b.extend([7; 32]);
        b.extend([2, 8, 9]);
        b.extend([0, 2, 0x13, 0x01]);
        b.extend([1, 0]);
        let extensions: &[&[u8]] = &[
            &[0, 35, 0, 1, 5],
            &[0, 51, 0, 8, 0, 6, 0, 29, 0, 2, 1, 2],
            &[0, 41, 0, 15, 0, 7, 0, 1, 6, 0, 0, 0, 0, 0, 4, 3, 1, 2, 3],
        ];
        let all = extensions.concat();
        b.extend(u16::try_from(all.len()).unwrap().to_be_bytes());
        b.extend(all);
        b
    }

    #[test]
    fn reads_what_a_client_offers() {
        let hello = client_hello();
        let offer = ClientOffer::read(&hello).unwrap();
        assert_eq!(offer.session_id, [8, 9]);
        assert_eq!(offer.shares, [(29, &[1, 2][..])]);
        assert_eq!(offer.ticket, Some(&[5][..]));
        let psk = offer.psk.unwrap();
        assert_eq!(psk.identities, [&[6][..]]);
        assert_eq!(psk.binders, [&[1, 2, 3][..]]);
        assert_eq!(psk.bound, hello.len() - 6, "list length, length, binder");
    }

    #[test]
    fn reads_what_a_server_chooses() {
        let mut b = vec![3, 3];
        b.extend([7; 32]);
        b.extend([1, 9, 0x13, 0x01, 0]);
        let bare = b.len();
        b.extend([0, 20]);
        b.extend([0, 51, 0, 6, 0, 29, 0, 2, 1, 2]);
        b.extend([0, 41, 0, 2, 0, 0]);
        b.extend([0, 23, 0, 0]);
        let choice = ServerChoice::read(&b).unwrap();
        assert_eq!(choice.session_id, [9]);
        assert_eq!(choice.share, Some((29, &[1, 2][..])));
        assert_eq!(choice.psk, Some(0));
        assert!(choice.extended_master_secret);
        for n in (0..b.len()).filter(|n| *n != bare) {
            assert_eq!(ServerChoice::read(&b[..n]), None, "{n} bytes");
        }
    }

    #[test]
    fn cut_messages_are_none_and_never_a_panic() {
        let whole = client_hello();
        let bare = 2 + 32 + 3 + 4 + 2;
        for n in (0..whole.len()).filter(|n| *n != bare) {
            assert_eq!(ClientOffer::read(&whole[..n]), None, "{n} bytes");
        }
        let server = [3, 0, 29, 2, 1, 2];
        assert_eq!(server_key_exchange(&server), Some((29, &[1, 2][..])));
        assert_eq!(client_key_exchange(&server[3..]), Some(&[1, 2][..]));
        let ticket = [0, 0, 0, 9, 1, 2, 3, 4, 1, 7, 0, 2, 5, 6, 0, 0];
        let read = new_session_ticket(&ticket).unwrap();
        assert_eq!((read.nonce, read.ticket), (&[7][..], &[5, 6][..]));
        let old = [0, 0, 0, 9, 0, 2, 5, 6];
        assert_eq!(tls12_session_ticket(&old), Some(&[5, 6][..]));
        for n in 0..14 {
            assert_eq!(new_session_ticket(&ticket[..n]), None);
            assert_eq!(tls12_session_ticket(&old[..n.min(7)]), None);
            assert_eq!(server_key_exchange(&server[..n.min(5)]), None);
            assert_eq!(client_key_exchange(&server[3..][..n.min(2)]), None);
        }
        assert_eq!(client_key_exchange(&[1, 2, 3]), None, "more than a share");
        assert_eq!(rsa_client_key_exchange(&[0, 2, 1, 2]), Some(&[1, 2][..]));
        assert_eq!(rsa_client_key_exchange(&[0, 2, 1, 2, 3]), None);
        assert_eq!(rsa_client_key_exchange(&[0, 2, 1]), None);
    }
}
