//! Findings as JUnit XML, which continuous integration shows as tests: a suite for each lab, a case for each
//! expectation. Elements and attributes are those that Jenkins, GitLab and GitHub's readers have in common.

use std::fmt::Write;
use std::time::Duration;

use super::rows::end_name;
use super::summary::label;
use crate::dissect::message::Frame;
use crate::expect::{Evidence, Finding, Record};
use crate::time::Instant;

/// A `testsuite` element.
#[derive(Debug, Clone)]
pub struct Suite {
    name: String,
    took: Duration,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
}

/// A `testcase` element.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    outcome: Outcome,
    evidence: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Held,
    Broken(String),
    /// It could not be said.
    Error(String),
}

impl Suite {
    /// A lab that ran. `version` is that of the program; the time is the run's on the lab clock.
    #[must_use]
    pub fn of_run(record: &Record<'_>, findings: &[Finding], version: &str) -> Self {
        let cases = findings.iter().map(|f| Case {
            name: f.that.clone(),
            outcome: if f.holds {
                Outcome::Held
            } else {
                Outcome::Broken(f.explain.clone().unwrap_or_else(|| f.measured.clone()))
            },
            evidence: std::iter::once(format!("measured: {}", f.measured))
                .chain(f.evidence.iter().map(|e| evidence(record, e)))
                .collect(),
        });
        Self {
            name: record.plan.name.clone(),
            took: record.ended.saturating_since(Instant::ZERO),
            properties: vec![
                ("seed", record.seed.to_string()),
                ("world", record.place.word().to_owned()),
                ("version", version.to_owned()),
            ],
            cases: cases.collect(),
        }
    }

    /// A lab that could not be loaded or run.
    #[must_use]
    pub fn could_not_run(lab: &str, why: &str) -> Self {
        Self {
            name: lab.to_owned(),
            took: Duration::ZERO,
            properties: Vec::new(),
            cases: vec![Case {
                name: "the lab runs".to_owned(),
                outcome: Outcome::Error(why.to_owned()),
                evidence: Vec::new(),
            }],
        }
    }

    /// The same under the name `name`.
    #[must_use]
    pub fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// With one more case. `broken` says why it did not hold.
    #[must_use]
    pub fn with_case(mut self, that: &str, broken: Option<String>, details: Vec<String>) -> Self {
        self.cases.push(Case {
            name: that.to_owned(),
            outcome: broken.map_or(Outcome::Held, Outcome::Broken),
            evidence: details,
        });
        self
    }

    fn count(&self, wanted: fn(&Outcome) -> bool) -> usize {
        self.cases.iter().filter(|c| wanted(&c.outcome)).count()
    }

    fn failures(&self) -> usize {
        self.count(|o| matches!(o, Outcome::Broken(_)))
    }

    fn errors(&self) -> usize {
        self.count(|o| matches!(o, Outcome::Error(_)))
    }
}

/// The document, with a line end.
#[must_use]
pub fn render(suites: &[Suite]) -> String {
    let sum = |of: fn(&Suite) -> usize| suites.iter().map(of).sum::<usize>();
    let took = suites.iter().map(|s| s.took).sum();
    let mut xml = Xml::default();
    xml.open(
        "testsuites",
        &[
            ("name", "tunlab"),
            ("tests", &sum(|s| s.cases.len()).to_string()),
            ("failures", &sum(Suite::failures).to_string()),
            ("errors", &sum(Suite::errors).to_string()),
            ("time", &seconds(took)),
        ],
    );
    for suite in suites {
        suite.write(&mut xml);
    }
    xml.close("testsuites");
    xml.text
}

impl Suite {
    fn write(&self, xml: &mut Xml) {
        xml.open(
            "testsuite",
            &[
                ("name", &self.name),
                ("tests", &self.cases.len().to_string()),
                ("failures", &self.failures().to_string()),
                ("errors", &self.errors().to_string()),
                ("time", &seconds(self.took)),
            ],
        );
        if !self.properties.is_empty() {
            xml.open("properties", &[]);
            for (name, value) in &self.properties {
                xml.empty("property", &[("name", name), ("value", value)]);
            }
            xml.close("properties");
        }
        for case in &self.cases {
            // A run is one: no case has a time of its own.
            let attributes = [("name", case.name.as_str()), ("classname", &self.name)];
            if case.outcome == Outcome::Held && case.evidence.is_empty() {
                xml.empty("testcase", &attributes);
                continue;
            }
            xml.open("testcase", &attributes);
            match &case.outcome {
                Outcome::Held => {}
                Outcome::Broken(why) => xml.leaf("failure", &[("message", why)], why),
                Outcome::Error(why) => xml.leaf("error", &[("message", why)], why),
            }
            if !case.evidence.is_empty() {
                xml.leaf("system-out", &[], &case.evidence.join("\n"));
            }
            xml.close("testcase");
        }
        xml.close("testsuite");
    }
}

