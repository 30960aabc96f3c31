//! Refused certificates: what is wrong, the alert on the wire, and what people see. One block for a run, one table for
//! many.

use self::names::{Names, Shown, names};
use super::paint::{Paint, Tone};
use super::text::{pad, width, wrap};
use crate::dissect::message::{Frame, Message, TlsKind, TlsMessage};
use crate::event::{CertificateDefect, Fact, Flow};
use crate::expect::{Record, fact};
use crate::wire::tls::alert_name;

pub mod document;
pub mod names;

/// A refused certificate of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The lab's name.
    pub lab: String,
    /// The client's node.
    pub node: String,
    /// The name that the certificate was to be for.
    pub server_name: String,
    /// What is wrong with it.
    pub defect: CertificateDefect,
    /// Why, in words.
    pub error: String,
    /// As in "TLS 1.3", when the server chose one in the main capture.
    pub version: Option<String>,
    /// The alert that ended the handshake, when it is in the main capture.
    pub alert: Option<Alert>,
}

/// A fatal alert on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert {
    /// Its description, as in 45.
    pub description: u8,
    /// Whether it was encrypted.
    pub encrypted: bool,
    /// The frame of the main capture that has it.
    pub frame: usize,
}

impl Alert {
    /// As in "certificate_expired (45), in clear".
    fn words(self) -> String {
        let how = if self.encrypted {
            "encrypted"
        } else {
            "in clear"
        };
        format!("{}, {how}", numbered(self.description))
    }
}

/// The certificates that clients refused in a run, in order.
#[must_use]
pub fn refusals(record: &Record<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    for event in record.events {
        let Some(Fact::CertificateRefused {
            flow,
            server_name,
            defect,
            error,
            ..
        }) = fact(event)
        else {
            continue;
        };
        all.push(Refusal {
            lab: record.plan.name.clone(),
            node: event.node.to_string(),
            server_name: server_name.clone(),
            defect: *defect,
            error: error.clone(),
            version: version(record, *flow),
            alert: alert(record, *flow),
        });
    }
    all
}

fn version(record: &Record<'_>, flow: Flow) -> Option<String> {
    let to_client = |f: &&Frame| (f.source, f.destination) == (flow.remote, flow.local);
    let mut messages = record.frames.iter().filter(to_client).flat_map(tls);
    messages.find_map(|m| {
        let TlsKind::ServerHello { version, .. } = &m.kind else {
            return None;
        };
        Some(version.clone())
    })
}

fn alert(record: &Record<'_>, flow: Flow) -> Option<Alert> {
    let by_client = |f: &&Frame| (f.source, f.destination) == (flow.local, flow.remote);
    record.frames.iter().filter(by_client).find_map(|frame| {
        tls(frame).find_map(|m| {
            let TlsKind::Alert {
                level: 2,
                description,
            } = m.kind
            else {
                return None;
            };
            Some(Alert {
                description,
                encrypted: m.encrypted,
                frame: frame.number,
            })
        })
    })
}

fn tls(frame: &Frame) -> impl Iterator<Item = &TlsMessage> {
    frame.messages.iter().filter_map(|m| {
        let Message::Tls(t) = m else { return None };
        Some(t)
    })
}

/// As in "certificate_expired (45)".
fn numbered(description: u8) -> String {
    match alert_name(description) {
        Some(name) => format!("{name} ({description})"),
        None => description.to_string(),
    }
}

/// Who shows what, with the alert that it sends.
fn clients(names: &Names) -> [(&'static str, String); 4] {
    [
        ("Chrome", names.chrome),
        ("Firefox", names.firefox),
        ("curl", names.curl),
        ("rustls", names.rustls),
    ]
    .map(|(client, shown)| (client, words(shown)))
}

fn words(shown: Option<Shown>) -> String {
    match shown {
        None => "accepts it".into(),
        Some(shown) => match shown.alert {
            Some(alert) => format!("{shown}, alert {alert}"),
            None => format!("{shown}, no alert"),
        },
    }
}

/// The block of one run, empty when nothing was refused. Each line fits into `columns`.
#[must_use]
pub(super) fn block(record: &Record<'_>, columns: usize, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for refusal in refusals(record) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(one(&refusal, refusal.head(), columns, paint));
    }
    lines
}

impl Refusal {
    fn head(&self) -> String {
        format!(
            "{} refuses the certificate of {}: {}",
            self.node, self.server_name, self.defect
        )
    }

