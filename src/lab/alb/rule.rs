//! Rules of listeners, with the limits that AWS sets (AWS "Listener rules", "Quotas for your Application Load Balancers").

use crate::lab::decode::{Fields, Item, all};
use crate::lab::roles::Reader;
use crate::lab::tree::Kind;
use crate::role::config::{Condition, Pattern, QueryPattern, Rule, SourceRange};

/// Values of one condition.
const VALUES_MAX: usize = 3;
/// Values of one rule, and wildcards of one.
const RULE_VALUES_MAX: usize = 5;
const WILDCARDS_MAX: usize = 5;

impl Reader<'_, '_> {
    /// The rules of a listener, lowest number first.
    pub(super) fn rules(&self, item: Item<'_>, https: bool) -> Option<Vec<Rule>> {
        let mut taken = Vec::new();
        let mut rules = item.each(|i| {
            let rule = self.rule(i, https)?;
            if taken.contains(&rule.priority) {
                let message = format!("priority {} is taken in this listener", rule.priority);
                i.wrong(message, "expected a priority of its own", None);
                return None;
            }
            taken.push(rule.priority);
            Some(rule)
        })?;
        rules.sort_by_key(|r| r.priority);
        Some(rules)
    }

    fn rule(&self, item: Item<'_>, https: bool) -> Option<Rule> {
        let mut table = item.fields()?;
        let priority = table.required("priority", "10");
        let priority = priority.and_then(|i| i.integer(1..=50_000));
        let conditions = conditions(&mut table);
        let action = self.action(&mut table, https);
        let conditions = conditions.filter(|c| keeps_limits(&table, c));
        table.finish();
        Some(Rule {
            priority: u16::try_from(priority?).ok()?,
            conditions: conditions?,
            action: action?,
        })
    }
}

/// All conditions of a rule; `None` after a mistake.
fn conditions(table: &mut Fields<'_>) -> Option<Vec<Condition>> {
    let single = [
        table.optional("host-header").map(|i| {
            let hosts = values(i, host)?;
            Some(vec![Condition::HostHeader(hosts)])
        }),
        table.optional("path-pattern").map(|i| {
            let paths = values(i, path)?;
            Some(vec![Condition::PathPattern(paths)])
        }),
        table.optional("http-header").map(|i| {
            let headers = i.fields()?;
            all(headers.entries().map(http_header))
        }),
        table.optional("http-request-method").map(|i| {
            let methods = values(i, method)?;
            Some(vec![Condition::HttpRequestMethod(methods)])
        }),
        table.optional("query-string").map(query_strings),
        table.optional("source-ip").map(|i| {
            let ranges = values(i, source_range)?;
            Some(vec![Condition::SourceIp(ranges)])
        }),
    ];
    let read = all(single.into_iter().flatten())?;
    Some(read.concat())
}

/// One to three values.
fn values<T>(item: Item<'_>, read: impl FnMut(Item<'_>) -> Option<T>) -> Option<Vec<T>> {
    let values = item.some(read)?;
    if values.len() > VALUES_MAX {
        let message = format!("`{}` has {} values", item.key, values.len());
        item.wrong(message, format!("expected {VALUES_MAX} at most"), None);
        return None;
    }
    Some(values)
}

/// Whether a rule stays within what AWS allows in one.
fn keeps_limits(table: &Fields<'_>, conditions: &[Condition]) -> bool {
    if conditions.is_empty() {
        let help = "the listener's own `forward` is the rule without conditions".to_owned();
        table.wrong("the rule has no condition", "expected one at least", help);
        return false;
    }
    let patterns = |patterns: &[Pattern]| {
        let wild = patterns.iter().map(Pattern::wildcards).sum();
        (patterns.len(), wild)
    };
    let counts = conditions.iter().map(|condition| match condition {
        Condition::HostHeader(p) | Condition::PathPattern(p) => patterns(p),
        Condition::HttpHeader { values, .. } => patterns(values),
        Condition::HttpRequestMethod(methods) => (methods.len(), 0),
        Condition::QueryString(parts) => {
            let wild = parts
                .iter()
                .map(|p| p.value.wildcards() + p.key.as_ref().map_or(0, Pattern::wildcards));
            (parts.len(), wild.sum())
        }
        Condition::SourceIp(ranges) => (ranges.len(), 0),
    });
    let (values, wildcards) = counts.fold((0, 0), |sum, c| (sum.0 + c.0, sum.1 + c.1));
    let limits = [
        ("values", values, RULE_VALUES_MAX),
        ("wildcards", wildcards, WILDCARDS_MAX),
    ];
    for (what, found, most) in limits {
        if found > most {
            let message = format!("the rule has {found} {what}");
            let label = format!("expected {most} at most in all conditions of one rule");
            table.wrong(message, label, None);
            return false;
        }
    }
    true
}

