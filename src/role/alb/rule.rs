//! Rules: which action a request meets (AWS "Listener rules for your Application Load Balancer").

use std::net::IpAddr;

use super::headers;
use crate::event::Flow;
use crate::role::config::{Condition, FixedResponse, Pattern, QueryPattern, Redirect, Rule};
use crate::wire::http1::RequestHead;

/// What rules and target groups see of a request: its head, and whose it is.
#[derive(Debug)]
pub(super) struct RequestView<'a> {
    /// The host that it asks for, perhaps with a port.
    pub(super) host: &'a str,
    /// Without the query.
    pub(super) path: &'a str,
    /// Without the question mark.
    pub(super) query: Option<&'a str>,
    pub(super) method: &'a str,
    /// Names and values in their order.
    pub(super) fields: Vec<(&'a str, &'a [u8])>,
    /// The TCP peer.
    pub(super) source: IpAddr,
}

impl<'a> RequestView<'a> {
    /// Of a request that came in on `flow`, to the address `own`: that is its host when it names none.
    pub(super) fn of(flow: Flow, own: &'a str, head: &'a RequestHead) -> Self {
        // In absolute form (RFC 9112 §3.2.2) the path comes behind scheme and host.
        let origin = headers::absolute(&head.target).map_or(head.target.as_str(), |(_, path)| path);
        let (path, query) = match origin.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (origin, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        let named = |host: &&str| !headers::host_and_port(host).0.is_empty();
        let host = headers::named_host(head).filter(named);
        let fields = head.fields.iter();
        Self {
            host: host.unwrap_or(own),
            path,
            query,
            method: &head.method,
            fields: fields
                .map(|f| (f.name.as_str(), f.value.as_slice()))
                .collect(),
            source: flow.remote.ip(),
        }
    }

    /// The host without its port.
    pub(super) fn host_name(&self) -> &str {
        match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => self.host,
        }
    }

    /// The values of a field, in their order.
    pub(super) fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        let named = move |f: &&(&str, &[u8])| f.0.eq_ignore_ascii_case(name);
        self.fields.iter().filter(named).map(|f| f.1)
    }
}

/// The first rule whose conditions all hold; `None` is the default rule. `rules` are in order of their priorities.
pub(super) fn decide<'r>(rules: &'r [Rule], view: &RequestView<'_>) -> Option<&'r Rule> {
    let holds = |rule: &&Rule| rule.conditions.iter().all(|c| c.holds(view));
    rules.iter().find(holds)
}

impl Condition {
    /// Whether one of its values is the request's.
    fn holds(&self, view: &RequestView<'_>) -> bool {
        match self {
            Self::HostHeader(hosts) => {
                let host = view.host_name().as_bytes();
                hosts.iter().any(|h| h.matches_any_case(host))
            }
            Self::PathPattern(paths) => paths.iter().any(|p| p.matches(view.path.as_bytes())),
            Self::HttpHeader { name, values } => view
                .values(name)
                .any(|value| values.iter().any(|v| v.matches_any_case(value))),
            Self::HttpRequestMethod(methods) => methods.iter().any(|m| m == view.method),
            Self::QueryString(wanted) => {
                let query = view.query.unwrap_or_default();
                let mut parts = query.split('&').filter(|p| !p.is_empty());
                parts.any(|part| wanted.iter().any(|w| w.is_in(part)))
            }
            Self::SourceIp(ranges) => ranges.iter().any(|r| r.contains(view.source)),
        }
    }
}

impl QueryPattern {
    fn is_in(&self, part: &str) -> bool {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let covers = |pattern: &Pattern, text: &str| pattern.matches_any_case(text.as_bytes());
        self.key.as_ref().is_none_or(|k| covers(k, key)) && covers(&self.value, value)
    }
}

/// An answer that the load balancer makes as a rule says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// Where to, for a redirect.
    pub(super) location: Option<String>,
    /// `None` is the small page that goes with the status.
    pub(super) body: Option<String>,
}

impl Answer {
    pub(super) fn fixed(fixed: &FixedResponse) -> Self {
        Self {
            status: fixed.status,
            content_type: fixed.content_type,
            location: None,
            body: Some(fixed.body.clone()),
        }
    }

    /// A redirect as `redirect` says of a request that came to a listener. 507 when the URL is too long.
    pub(super) fn redirect(
        redirect: &Redirect,
        view: &RequestView<'_>,
        https: bool,
        port: u16,
    ) -> Self {
        let location = location(redirect, view, https, port);
        let fits = location.len() <= LOCATION_MAX;
        Self {
            status: match (fits, redirect.permanent) {
                (false, _) => 507,
                (true, true) => 301,
                (true, false) => 302,
            },
            content_type: "text/html",
            location: fits.then_some(location),
            body: None,
        }
    }
}

/// The longest URL of a redirect, in bytes. AWS names no number; this is what common clients take.
const LOCATION_MAX: usize = 8 * 1024;