    /// What was on the wire, in words.
    fn wire(&self) -> String {
        let version = self.version.as_ref().map(|v| format!("{v}: "));
        let alert = self.alert.map_or_else(|| "no alert".into(), Alert::words);
        format!("{}alert {alert}", version.unwrap_or_default())
    }
}

/// A refusal as lines of a name and a text each.
fn one(refusal: &Refusal, head: String, columns: usize, paint: Paint) -> Vec<String> {
    let names = names(refusal.defect);
    let mut lines: Vec<String> = wrap(&head, columns - 2)
        .iter()
        .map(|l| format!("  {}", paint.dip(Tone::Bad, l)))
        .collect();
    let frame = refusal.alert.map(|a| format!(" (#{})", a.frame));
    let wire = format!("{}{}", refusal.wire(), frame.unwrap_or_default());
    let mut rows = vec![("why", refusal.error.clone()), ("wire", wire)];
    rows.extend(clients(&names));
    rows.push(("user", names.user.to_owned()));
    for (name, text) in rows {
        lines.extend(row(name, &text, columns, paint));
    }
    lines
}

/// Columns of the names of rows, with the spaces around.
const NAME: usize = 4 + 7 + 2;

fn row(name: &str, text: &str, columns: usize, paint: Paint) -> Vec<String> {
    let text = cell(text, columns - NAME);
    let name = |n: usize| if n == 0 { pad(name, 7) } else { pad("", 7) };
    text.iter()
        .enumerate()
        .map(|(n, part)| format!("    {}  {part}", paint.dip(Tone::Dim, &name(n))))
        .collect()
}

/// The narrowest terminal on which the table has columns; on a narrower one each refusal is a block.
const TABLE_COLUMNS_MIN: usize = 120;

/// What every refusal of several runs looked like: a row each, in columns where there is room for them. Empty when
/// nothing was refused. Ends with a line end.
#[must_use]
pub fn matrix(all: &[Refusal], columns: usize, paint: Paint) -> String {
    if all.is_empty() {
        return String::new();
    }
    let lines = if columns < TABLE_COLUMNS_MIN {
        let columns = columns.max(NAME + 20);
        let block = |r: &Refusal| one(r, format!("{}: {}", r.lab, r.defect), columns, paint);
        all.iter().flat_map(block).collect()
    } else {
        table(all, columns, paint)
    };
    let mut text = String::from("\n");
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

const HEADS: [&str; 7] = ["lab", "defect", "TLS", "alert", "Chrome", "Firefox", "curl"];

fn table(all: &[Refusal], columns: usize, paint: Paint) -> Vec<String> {
    let rows: Vec<[String; 7]> = all.iter().map(cells).collect();
    let widest = |n: usize| {
        let cells = rows.iter().map(|r| width(&r[n]));
        cells.chain([width(HEADS[n])]).max().unwrap_or(0)
    };
    // The first three are short; the others share what is left by what they need.
    let mut room: Vec<usize> = (0..HEADS.len()).map(widest).collect();
    let fixed: usize = room[..3].iter().sum();
    let gaps = 2 * HEADS.len();
    let left = columns.saturating_sub(fixed + gaps).max(4 * 10);
    let wanted: usize = room[3..].iter().sum();
    if wanted > left {
        for wish in &mut room[3..] {
            *wish = (*wish * left / wanted).max(8);
        }
    }
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&room).map(|(cell, room)| pad(cell, *room));
        format!("  {}", padded.collect::<Vec<_>>().join("  "))
    };
    let heads = HEADS.map(String::from);
    let mut lines = vec![paint.dip(Tone::Strong, &line(&heads))];
    for (refusal, cells) in all.iter().zip(&rows) {
        let parts: Vec<Vec<String>> = cells.iter().zip(&room).map(|(c, r)| cell(c, *r)).collect();
        let height = parts.iter().map(Vec::len).max().unwrap_or(0);
        for n in 0..height {
            let nth = parts.iter().map(|p| p.get(n).cloned().unwrap_or_default());
            lines.push(line(&nth.collect::<Vec<_>>()));
        }
        let user = names(refusal.defect).user;
        let user = wrap(user, columns - 4);
        lines.extend(
            user.iter()
                .map(|l| format!("    {}", paint.dip(Tone::Dim, l))),
        );
    }
    lines
}

fn cells(refusal: &Refusal) -> [String; 7] {
    let names = names(refusal.defect);
    let version = refusal.version.as_deref().unwrap_or_default();
    let name = |shown: Option<Shown>| shown.map_or_else(|| "accepts it".into(), |s| s.to_string());
    [
        refusal.lab.clone(),
        refusal.defect.to_string(),
        version.trim_start_matches("TLS ").to_owned(),
        refusal.alert.map_or_else(|| "none".into(), Alert::words),
        name(names.chrome),
        name(names.firefox),
        name(names.curl),
    ]
}

