//! The page for people.

use super::Keys;
use crate::dissect::key_schedule::TrafficKeys;
use crate::dissect::keys::{
    By, Check, Connection, Content, End, How, PRE_MASTER_SENT, ProtectedRecord, RecordKeys, Sent,
    Value, With,
};
use crate::explain::aes::hex;
use crate::explain::{Sheet, Side};
use crate::lab::plan::Place;
use crate::report::Paint;
use crate::report::paint::Tone;
use crate::report::text::{pad, pad_left, width};
use crate::wire::tls::{TLS13, group_name, suite_name, version_name};

/// Bytes of a value that are shown when not all are.
const SHOWN: usize = 8;
/// A value of so many bytes is shown whole.
const SHORT: usize = 12;
/// Bytes of a value in a line when all are shown.
const LINE: usize = 32;
/// Records under one key that are shown when not all are.
const RECORDS_SHOWN: usize = 4;

/// The page. With `full`, every value is shown to its last byte, and every record.
#[must_use]
pub fn page(keys: &Keys<'_>, full: bool, columns: usize, paint: Paint) -> String {
    let mut page = Page {
        keys,
        full,
        sheet: Sheet::new(columns, paint),
    };
    let (record, count) = (keys.record, keys.connections.len());
    let connections = match count {
        0 => "no TLS connection".into(),
        1 => "1 TLS connection".into(),
        n => format!("{n} TLS connections"),
    };
    page.sheet.heading(&format!(
        "Keys of {}   seed {} · {} · {connections}",
        record.plan.called,
        record.seed,
        match record.place {
            Place::Virtual => "virtual time",
            Place::Devices => "TUN devices",
        }
    ));
    for connection in &keys.connections {
        page.connection(connection);
    }
    page.sheet.into_text()
}

struct Page<'a> {
    keys: &'a Keys<'a>,
    full: bool,
    sheet: Sheet,
}