/// A pattern of 1 to 128 visible ASCII characters.
fn pattern(item: Item<'_>) -> Option<Pattern> {
    let text = item.text()?;
    let visible = text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if !(1..=128).contains(&text.len()) || !visible {
        let label = "expected 1 to 128 visible ASCII characters";
        item.wrong(
            format!("`{}` cannot be compared with", item.key),
            label,
            None,
        );
        return None;
    }
    Some(Pattern::new(text))
}

fn host(item: Item<'_>) -> Option<Pattern> {
    let pattern = pattern(item)?;
    let text = pattern.text();
    let known = |c: char| c.is_ascii_alphanumeric() || "-.*?".contains(c);
    if !text.contains('.') || !text.chars().all(known) {
        let label = "expected letters, digits, `-`, `*`, `?` and a dot, as in \"*.your-app.com\"";
        item.wrong(format!("`{text}` is not a host"), label, None);
        return None;
    }
    Some(pattern)
}

fn path(item: Item<'_>) -> Option<Pattern> {
    let pattern = pattern(item)?;
    let text = pattern.text();
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?\\".contains(c);
    if !text.chars().all(known) {
        let label = "expected letters, digits and _-.$/~\"'@:+&*? as in \"/img/*\"";
        let help = "the query is compared by `query-string`".to_owned();
        item.wrong(format!("`{text}` is not a path"), label, help);
        return None;
    }
    Some(pattern)
}

/// `User-Agent = ["*curl*"]`
fn http_header(item: Item<'_>) -> Option<Condition> {
    let name = item.key;
    // A token of RFC 9110 §5.6.2.
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'+-.^_`|~".contains(c);
    let is_name = (1..=40).contains(&name.len()) && name.chars().all(token);
    if !is_name {
        let label = "expected 1 to 40 characters of a header's name, without wildcards";
        item.wrong_key(format!("`{name}` is not a header's name"), label, None);
    }
    if name.eq_ignore_ascii_case("host") {
        let label = "expected another header";
        let help = "for hosts there is `host-header`".to_owned();
        item.wrong_key("`Host` is compared by a condition of its own", label, help);
        return None;
    }
    let values = values(item, pattern)?;
    is_name.then(|| Condition::HttpHeader {
        name: name.to_owned(),
        values,
    })
}

fn method(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    let known = |c: char| c.is_ascii_uppercase() || "-_".contains(c);
    if !(1..=40).contains(&text.len()) || !text.chars().all(known) {
        let label = "expected 1 to 40 of A to Z, `-` and `_`, as in \"GET\"; no wildcards";
        item.wrong(format!("`{text}` is not a method"), label, None);
        return None;
    }
    Some(text.to_owned())
}

/// `["version=v1"]`, or several of them: `[["version=v1"], ["debug=*"]]`.
fn query_strings(item: Item<'_>) -> Option<Vec<Condition>> {
    let lists = |i: &Item<'_>| matches!(i.value.kind, Kind::List(_));
    let list = item.list()?;
    let one = |i: Item<'_>| Some(Condition::QueryString(values(i, query)?));
    if !list.is_empty() && list.iter().all(lists) {
        return all(list.into_iter().map(one));
    }
    Some(vec![one(item)?])
}

/// `key=value`, or a value under any key.
fn query(item: Item<'_>) -> Option<QueryPattern> {
    let whole = pattern(item)?;
    Some(match whole.text().split_once('=') {
        Some((key, value)) => QueryPattern {
            key: Some(Pattern::new(key)),
            value: Pattern::new(value),
        },
        None => QueryPattern {
            key: None,
            value: whole,
        },
    })
}

fn source_range(item: Item<'_>) -> Option<SourceRange> {
    let text = item.text()?;
    let read = text.split_once('/').and_then(|(address, prefix)| {
        Some(SourceRange {
            address: address.parse().ok()?,
            prefix: prefix.parse().ok()?,
        })
    });
    let read = read.filter(|r| r.prefix <= if r.address.is_ipv4() { 32 } else { 128 });
    if read.is_none() {
        let label = "expected a range such as \"203.192.1.0/24\"";
        item.wrong(format!("`{text}` is not an address range"), label, None);
    }
    read
}
