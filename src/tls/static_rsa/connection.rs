//! What both sides of a connection share: records and alerts, handshake messages in their order, the transcript, the
//! change to encryption, Finished, data and the orderly end.

use rustls::AlertDescription;
use rustls::pki_types::UnixTime;

use super::client::Client;
use super::exchange::KeyExchange;
use super::message::message;
use super::record::{Record, Records, Sealer};
use super::server::Server;
use super::{Agreed, Error};
use crate::dissect::key_schedule::prf;
use crate::dissect::opener::Opener;
use crate::tls::random::Randomness;
use crate::wire::tls::{content_type, handshake_header, handshake_type};

/// The longest handshake message that is put together: a chain of certificates of 4 kB each has a dozen then.
const HANDSHAKE_MAX: usize = 64 * 1024;
/// Warning alerts that are passed over; each costs the sender nothing.
const WARNINGS_MAX: usize = 8;
/// HelloRequest (RFC 5246 §7.4.1.1).
const HELLO_REQUEST: u8 = 0;
/// Bytes of a Finished message's proof (RFC 5246 §7.4.9).
const VERIFY_DATA: usize = 12;

/// One side of a connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) randomness: Randomness,
    pub(super) client_random: [u8; 32],
    pub(super) server_random: [u8; 32],
    pub(super) agreed: Option<Agreed>,
    pub(super) exchange: Option<KeyExchange>,
    pub(super) records: Records,
    /// Bytes of handshake messages that are not whole.
    handshake: Vec<u8>,
    /// All handshake messages so far, both directions; empty once the handshake is over.
    transcript: Vec<u8>,
    /// For the peer.
    output: Vec<u8>,
    /// From the peer, decrypted.
    data: Vec<u8>,
    warnings: usize,
    failed: Option<Error>,
    sent_close: bool,
    received_close: bool,
}

/// Which side this is, and what it alone has.
#[derive(Debug)]
pub(super) enum Role {
    Client(Client),
    Server(Server),
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Server.
    ClientHello,
    /// Client.
    ServerHello,
    /// Client.
    Certificate,
    /// Client: a CertificateRequest may come before it.
    ServerHelloDone {
        requested: bool,
    },
    /// Server.
    ClientKeyExchange,
    ChangeCipherSpec,
    Finished,
    /// Application data.
    Established,
}

impl Connection {
    pub(super) fn new(role: Role, state: State, randomness: Randomness) -> Self {
        Self {
            role,
            state,
            randomness,
            client_random: [0; 32],
            server_random: [0; 32],
            agreed: None,
            exchange: None,
            records: Records::default(),
            handshake: Vec::new(),
            transcript: Vec::new(),
            output: Vec::new(),
            data: Vec::new(),
            warnings: 0,
            failed: None,
            sent_close: false,
            received_close: false,
        }
    }