/// As in "frame 3: user to alb, SYN at 20 ms".
fn evidence(record: &Record<'_>, evidence: &Evidence) -> String {
    match evidence {
        Evidence::Frame(number) => {
            let frame = record.frames.iter().find(|f| f.number == *number);
            let words = frame.map(|f| frame_line(record, f)).unwrap_or_default();
            format!("frame {number}: {words}")
        }
        Evidence::TapFrame(tap, number) => {
            let named =
                |t: &&crate::expect::TapRecord| record.plan.topology.tap(t.tap).name == *tap;
            let frames = record.taps.iter().find(named).map(|t| &t.frames);
            let frame = frames.and_then(|f| f.iter().find(|f| f.number == *number));
            let words = frame.map(|f| frame_line(record, f)).unwrap_or_default();
            format!("frame {number} at {tap}: {words}")
        }
        Evidence::Event(index) => {
            let words = record.events.get(*index).map(super::happening::words);
            let text = words.map(|(_, text)| text).unwrap_or_default();
            format!("event {index}: {text}")
        }
    }
}

fn frame_line(record: &Record<'_>, frame: &Frame) -> String {
    let end = |address: std::net::SocketAddr| end_name(record.plan, address.ip());
    format!(
        "{} to {}, {} at {}",
        end(frame.source),
        end(frame.destination),
        label(frame),
        record.show_found(frame.at.saturating_since(Instant::ZERO))
    )
}

/// Seconds with six decimals, as readers of JUnit expect them.
fn seconds(d: Duration) -> String {
    format!("{}.{:06}", d.as_secs(), d.subsec_micros())
}

/// Writes elements, indented by their depth.
#[derive(Debug)]
struct Xml {
    text: String,
    depth: usize,
}

impl Default for Xml {
    fn default() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
            depth: 0,
        }
    }
}

impl Xml {
    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.text.push_str(">\n");
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.indent();
        self.text.push_str(&format!("</{name}>\n"));
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.text.push_str("/>\n");
    }

    /// An element with text and nothing else in it, to the letter.
    fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], inside: &str) {
        self.tag(name, attributes);
        let inside = escape(inside, false);
        self.text.push_str(&format!(">{inside}</{name}>\n"));
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        for (name, value) in attributes {
            let value = escape(value, true);
            // Writing to a string cannot fail.
            let _ = write!(self.text, " {name}=\"{value}\"");
        }
    }

    fn indent(&mut self) {
        self.text.push_str(&"  ".repeat(self.depth));
    }
}

/// Text that means itself. Characters that XML 1.0 §2.2 does not allow at all become U+FFFD; white space in an
/// attribute stays what it is (§3.3.3 would make it spaces).
fn escape(text: &str, in_attribute: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            // "]]>" may not stand in text.
            '>' => out.push_str("&gt;"),
            '"' if in_attribute => out.push_str("&quot;"),
            '\n' if in_attribute => out.push_str("&#10;"),
            '\t' if in_attribute => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DropCause;
    use crate::expect::{fixture, judge};

    #[test]
    fn a_suite_has_what_held_what_did_not_and_what_could_not_run() {
        let mut run = fixture::main_lab();
        run.lose(8, DropCause::Loss);
        run.plan.expectations.retain(|e| {
            ["clean", "the load balancer forwards to ec2-a"].contains(&e.that.as_str())
        });
        let record = run.record();
        let findings = judge(&record);
        let suites = [
            Suite::of_run(&record, &findings, "1.2.3"),
            Suite::could_not_run("<bad> & \"worse\"", "line 1\nline 2\u{1b}[0m"),
        ];
        insta::assert_snapshot!(render(&suites));
    }

    #[test]
    fn text_is_escaped_to_mean_itself() {
        assert_eq!(
            escape("a<b>&\"c\"\n\u{0}\u{ffff}ü", true),
            "a&lt;b&gt;&amp;&quot;c&quot;&#10;\u{fffd}\u{fffd}ü"
        );
        assert_eq!(escape("\"c\"\n\r]]>", false), "\"c\"\n&#13;]]&gt;");
    }
}