fn location(redirect: &Redirect, view: &RequestView<'_>, https: bool, port: u16) -> String {
    let protocol = if https { "https" } else { "http" };
    let port = port.to_string();
    let path = view.path.strip_prefix('/').unwrap_or(view.path);
    // In one pass: what a request brings is not looked at for templates again.
    let fill = |template: &str| {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("#{") {
            filled.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            filled.push_str(match name {
                "protocol" => protocol,
                "host" => view.host_name(),
                "port" => &port,
                "path" => path,
                "query" => view.query.unwrap_or_default(),
                _ => "",
            });
            rest = after;
        }
        filled + rest
    };
    let query = fill(&redirect.query);
    let query = if query.is_empty() {
        query
    } else {
        format!("?{query}")
    };
    format!(
        "{}://{}:{}{}{query}",
        fill(&redirect.protocol).to_ascii_lowercase(),
        fill(&redirect.host),
        fill(&redirect.port),
        fill(&redirect.path),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::config::{Action, Forward, SourceRange};

    fn view<'a>(method: &'a str, host: &'a str, target: &'a str) -> RequestView<'a> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        RequestView {
            host,
            path,
            query,
            method,
            fields: vec![
                ("Host", host.as_bytes()),
                ("User-Agent", b"curl/8.0"),
                ("X-Kind", b"first"),
                ("x-kind", b"Second"),
            ],
            source: "203.192.1.50".parse().unwrap(),
        }
    }

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|t| Pattern::new(t)).collect()
    }

    fn rule(priority: u16, conditions: Vec<Condition>) -> Rule {
        Rule {
            priority,
            conditions,
            action: Action::Forward(Forward::to("web")),
        }
    }

    /// Whether a rule with this one condition applies.
    fn meets(condition: Condition, view: &RequestView<'_>) -> bool {
        decide(&[rule(1, vec![condition])], view).is_some()
    }

    #[test]
    fn the_first_rule_whose_conditions_all_hold_decides() {
        let api = || Condition::PathPattern(patterns(&["/api/*"]));
        let post = || Condition::HttpRequestMethod(vec!["POST".into()]);
        let rules = [rule(10, vec![api(), post()]), rule(20, vec![api()])];
        let of = |method, path| decide(&rules, &view(method, "a.b", path)).map(|r| r.priority);
        assert_eq!(of("POST", "/api/x"), Some(10));
        assert_eq!(of("GET", "/api/x"), Some(20));
        assert_eq!(of("post", "/api/x"), Some(20), "methods have a case");
        assert_eq!(of("GET", "/API/x"), None, "paths have a case");
        assert_eq!(
            of("GET", "/x?/api/"),
            None,
            "the query is no part of the path"
        );
    }

    #[test]
    fn hosts_and_headers_have_no_case_and_a_host_no_port() {
        let host = || Condition::HostHeader(patterns(&["*.your-app.com"]));
        assert!(meets(host(), &view("GET", "WWW.Your-App.com:8443", "/")));
        assert!(!meets(host(), &view("GET", "your-app.com", "/")));
        let header = |name: &str, value: &str| Condition::HttpHeader {
            name: name.into(),
            values: patterns(&[value]),
        };
        let request = view("GET", "a.b", "/");
        assert!(meets(header("user-agent", "CURL/*"), &request));
        assert!(
            meets(header("X-Kind", "second"), &request),
            "any of several"
        );
        assert!(!meets(header("X-Kind", "third"), &request));
        assert!(
            !meets(header("User-*", "*"), &request),
            "no wildcards in names"
        );
    }

    #[test]
    fn queries_are_compared_part_by_part() {
        let query = |key: Option<&str>, value: &str| {
            Condition::QueryString(vec![QueryPattern {
                key: key.map(Pattern::new),
                value: Pattern::new(value),
            }])
        };
        let request = view("GET", "a.b", "/x?Version=V1&debug&y=2");
        assert!(meets(query(Some("version"), "v1"), &request));
        assert!(meets(query(None, "v?"), &request));
        assert!(meets(query(Some("debug"), ""), &request));
        assert!(!meets(query(Some("version"), "v2"), &request));
        assert!(
            !meets(query(None, "version"), &request),
            "a key is no value"
        );
        assert!(!meets(query(None, "*"), &view("GET", "a.b", "/x")));
    }

    #[test]
    fn the_source_is_the_peer() {
        let range = |address: &str| {
            Condition::SourceIp(vec![SourceRange {
                address: address.parse().unwrap(),
                prefix: 24,
            }])
        };
        let mut request = view("GET", "a.b", "/");
        request.fields.push(("X-Forwarded-For", b"10.0.0.1"));
        assert!(meets(range("203.192.1.0"), &request));
        assert!(!meets(range("10.0.0.0"), &request));
    }

    fn redirect() -> Redirect {
        Redirect {
            permanent: true,
            protocol: "#{protocol}".into(),
            host: "#{host}".into(),
            port: "#{port}".into(),
            path: "/#{path}".into(),
            query: "#{query}".into(),
        }
    }

    #[test]
    fn a_redirect_keeps_what_it_does_not_change() {
        let to = |redirect: &Redirect, target| {
            let view = view("GET", "your-app.com:80", target);
            let answer = Answer::redirect(redirect, &view, false, 80);
            (answer.status, answer.location.unwrap_or_default())
        };
        let https = Redirect {
            protocol: "HTTPS".into(),
            port: "443".into(),
            ..redirect()
        };
        let there = "https://your-app.com:443/a/b?c=d".to_owned();
        assert_eq!(to(&https, "/a/b?c=d"), (301, there));
        let there = "https://your-app.com:443/".to_owned();
        assert_eq!(to(&https, "/"), (301, there), "no query, no question mark");
        let moved = Redirect {
            permanent: false,
            host: "new.#{host}".into(),
            path: "/old/#{path}".into(),
            query: "from=#{path}&#{query}".into(),
            ..redirect()
        };
        let there = "http://new.your-app.com:80/old/x?from=x&y=#{host}".to_owned();
        assert_eq!(to(&moved, "/x?y=#{host}"), (302, there), "filled in once");
    }

    #[test]
    fn a_url_that_is_too_long_is_507() {
        let long = format!("/{}", "a".repeat(LOCATION_MAX));
        let view = view("GET", "your-app.com", &long);
        let answer = Answer::redirect(&redirect(), &view, true, 443);
        assert_eq!((answer.status, answer.location), (507, None));
    }
}