/// Lines of at most `room` columns, broken after spaces and underscores: error names are long words.
fn cell(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for part in text.split_inclusive([' ', '_']) {
        let line = lines.last().map_or(0, |l| width(l));
        if line > 0 && line + width(part.trim_end()) > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(part);
        }
    }
    lines.iter().map(|l| l.trim_end().to_owned()).collect()
}

/// What to say about the alert of a refused certificate, in a capture.
pub(super) fn comment(defect: CertificateDefect, error: &str, encrypted: bool) -> String {
    let path = if encrypted {
        "It is encrypted: who is on the path sees that the handshake ends, and not why."
    } else {
        "It is in clear: anyone on the path reads what is wrong."
    };
    let names = names(defect);
    let [(_, chrome), (_, firefox), (_, curl), _] = clients(&names);
    format!(
        "The certificate is refused: {error}. {path} No request is sent. Chrome would show {chrome}; Firefox: \
         {firefox}; curl: {curl}. {}",
        names.user
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(in crate::report::refusal) fn of(
        lab: &str,
        defect: CertificateDefect,
        encrypted: bool,
    ) -> Refusal {
        Refusal {
            lab: lab.into(),
            node: "user".into(),
            server_name: "your-app.com".into(),
            defect,
            error: "it is so".into(),
            version: Some(if encrypted { "TLS 1.3" } else { "TLS 1.2" }.into()),
            alert: Some(Alert {
                description: 45,
                encrypted,
                frame: 9,
            }),
        }
    }

    fn every() -> Vec<Refusal> {
        let all = CertificateDefect::WORDS.iter().enumerate();
        all.map(|(n, (word, defect))| of(&format!("cert/{word}"), *defect, n % 2 == 0))
            .collect()
    }

    #[test]
    fn the_table_fits_every_terminal_and_names_every_lab() {
        for columns in 50..200 {
            let text = matrix(&every(), columns, Paint::Plain);
            let widest = text.lines().map(width).max().unwrap();
            assert!(widest <= columns, "{widest} > {columns}:\n{text}");
            for refusal in every() {
                let lines = text.lines().filter(|l| l.contains(&refusal.lab));
                assert!(lines.count() >= 1, "{columns}: {}", refusal.lab);
            }
        }
        assert_eq!(matrix(&[], 100, Paint::Plain), "");
    }

    #[test]
    fn a_row_in_columns_and_as_a_block() {
        let two = [
            of("cert/expired", CertificateDefect::Expired, false),
            of("cert/too-long", CertificateDefect::TooLong, true),
        ];
        let wide = matrix(&two, 140, Paint::Plain);
        let narrow = matrix(&two[..1], 80, Paint::Plain);
        insta::assert_snapshot!(format!("{wide}\n{narrow}"), @r#"
        lab            defect             TLS  alert                      Chrome                       Firefox               curl
        cert/expired   expired            1.2  certificate_expired (45),  net::ERR_CERT_DATE_INVALID   SEC_ERROR_EXPIRED_    certificate has
                                               in clear                   (-201)                       CERTIFICATE           expired (10)
          A full-page warning says that the certificate has expired; it can be passed by, but not on a site with HSTS.
        cert/too-long  too-long-validity  1.3  certificate_expired (45),  net::ERR_CERT_VALIDITY_TOO_  accepts it            accepts it
                                               encrypted                  LONG (-213)
          In Chrome and Safari a full-page warning; in Firefox and in programs nothing.


        cert/expired: expired
          why      it is so
          wire     TLS 1.2: alert certificate_expired (45), in clear (#9)
          Chrome   net::ERR_CERT_DATE_INVALID (-201), alert 46
          Firefox  SEC_ERROR_EXPIRED_CERTIFICATE, alert 45
          curl     certificate has expired (10), alert 45
          rustls   Expired, alert 45
          user     A full-page warning says that the certificate has expired; it can
                   be passed by, but not on a site with HSTS.
        "#);
    }

    #[test]
    fn a_comment_says_what_people_would_see() {
        let text = comment(CertificateDefect::WrongName, "it is another's", true);
        assert!(text.starts_with("The certificate is refused: it is another's. It is encrypted: "));
        assert!(
            text.contains("Chrome would show net::ERR_CERT_COMMON_NAME_INVALID (-200), alert 46;")
        );
        assert!(text.ends_with("but not on a site with HSTS."));
    }
}
