//! The page on costs.

use serde::Serialize;

use super::{Costs, HANDSHAKES, Work};
use crate::explain::{Sheet, Side};
use crate::report::Paint;

/// What the text says, in milliseconds: a message under RSA, and one under AES.
const RSA_OF_TEXT_MS: f64 = 50.0;
const AES_OF_TEXT_MS: f64 = 0.5;
/// And how much slower that makes RSA.
const FACTOR_OF_TEXT: f64 = 100.0;

/// The most bytes that RSA-2048 encrypts at once: 256 minus 11 of padding (RFC 8017 §7.2.1).
const RSA_BYTES: f64 = 245.0;

/// The page for people.
#[must_use]
pub fn page(costs: &Costs, columns: usize, paint: Paint) -> String {
    let mut sheet = Sheet::new(columns, paint);
    sheet.heading("What operations cost on this machine, one core");
    let rows: Vec<Vec<String>> = costs
        .0
        .iter()
        .map(|c| {
            let range = format!("{} to {}", time(c.range.0), time(c.range.1));
            vec![
                c.work.name().into(),
                time(c.nanos),
                format!("{:.0}", 1e9 / c.nanos),
                range,
            ]
        })
        .collect();
    let sides = [Side::Left, Side::Right, Side::Right, Side::Left];
    sheet.table(
        &sides,
        &["operation", "median", "a second", "batches"],
        &rows,
    );

    sheet.heading("What the text says");
    let (private, public) = (costs.nanos(Work::RsaDecrypt), costs.nanos(Work::RsaEncrypt));
    let kib = costs.nanos(Work::Aes256Kib);
    let row = |what: &str, text: f64, measured: f64| {
        let off = text * 1e6 / measured;
        vec![
            what.into(),
            format!("{text} ms"),
            time(measured),
            times(off),
        ]
    };
    sheet.table(
        &[Side::Left, Side::Right, Side::Right, Side::Right],
        &["a message", "the text", "measured", "the text is off by"],
        &[
            row("RSA, encrypted", RSA_OF_TEXT_MS, public),
            row("RSA, decrypted", RSA_OF_TEXT_MS, private),
            row("AES-256-GCM, 1 KiB", AES_OF_TEXT_MS, kib),
        ],
    );
    sheet.blank();
    let (encrypt, decrypt) = factors(costs);
    sheet.prose(&format!(
        "\"AES is {FACTOR_OF_TEXT}x faster\", and later \"10-100x\": for the same 1 KiB, in pieces of {RSA_BYTES} bytes, RSA \
         takes {} as long to encrypt and {} to decrypt. Both figures of the text are far too large and their ratio is far \
         too small; that bulk data wants a symmetric cipher is right.",
        times(encrypt),
        times(decrypt)
    ));

    sheet.heading("What a full handshake costs each side");
    let rows: Vec<Vec<String>> = HANDSHAKES
        .iter()
        .map(|h| {
            vec![
                h.name.into(),
                time(costs.sum(h.client)),
                time(costs.sum(h.server)),
            ]
        })
        .collect();
    let sides = [Side::Left, Side::Right, Side::Right];
    sheet.table(&sides, &["handshake", "client", "server"], &rows);
    sheet.blank();
    sheet.prose(
        "The client checks the signature of the handshake and those of two certificates. Hashing and key derivation take a \
         few microseconds more. What a handshake takes is round trips: at 20 ms each, computing is hardly seen.",
    );
    sheet.into_text()
}

/// How much longer RSA takes than AES-256-GCM for 1 KiB: to encrypt, and to decrypt.
pub(in crate::explain) fn factors(costs: &Costs) -> (f64, f64) {
    let pieces = (1024.0 / RSA_BYTES).ceil();
    let each = |work| pieces * costs.nanos(work) / costs.nanos(Work::Aes256Kib);
    (each(Work::RsaEncrypt), each(Work::RsaDecrypt))
}

/// Three digits and a unit.
fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

fn times(factor: f64) -> String {
    if factor < 9.95 {
        format!("{factor:.1}x")
    } else {
        format!("{factor:.0}x")
    }
}

/// The answer for programs: nanoseconds.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    operations: Vec<Operation>,
    text: OfText,
    handshakes: Vec<Sides>,
}

#[derive(Debug, Serialize)]
struct Operation {
    name: &'static str,
    median_ns: f64,
    fastest_ns: f64,
    slowest_ns: f64,
}

#[derive(Debug, Serialize)]
struct OfText {
    rsa_ns: f64,
    aes_ns: f64,
    factor: f64,
    factor_measured_encrypt: f64,
    factor_measured_decrypt: f64,
}

#[derive(Debug, Serialize)]
struct Sides {
    name: &'static str,
    client_ns: f64,
    server_ns: f64,
}

/// The answer for programs.
#[must_use]
pub fn report(costs: &Costs) -> Report {
    let (encrypt, decrypt) = factors(costs);
    let operations = costs.0.iter().map(|c| Operation {
        name: c.work.name(),
        median_ns: c.nanos,
        fastest_ns: c.range.0,
        slowest_ns: c.range.1,
    });
    let handshakes = HANDSHAKES.iter().map(|h| Sides {
        name: h.name,
        client_ns: costs.sum(h.client),
        server_ns: costs.sum(h.server),
    });
    Report {
        schema: "tunlab-cost/1",
        operations: operations.collect(),
        text: OfText {
            rsa_ns: RSA_OF_TEXT_MS * 1e6,
            aes_ns: AES_OF_TEXT_MS * 1e6,
            factor: FACTOR_OF_TEXT,
            factor_measured_encrypt: encrypt,
            factor_measured_decrypt: decrypt,
        },
        handshakes: handshakes.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::cost::Cost;

    fn costs() -> Costs {
        let nanos = [
            17e3, 247e3, 250e3, 17e3, 19e3, 62e3, 32e3, 32e3, 20e3, 15e3, 18e3, 400.0, 500.0, 3e3,
            4e3,
        ];
        let cost = |(work, nanos): (Work, f64)| Cost {
            work,
            nanos,
            range: (nanos * 0.9, nanos * 1.5),
        };
        Costs(Work::ALL.into_iter().zip(nanos).map(cost).collect())
    }

    #[test]
    fn the_page_of_given_costs() {
        let page = page(&costs(), 80, Paint::Plain);
        insta::assert_snapshot!("cost", page);
        assert!(page.lines().all(|l| crate::report::text::width(l) <= 80));
    }

    #[test]
    fn times_have_three_digits() {
        assert_eq!(time(512.4), "512 ns");
        assert_eq!(time(9_994.0), "9.99 µs");
        assert_eq!(time(17_200.0), "17.2 µs");
        assert_eq!(time(247_000.0), "247 µs");
        assert_eq!(time(1_540_000.0), "1.54 ms");
        assert_eq!(
            (times(2.94).as_str(), times(202.4).as_str()),
            ("2.9x", "202x")
        );
    }
}
