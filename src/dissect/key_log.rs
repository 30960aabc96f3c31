//! The key log: secrets by label and client random (RFC 9850 §2). What they open is not known here.

use std::collections::BTreeMap;

/// Labels that decrypt records; others (exporters, early data, ECH) are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// TLS 1.2's master secret.
    ClientRandom,
    /// CLIENT_HANDSHAKE_TRAFFIC_SECRET.
    ClientHandshake,
    /// SERVER_HANDSHAKE_TRAFFIC_SECRET.
    ServerHandshake,
    /// CLIENT_TRAFFIC_SECRET_0.
    ClientTraffic,
    /// SERVER_TRAFFIC_SECRET_0.
    ServerTraffic,
}

impl Label {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "CLIENT_RANDOM" => Self::ClientRandom,
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshake,
            "SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshake,
            "CLIENT_TRAFFIC_SECRET_0" => Self::ClientTraffic,
            "SERVER_TRAFFIC_SECRET_0" => Self::ServerTraffic,
            _ => return None,
        })
    }
}

/// Secrets by client random.
#[derive(Debug, Default)]
pub struct KeyLog(BTreeMap<([u8; 32], Label), Vec<u8>>);

impl KeyLog {
    /// Takes one line. Comments, unknown labels and lines that are not well-formed are passed over, as a key log may
    /// be read while it is written.
    pub fn line(&mut self, line: &str) {
        if let Some((label, random, secret)) = parts(line)
            && let Some(label) = Label::read(label)
        {
            self.0.insert((random, label), secret);
        }
    }

    /// The secret `label` of the connection whose ClientHello has `random`.
    #[must_use]
    pub fn secret(&self, random: &[u8; 32], label: Label) -> Option<&[u8]> {
        self.0.get(&(*random, label)).map(Vec::as_slice)
    }
}

/// Label, client random and secret of a line; `None` when it is not well-formed.
pub(super) fn parts(line: &str) -> Option<(&str, [u8; 32], Vec<u8>)> {
    let mut words = line.split_ascii_whitespace();
    let label = words.next()?;
    let random = unhex(words.next()?)?.try_into().ok()?;
    Some((label, random, unhex(words.next()?)?))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|c| Some(digit(c[0])? << 4 | digit(c[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_secrets_by_random_and_label() {
        let mut log = KeyLog::default();
        let random = "0A".repeat(32);
        log.line("# comment");
        log.line(&format!("CLIENT_TRAFFIC_SECRET_0 {random} 00ff\r\n"));
        log.line(&format!("EXPORTER_SECRET {random} 01"));
        log.line(&format!("SERVER_TRAFFIC_SECRET_0 {random} 0g"));
        log.line("SERVER_TRAFFIC_SECRET_0 0a 00");
        log.line("SERVER_TRAFFIC_SECRET_0");
        let secret = |label| log.secret(&[10; 32], label);
        assert_eq!(secret(Label::ClientTraffic), Some(&[0, 255][..]));
        assert_eq!(secret(Label::ServerTraffic), None);
        assert_eq!(log.secret(&[11; 32], Label::ClientTraffic), None);
        assert_eq!(log.0.len(), 1);
    }
}
