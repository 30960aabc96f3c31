//! Which of the two engines speaks on a connection: rustls, or the one for RSA key exchange. A client has the latter
//! when its suites ask for it; a server has both when its suites do, and the ClientHello decides.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::config::{RsaExtensions, Suite};
use super::facts::TlsFacts;
use super::handshake::protocols;
use super::static_rsa::{self, Connection, KeyExchange, Offer};
use crate::dissect::key_schedule::TrafficKeys;
use crate::event::{PreMaster, WriteKeys};

/// A stream of either engine.
pub enum Engine<R, T> {
    /// rustls's.
    Rustls(R),
    /// The teaching engine's.
    StaticRsa(T),
}

/// What the teaching engine can say of these suites; `None` when it knows none of them.
pub(super) fn static_rsa_offer(
    suites: &[Suite],
    alpn: &[String],
    extensions: RsaExtensions,
) -> Option<Offer> {
    let own = suites.iter();
    let own = own.filter_map(|s| static_rsa::Suite::from_number(s.0));
    let own: Vec<_> = own.collect();
    (!own.is_empty()).then(|| Offer {
        suites: own,
        alpn: protocols(alpn),
        extended_master_secret: extensions.extended_master_secret,
        encrypt_then_mac: extensions.encrypt_then_mac,
    })
}

/// Whether all suites are the teaching engine's.
pub(super) fn is_static_rsa(suites: &[Suite]) -> bool {
    suites.iter().all(|s| s.is_static_rsa())
}

/// What the teaching engine's connection agreed on.
pub(super) fn facts(connection: &Connection) -> TlsFacts {
    let agreed = connection.agreed();
    let alpn = agreed.and_then(|a| a.alpn.as_ref());
    TlsFacts {
        version: "TLS 1.2".into(),
        suite: agreed.map(|a| a.suite.name()).unwrap_or_default(),
        alpn: alpn.map(|p| String::from_utf8_lossy(p).into_owned()),
        pre_master: pre_master(connection),
        ..TlsFacts::default()
    }
}

/// The values of the key exchange, as soon as there are some.
pub(super) fn pre_master(connection: &Connection) -> Option<Box<PreMaster>> {
    let exchange = connection.key_exchange()?;
    let write = |keys: &TrafficKeys| WriteKeys {
        mac: keys.mac.clone(),
        key: keys.key.clone(),
        iv: keys.iv.clone(),
    };
    let KeyExchange {
        suite: _,
        client_random,
        server_random,
        pre_master,
        encrypted_pre_master,
        session_hash,
        master,
        keys: [client, server],
    } = exchange;
    Some(Box::new(PreMaster {
        client_random: *client_random,
        server_random: *server_random,
        secret: pre_master.to_vec(),
        encrypted: encrypted_pre_master.clone(),
        session_hash: session_hash.clone(),
        master: master.clone(),
        client_write: write(client),
        server_write: write(server),
    }))
}

impl<R: AsyncRead + Unpin, T: AsyncRead + Unpin> AsyncRead for Engine<R, T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Rustls(s) => Pin::new(s).poll_read(cx, buffer),
            Self::StaticRsa(s) => Pin::new(s).poll_read(cx, buffer),
        }
    }
}

impl<R: AsyncWrite + Unpin, T: AsyncWrite + Unpin> AsyncWrite for Engine<R, T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Rustls(s) => Pin::new(s).poll_write(cx, data),
            Self::StaticRsa(s) => Pin::new(s).poll_write(cx, data),
        }
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Rustls(s) => Pin::new(s).poll_write_vectored(cx, slices),
            Self::StaticRsa(s) => Pin::new(s).poll_write_vectored(cx, slices),
        }
    }
    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Rustls(s) => s.is_write_vectored(),
            Self::StaticRsa(s) => s.is_write_vectored(),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Rustls(s) => Pin::new(s).poll_flush(cx),
            Self::StaticRsa(s) => Pin::new(s).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Rustls(s) => Pin::new(s).poll_shutdown(cx),
            Self::StaticRsa(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

impl<R: fmt::Debug, T: fmt::Debug> fmt::Debug for Engine<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rustls(s) => s.fmt(f),
            Self::StaticRsa(s) => s.fmt(f),
        }
    }
}
