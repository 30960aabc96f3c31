//! TLS: what was said, agreed on and computed.

use super::Reader;
use crate::event::HandshakeKind;
use crate::lab::decode::{Fields, Item};
use crate::lab::error::advice;
use crate::lab::plan::{Check, KeysCheck, PreMasterCheck, TlsCheck};
use crate::lab::speech::{group, suite, version};
use crate::units::Bytes;
use crate::wire::tls::{alert_names, alert_number};

/// The handshake messages that are compared, by the names of RFC 8446 §4 and RFC 5246 §7.4.
const MESSAGES: [&str; 11] = [
    "ClientHello",
    "HelloRetryRequest",
    "ServerHello",
    "EncryptedExtensions",
    "Certificate",
    "ServerKeyExchange",
    "CertificateRequest",
    "ServerHelloDone",
    "CertificateVerify",
    "ClientKeyExchange",
    "Finished",
];

impl Reader<'_, '_> {
    pub(super) fn tls(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.required("on", "\"user -> alb:443\"");
        let connection = on.and_then(|i| self.connection(i));
        let from = table.optional("from");
        let kinds = [
            "version",
            "suite",
            "group",
            "handshake",
            "messages",
            "mismatch",
            "alert",
        ];
        let what = table.exactly_one(&kinds)?;
        if let Some(from) = from
            && what.key != "alert"
        {
            let label = "expected `from` beside `alert` only";
            from.wrong_key(format!("`{}` has no `from`", what.key), label, None);
        }
        let check = match what.key {
            "version" => version(what).map(TlsCheck::Version),
            "suite" => suite(what).map(TlsCheck::Suite),
            "group" => group(what).map(TlsCheck::Group),
            "handshake" => {
                let kind = what.one_of("handshake", &HandshakeKind::WORDS);
                kind.map(TlsCheck::Handshake)
            }
            "messages" => what.some(message).map(TlsCheck::Messages),
            "mismatch" => {
                let known = ["version", "suite", "group"].map(|word| (word, word));
                what.one_of("mismatch", &known).map(TlsCheck::Mismatch)
            }
            _ => {
                let from = match from {
                    Some(from) => Some(self.node(Some(from))?),
                    None => None,
                };
                alert(what).map(|description| TlsCheck::Alert { description, from })
            }
        };
        Some(Check::Tls {
            connection: connection?,
            check: check?,
        })
    }

    pub(super) fn keys(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.required("on", "\"user -> alb:443\"");
        let connection = on.and_then(|i| self.connection(i));
        let what = table.exactly_one(&["recomputed", "differ"])?;
        if !what.boolean()? {
            let title = format!("`{}` is true or absent", what.key);
            what.wrong(title, "expected true", None);
            return None;
        }
        let check = match what.key {
            "recomputed" => KeysCheck::Recomputed,
            _ => KeysCheck::Differ,
        };
        Some(Check::Keys {
            connection: connection?,
            check,
        })
    }

    pub(super) fn pre_master(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.required("on", "\"user -> alb:443\"");
        let connection = on.and_then(|i| self.connection(i));
        let what = table.exactly_one(&["secret", "encrypted", "same", "write-keys", "extended"])?;
        let size = |i: Item<'_>| i.unit::<Bytes>("a size", "\"48 B\"");
        let check = match what.key {
            "secret" => size(what).map(PreMasterCheck::Secret),
            "encrypted" => size(what).map(PreMasterCheck::Encrypted),
            "write-keys" => what.integer(1..=2).map(PreMasterCheck::WriteKeys),
            "extended" => what.boolean().map(PreMasterCheck::Extended),
            _ => {
                if !what.boolean()? {
                    what.wrong("`same` is true or absent", "expected true", None);
                    return None;
                }
                Some(PreMasterCheck::Same)
            }
        };
        Some(Check::PreMaster {
            connection: connection?,
            check: check?,
        })
    }
}

fn message(item: Item<'_>) -> Option<String> {
    let word = item.text()?;
    if ["ChangeCipherSpec", "NewSessionTicket"].contains(&word) {
        item.wrong(
            format!("`{word}` is not compared"),
            "expected a message of the handshake itself",
            "ChangeCipherSpec is no handshake message, and tickets may come at any time".to_owned(),
        );
        return None;
    }
    if !MESSAGES.contains(&word) {
        item.wrong(
            format!("unknown handshake message `{word}`"),
            "no handshake message has this name",
            advice(word, MESSAGES),
        );
        return None;
    }
    Some(word.to_owned())
}

fn alert(item: Item<'_>) -> Option<u8> {
    let word = item.text()?;
    let number = alert_number(word);
    if number.is_none() {
        item.unknown("alert", alert_names());
    }
    number
}