    /// Takes bytes that the peer sent; `now` is the date on which certificates are judged.
    ///
    /// # Errors
    /// When the connection fails, now or before. The alert for the peer is then in [`Connection::poll_wire`].
    pub fn handle_wire(&mut self, bytes: &[u8], now: UnixTime) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        // After close_notify nothing counts (RFC 5246 §7.2.1).
        if self.received_close {
            return Ok(());
        }
        self.records.take_in(bytes);
        let result = self.handle_records(now);
        if let Err(error) = &result {
            if let Some(alert) = error.alert() {
                // An alert that cannot be written is not worth another error.
                let _ = self.write_alert(2, alert);
            }
            self.failed = Some(error.clone());
        }
        result
    }

    /// Bytes for the peer.
    pub fn poll_wire(&mut self) -> Option<Vec<u8>> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }

    /// Data of the peer's.
    pub fn poll_data(&mut self) -> Option<Vec<u8>> {
        (!self.data.is_empty()).then(|| std::mem::take(&mut self.data))
    }

    /// Sends data, once the connection is established and until it is closed.
    ///
    /// # Errors
    /// Before and after that.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if !self.is_established() || self.sent_close {
            let why = "data can be sent between Finished and close_notify only";
            return Err(Error::refused(AlertDescription::InternalError, why));
        }
        self.write_record(content_type::APPLICATION_DATA, data)
    }

    /// Sends close_notify, once.
    pub fn close(&mut self) {
        if !self.sent_close && self.failed.is_none() {
            self.sent_close = true;
            // The connection is over either way.
            let _ = self.write_alert(1, AlertDescription::CloseNotify);
        }
    }

    /// Whether both sides' Finished are sent and received.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        matches!(self.state, State::Established)
    }

    /// Whether the peer has sent its close_notify: no more data comes.
    #[must_use]
    pub const fn is_closed_by_peer(&self) -> bool {
        self.received_close
    }

    /// What was agreed, once the ServerHello has been sent or received.
    #[must_use]
    pub const fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// Every value of the key exchange: at the client once its ClientKeyExchange is in [`Connection::poll_wire`], at
    /// the server once it has received it.
    #[must_use]
    pub const fn key_exchange(&self) -> Option<&KeyExchange> {
        self.exchange.as_ref()
    }

    fn handle_records(&mut self, now: UnixTime) -> Result<(), Error> {
        while !self.received_close {
            let Some(record) = self.records.next()? else {
                break;
            };
            self.handle_record(&record, now)?;
        }
        Ok(())
    }

    fn handle_record(&mut self, record: &Record, now: UnixTime) -> Result<(), Error> {
        // Nothing may come between the pieces of a handshake message: keys change only between messages.
        if record.content_type != content_type::HANDSHAKE && !self.handshake.is_empty() {
            return Err(Error::unexpected("a record inside a handshake message"));
        }
        match record.content_type {
            content_type::CHANGE_CIPHER_SPEC => self.change_cipher_spec(&record.content),
            content_type::ALERT => self.alert(&record.content),
            content_type::HANDSHAKE => {
                self.handshake.extend_from_slice(&record.content);
                self.handle_messages(now)
            }
            content_type::APPLICATION_DATA if self.is_established() => {
                self.data.extend_from_slice(&record.content);
                Ok(())
            }
            _ => Err(Error::unexpected("application data")),
        }
    }

    fn alert(&mut self, content: &[u8]) -> Result<(), Error> {
        let &[level, description] = content else {
            return Err(Error::decode("an alert"));
        };
        let description = AlertDescription::from(description);
        match (level, description) {
            (_, AlertDescription::CloseNotify) => {
                self.received_close = true;
                if self.is_established() {
                    return Ok(());
                }
                // A peer that leaves before it has proved anything.
                Err(Error::Alerted(description))
            }
            (1, _) => {
                self.warnings += 1;
                if self.warnings > WARNINGS_MAX {
                    return Err(Error::unexpected("one more warning"));
                }
                Ok(())
            }
            _ => Err(Error::Alerted(description)),
        }
    }

    fn change_cipher_spec(&mut self, content: &[u8]) -> Result<(), Error> {
        if self.state != State::ChangeCipherSpec {
            return Err(Error::unexpected("a ChangeCipherSpec"));
        }
        if content != [1] {
            return Err(Error::decode("the ChangeCipherSpec"));
        }
        let (suite, encrypt_then_mac) = self.protection()?;
        let keys = self.exchanged()?.keys[usize::from(self.is_client())].clone();
        let opener = Opener::new(suite.parameters(), keys, encrypt_then_mac);
        self.records.opener = Some(opener.ok_or_else(internal)?);
        self.state = State::Finished;
        Ok(())
    }

    fn handle_messages(&mut self, now: UnixTime) -> Result<(), Error> {
        // Taken out while it is read, so that reading may change the connection.
        let mut bytes = std::mem::take(&mut self.handshake);
        let mut at = 0;
        while let Some((kind, length)) = handshake_header(&bytes[at..]) {
            if length > HANDSHAKE_MAX {
                let why = format!("a handshake message of {length} bytes is too long");
                return Err(Error::refused(AlertDescription::DecodeError, why));
            }
            let end = at + 4 + length;
            let Some(whole) = bytes.get(at..end) else {
                break;
            };
            let last = end == bytes.len();
            self.handle_message(kind, whole, last, now)?;
            at = end;
        }
        bytes.drain(..at);
        self.handshake = bytes;
        Ok(())
    }

    /// One handshake message, header included; `last` when nothing of the next one has come with it.
    fn handle_message(
        &mut self,
        kind: u8,
        whole: &[u8],
        last: bool,
        now: UnixTime,
    ) -> Result<(), Error> {
        let body = &whole[4..];
        // Either side may ask for another handshake at any time; the other may say no (RFC 5246 §7.2.2).
        let again = match self.role {
            Role::Client(_) => kind == HELLO_REQUEST && body.is_empty(),
            Role::Server(_) => self.is_established() && kind == handshake_type::CLIENT_HELLO,
        };
        if again {
            // In a handshake a HelloRequest means nothing (RFC 5246 §7.4.1.1).
            if self.is_established() {
                self.warnings += 1;
                if self.warnings > WARNINGS_MAX {
                    return Err(Error::unexpected("one more renegotiation"));
                }
                self.write_alert(1, AlertDescription::NoRenegotiation)?;
            }
            return Ok(());
        }
        if kind == handshake_type::FINISHED && self.state == State::Finished {
            if !last {
                return Err(Error::unexpected("a message together with Finished"));
            }
            return self.finished(whole);
        }
        self.transcript.extend_from_slice(whole);
        match &self.role {
            Role::Client(_) => self.handle_as_client(kind, body, last, now),
            Role::Server(_) => self.handle_as_server(kind, body, last),
        }
    }

    /// The peer's Finished: it proves that both sides saw the same handshake and have the same keys.
    fn finished(&mut self, whole: &[u8]) -> Result<(), Error> {
        let expected = self.verify_data(!self.is_client())?;
        let body = &whole[4..];
        if aws_lc_rs::constant_time::verify_slices_are_equal(body, &expected).is_err() {
            return Err(Error::refused(
                AlertDescription::DecryptError,
                "the peer's Finished proves another handshake",
            ));
        }
        self.transcript.extend_from_slice(whole);
        if !self.is_client() {
            self.send_finished()?;
        }
        self.state = State::Established;
        self.transcript = Vec::new();
        Ok(())
    }

    /// ChangeCipherSpec, and Finished as the first record under the new keys.
    pub(super) fn send_finished(&mut self) -> Result<(), Error> {
        self.write_record(content_type::CHANGE_CIPHER_SPEC, &[1])?;
        let (suite, encrypt_then_mac) = self.protection()?;
        let own = usize::from(!self.is_client());
        let sealer = Sealer::new(suite, &self.exchanged()?.keys[own], encrypt_then_mac);
        self.records.sealer = Some(sealer.ok_or_else(internal)?);
        let proof = self.verify_data(self.is_client())?;
        self.write_message(&message(handshake_type::FINISHED, &proof))
    }

    /// Computes the keys; the ClientKeyExchange is the last message in the transcript.
    pub(super) fn derive(
        &mut self,
        pre_master: [u8; 48],
        encrypted_pre_master: Vec<u8>,
    ) -> Result<(), Error> {
        let agreed = self.agreed.as_ref().ok_or_else(internal)?;
        let suite = agreed.suite;
        let session_hash = agreed
            .extended_master_secret
            .then(|| transcript_hash(suite.parameters().hash, &self.transcript));
        self.exchange = Some(KeyExchange::derive(
            suite,
            [self.client_random, self.server_random],
            pre_master,
            encrypted_pre_master,
            session_hash,
        ));
        Ok(())
    }

    /// What a Finished says (RFC 5246 §7.4.9).
    fn verify_data(&self, of_client: bool) -> Result<Vec<u8>, Error> {
        let exchange = self.exchanged()?;
        let hash = exchange.suite.parameters().hash;
        let label = if of_client {
            "client finished"
        } else {
            "server finished"
        };
        let seed = transcript_hash(hash, &self.transcript);
        Ok(prf(hash, &exchange.master, label, &seed, VERIFY_DATA))
    }

    /// Sends a handshake message, in a record of its own.
    pub(super) fn write_message(&mut self, message: &[u8]) -> Result<(), Error> {
        self.transcript.extend_from_slice(message);
        self.write_record(content_type::HANDSHAKE, message)
    }

    fn write_alert(&mut self, level: u8, description: AlertDescription) -> Result<(), Error> {
        self.write_record(content_type::ALERT, &[level, u8::from(description)])
    }

    fn write_record(&mut self, content_type: u8, content: &[u8]) -> Result<(), Error> {
        self.records.write(
            content_type,
            content,
            &mut self.randomness,
            &mut self.output,
        )
    }

    const fn is_client(&self) -> bool {
        matches!(self.role, Role::Client(_))
    }

    fn exchanged(&self) -> Result<&KeyExchange, Error> {
        self.exchange.as_ref().ok_or_else(internal)
    }

    fn protection(&self) -> Result<(super::Suite, bool), Error> {
        let agreed = self.agreed.as_ref().ok_or_else(internal)?;
        Ok((agreed.suite, agreed.encrypt_then_mac))
    }
}

/// A state that cannot be: told to the peer as an internal error, never a panic on what it sent.
pub(super) fn internal() -> Error {
    Error::refused(
        AlertDescription::InternalError,
        "the handshake is in no such state",
    )
}

/// The hash of handshake messages, by the hash of the PRF.
pub(super) fn transcript_hash(hash: aws_lc_rs::hmac::Algorithm, messages: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(hash.digest_algorithm(), messages)
        .as_ref()
        .to_vec()
}