impl Page<'_> {
    fn connection(&mut self, connection: &Connection) {
        let (client, client_at) = self.keys.place(connection, End::Client);
        let (server, server_at) = self.keys.place(connection, End::Server);
        self.sheet.heading(&format!(
            "TCP stream {}: {client} {client_at} → {server} {server_at}",
            connection.stream
        ));
        let parts = [
            connection.version.map(version_name),
            connection.suite.map(suite_name),
            connection.group.map(group_name),
            Some(format!("{} handshake", connection.handshake.word())),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        self.sheet.prose(&parts.join(", "));
        for gap in &connection.gaps {
            self.sheet.hanging("  not all: ", &gap.text());
        }
        self.sent(connection);
        self.values(connection);
        for keys in &connection.keys {
            self.record_keys(connection, keys);
        }
        self.verdict(connection);
    }

    fn sent(&mut self, connection: &Connection) {
        self.sheet.heading("What was sent");
        let row = |s: &Sent| {
            vec![
                format!("#{}", s.frame),
                self.keys.node(connection, s.by),
                if s.clear { "yes" } else { "no" }.to_owned(),
                s.what.clone(),
                s.bytes.len().to_string(),
                shown(&s.bytes, self.full),
            ]
        };
        let rows: Vec<_> = connection.sent.iter().map(row).collect();
        let sides = [
            Side::Right,
            Side::Left,
            Side::Left,
            Side::Left,
            Side::Right,
            Side::Left,
        ];
        let head = ["frame", "sender", "in clear", "what", "bytes", "value"];
        self.sheet.table(&sides, &head, &rows);
        let encrypted = connection.sent.iter().any(|s| s.what == PRE_MASTER_SENT);
        self.sheet.prose(if encrypted {
            "The pre-master secret is among it, encrypted: whoever has the certificate's private key, now or later, \
             reads all that follows."
        } else {
            "No private value, no shared secret and no key is among it: each side computes them for itself."
        });
    }

    fn values(&mut self, connection: &Connection) {
        self.sheet.heading("What was computed, and of what");
        let names = connection.values.iter().map(|v| width(&v.name));
        let room = names.max().unwrap_or(0);
        for value in &connection.values {
            let who = match value.by {
                By::One(end) => self.keys.node(connection, end),
                By::Both => "both".into(),
            };
            let (bytes, name) = (value.bytes.len().to_string(), pad(&value.name, room));
            let mut lines = value
                .bytes
                .chunks(if self.full { LINE } else { usize::MAX });
            let first = shown(lines.next().unwrap_or_default(), self.full);
            let front = format!("  {} {name} {}  ", pad(&who, WHO), pad_left(&bytes, 5));
            if self.full {
                self.sheet.line(front);
                self.sheet.line(format!("{INDENT}{first}"));
            } else {
                self.sheet.line(format!("{front}{first}"));
            }
            for line in lines {
                self.sheet.line(format!("{INDENT}{}", hex(line)));
            }
            self.formula(value);
            for check in &value.checks {
                self.check(connection, check);
            }
        }
    }

    fn formula(&mut self, value: &Value) {
        let text = match &value.how {
            How::Drawn => "drawn at random, and never sent".to_owned(),
            How::Computed(formula) => format!("= {formula}"),
            How::Logged => "taken from the key log: what it is computed of is not known".into(),
        };
        let text = match value.source {
            "" => text,
            source => format!("{text}  {}", source.replace(' ', "\u{a0}")),
        };
        self.sheet.hanging(INDENT, &text);
    }

    fn check(&mut self, connection: &Connection, check: &Check) {
        let with = match &check.with {
            With::Engine(end) => format!("what {} computed", self.keys.node(connection, *end)),
            With::KeyLog(_) | With::Packet { .. } | With::Share => check.with.text(),
        };
        let line = if check.equal {
            self.sheet.dip(Tone::Good, &format!("✓ equal to {with}"))
        } else {
            self.sheet.dip(Tone::Bad, &format!("✗ DIFFERS from {with}"))
        };
        self.sheet.line(format!("{INDENT}{line}"));
    }

    fn record_keys(&mut self, connection: &Connection, keys: &RecordKeys) {
        let from = self.keys.node(connection, keys.from);
        let to = self.keys.node(connection, keys.from.other());
        self.sheet.heading(&format!(
            "{from} writes and {to} reads under {}",
            keys.under
        ));
        let is_13 = connection.version == Some(TLS13);
        for (name, label, bytes) in [
            ("MAC key", "", &keys.keys.mac),
            ("key", "key", &keys.keys.key),
            ("iv", "iv", &keys.keys.iv),
        ] {
            if bytes.is_empty() {
                continue;
            }
            let how = if is_13 {
                format!(
                    "= HKDF-Expand-Label({}, \"{label}\", \"\", {})  RFC\u{a0}8446\u{a0}§7.3",
                    keys.under,
                    bytes.len()
                )
            } else {
                "a part of the key block  RFC\u{a0}5246\u{a0}§6.3".into()
            };
            self.sheet
                .line(format!("  {} {}", pad(name, WHO), hex(bytes)));
            self.sheet.hanging(INDENT, &how);
        }
        if keys.records.is_empty() {
            self.sheet.prose("no record");
            return;
        }
        self.sheet.prose(&nonce_rule(&keys.keys));
        let (shown, left_out) = self.records(keys);
        let rows: Vec<_> = shown.iter().map(|r| record_row(r)).collect();
        let sides = [
            Side::Right,
            Side::Right,
            Side::Right,
            Side::Left,
            Side::Left,
        ];
        let nonce = if keys.keys.iv.is_empty() {
            "IV"
        } else {
            "nonce"
        };
        let head = ["frame", "record", "bytes", nonce, "what is inside"];
        self.sheet.table(&sides, &head, &rows);
        if let (Some(first), Some(last)) = (left_out.first(), left_out.last()) {
            self.sheet.prose(&format!(
                "… and {} more up to frame {}, records {} to {}; --full shows them",
                left_out.len(),
                last.frame,
                first.sequence,
                last.sequence
            ));
        }
    }

    /// The records to show, and those that are left out. What did not open is always shown.
    fn records<'k>(
        &self,
        keys: &'k RecordKeys,
    ) -> (Vec<&'k ProtectedRecord>, Vec<&'k ProtectedRecord>) {
        let few = self.full || keys.records.len() <= RECORDS_SHOWN + 1;
        let all = keys.records.iter().enumerate();
        let (shown, rest): (Vec<_>, Vec<_>) = all.partition(|(n, r)| {
            few || *n < RECORDS_SHOWN || !matches!(r.content, Content::Opened(_))
        });
        let bare = |list: Vec<(usize, &'k ProtectedRecord)>| list.into_iter().map(|(_, r)| r);
        (bare(shown).collect(), bare(rest).collect())
    }

    fn verdict(&mut self, connection: &Connection) {
        self.sheet.heading("Checked against what the engines used");
        let counts = connection.counts();
        let all = [
            (
                counts.agreements,
                "share or shared secret",
                "shares and shared secrets",
            ),
            (
                counts.secrets,
                "secret of the key log",
                "secrets of the key log",
            ),
            (counts.binders, "binder", "binders"),
            (counts.finished, "Finished", "Finished"),
            (counts.records, "record opened", "records opened"),
        ];
        let told = all.iter().filter(|(n, ..)| *n > 0);
        let told = told.map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many }));
        let told: Vec<String> = told.collect();
        let differences = connection.differences();
        if told.is_empty() && differences.is_empty() {
            self.sheet.prose("nothing: no key came to be");
        } else if differences.is_empty() {
            let line = format!("  ✓ {}: all equal", told.join(", "));
            let line = self.sheet.dip(Tone::Good, &line);
            self.sheet.line(line);
        } else {
            let line = format!("  ✗ {} DIFFER, of {}", differences.len(), told.join(", "));
            let line = self.sheet.dip(Tone::Bad, &line);
            self.sheet.line(line);
            for difference in &differences {
                self.sheet.hanging("    ", difference);
            }
        }
        let of = |end| connection.keys_of(end).map(|k| &k.keys.key);
        if of(End::Client).next().is_none() || of(End::Server).next().is_none() {
            return;
        }
        let same = of(End::Client).any(|c| of(End::Server).any(|s| s == c));
        let (client, server) = (
            self.keys.node(connection, End::Client),
            self.keys.node(connection, End::Server),
        );
        self.sheet.prose(&if same {
            format!("{client} and {server} write under the same key.")
        } else {
            format!(
                "{client} and {server} write under different keys: each knows both, and uses one to write and the \
                 other to read."
            )
        });
    }
}

