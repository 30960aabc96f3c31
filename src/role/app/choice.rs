//! Which answer a request gets: by the name it asks, its scheme, its path and the time.

use std::borrow::Cow;
use std::time::Duration;

use crate::role::config::{App, HttpsOnly, Reply};
use crate::wire::http1::RequestHead;

/// The answer to `head` at `now`, counted from the beginning of the run.
pub(super) fn choose<'a>(app: &'a App, head: &RequestHead, now: Duration) -> Cow<'a, Reply> {
    let host = head.fields.text("host").unwrap_or_default();
    // Brackets and port do not belong to the name (RFC 9110 §7.2); IPv6 literals are nobody's name here.
    let name = host.split(':').next().unwrap_or_default();
    if !app.hosts.is_empty() && !app.hosts.iter().any(|h| covers(h, name)) {
        return Cow::Borrowed(&app.default_server);
    }
    let came_by_https = match app.https_only {
        None => true,
        Some(HttpsOnly::Connection) => false,
        Some(HttpsOnly::ForwardedProto) => head.fields.has_member("x-forwarded-proto", "https"),
    };
    let target = origin_form(&head.target);
    if !came_by_https {
        let mut reply = Reply::text(301, "");
        let location = format!("https://{name}{target}");
        reply.headers.push(("Location".into(), location));
        return Cow::Owned(reply);
    }
    let path = target.split('?').next().unwrap_or_default();
    let exact = app.routes.get(path);
    let route = exact.or_else(|| {
        // The longest prefix that fits.
        let prefixes = app.routes.iter().filter(|(pattern, _)| {
            let prefix = pattern.strip_suffix('*');
            prefix.is_some_and(|p| path.starts_with(p))
        });
        let longest = prefixes.max_by_key(|(pattern, _)| pattern.len());
        longest.map(|(_, route)| route)
    });
    match route {
        Some(route) => Cow::Borrowed(route.at(now)),
        None => Cow::Owned(Reply::text(404, "not found\n")),
    }
}

/// Whether a server's name, perhaps with `*.` for any label, is the one asked for.
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => name
            .split_once('.')
            .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

/// Path and query, where a request names the whole URI (RFC 9112 §3.2.2).
fn origin_form(target: &str) -> &str {
    let Some((scheme, rest)) = target.split_once("://") else {
        return target;
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return target;
    }
    rest.find(['/', '?']).map_or("/", |at| &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::config::{Content, Route};
    use crate::wire::http1::Limits;

    fn app() -> App {
        let mut app = App::on(8080);
        for path in ["/", "/api/*", "/api/v2/*"] {
            let reply = Reply::text(200, path);
            let down = Reply::text(503, "down");
            let during = vec![(Duration::from_secs(10), Duration::from_secs(40), down)];
            app.routes.insert(path.into(), Route { reply, during });
        }
        app
    }

    fn answer(app: &App, request: &str, at: u64) -> (u16, String) {
        let limits = Limits {
            line: 100,
            field: 100,
            head: 1_000,
        };
        let text = format!("{request}\r\n\r\n");
        let (head, _) = RequestHead::parse(text.as_bytes(), &limits)
            .unwrap()
            .unwrap();
        let reply = choose(app, &head, Duration::from_secs(at));
        let Content::Text(body) = &reply.body else {
            panic!("a text")
        };
        let location = reply.headers.first().map(|(_, value)| value.clone());
        (reply.status, location.unwrap_or_else(|| body.clone()))
    }

    #[test]
    fn a_path_is_exact_or_the_longest_prefix_and_has_its_times() {
        let app = app();
        let at = |target: &str, at| answer(&app, &format!("GET {target} HTTP/1.1"), at);
        assert_eq!(at("/?a=/api/", 0), (200, "/".into()));
        assert_eq!(at("http://x/api/v2/a", 9), (200, "/api/v2/*".into()));
        assert_eq!(at("/api/v1", 10), (503, "down".into()));
        assert_eq!(at("/api/v1", 40), (200, "/api/*".into()));
        assert_eq!(at("/api", 0).0, 404);
    }

    #[test]
    fn other_names_get_the_default_server() {
        let mut app = app();
        app.hosts = vec!["your-app.com".into(), "*.your-app.com".into()];
        let host = |host: &str| answer(&app, &format!("GET / HTTP/1.1\r\nHost: {host}"), 0).0;
        assert_eq!(host("Your-App.com:8080"), 200);
        assert_eq!(host("www.your-app.com"), 200);
        assert_eq!(host("a.www.your-app.com"), 404);
        assert_eq!(host("10.0.2.21:32768"), 404);
    }

    #[test]
    fn plain_http_is_sent_to_https_unless_a_proxy_says_it_was_https() {
        let mut app = app();
        let forwarded = "GET /a?b HTTP/1.1\r\nHost: x:80\r\nX-Forwarded-Proto: https";
        app.https_only = Some(HttpsOnly::Connection);
        assert_eq!(answer(&app, forwarded, 0), (301, "https://x/a?b".into()));
        app.https_only = Some(HttpsOnly::ForwardedProto);
        assert_eq!(answer(&app, forwarded, 0).0, 404);
        let plain = "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: http";
        assert_eq!(answer(&app, plain, 0), (301, "https://x/".into()));
    }
}