/// Columns of the name of who computes a value.
const WHO: usize = 8;
/// What stands before the lines about a value: as much as its name and who computes it take.
const INDENT: &str = "           ";

fn record_row(record: &ProtectedRecord) -> Vec<String> {
    let inside = match &record.content {
        Content::Opened(inside) if inside.is_empty() => "✓ nothing".into(),
        Content::Opened(inside) => format!("✓ {}", inside.join(", ")),
        Content::Changed => "opens under no key: changed, or sent again, on the way".to_owned(),
        Content::Refused => "✗ DOES NOT OPEN under this key".into(),
    };
    vec![
        format!("#{}", record.frame),
        record.sequence.to_string(),
        record.bytes.to_string(),
        hex(&record.nonce),
        inside,
    ]
}

/// How nonces are made, told by the length of the implicit part.
fn nonce_rule(keys: &TrafficKeys) -> String {
    match keys.iv.len() {
        0 => "IV: the 16 bytes in front of each record  RFC\u{a0}5246\u{a0}§6.2.3.2".into(),
        4 => "nonce = iv, then the 8 bytes in front of each record  RFC\u{a0}5288\u{a0}§3".into(),
        _ => "nonce = iv XOR the number of the record  RFC\u{a0}8446\u{a0}§5.3".into(),
    }
}

/// A value in hexadecimal; its first bytes only, unless all are wanted.
fn shown(bytes: &[u8], full: bool) -> String {
    if full || bytes.len() <= SHORT {
        return hex(bytes);
    }
    format!("{}…", hex(&bytes[..SHOWN]))
}
