//! A client's cookies (RFC 6265 §5): what responses set is kept, and shown to those servers and paths that it is for.
//! Every request of a lab is one that the user makes herself, so that `SameSite` (which is about requests that pages of
//! other sites make) never keeps a cookie back.

use std::net::IpAddr;

use super::date;
use crate::event::CookieFact;
use crate::role::config::Origin;
use crate::time::UnixSeconds;

/// More are not kept of one site (RFC 6265 §6.1 asks for 50 at least; Chrome keeps 180).
const PER_DOMAIN_MAX: usize = 180;
/// Bytes of a name and its value together (as Chrome and Firefox have it).
const PAIR_MAX: usize = 4096;

/// The cookies of one client.
#[derive(Debug, Default)]
pub(super) struct Jar {
    /// In the order in which they were made; one that is set anew keeps its place.
    cookies: Vec<Cookie>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// It is for this host only, and not for those below it.
    host_only: bool,
    path: String,
    secure: bool,
    /// `None` ends with the client.
    expires: Option<UnixSeconds>,
}

impl Jar {
    /// The value of the field `Cookie` for a request, where there is anything to show: longer paths first, then older
    /// cookies (RFC 6265 §5.4).
    pub(super) fn shown(&self, origin: &Origin, target: &str, now: UnixSeconds) -> Option<String> {
        let (host, path) = (origin.host.to_ascii_lowercase(), path_of(target));
        let fits = |c: &&Cookie| {
            let host_fits = if c.host_only {
                c.domain == host
            } else {
                domain_matches(&host, &c.domain)
            };
            let over = c.expires.is_some_and(|at| at <= now);
            host_fits && !over && path_matches(path, &c.path) && (origin.https || !c.secure)
        };
        let mut shown: Vec<&Cookie> = self.cookies.iter().filter(fits).collect();
        // Stable: of equal length the older one stays first.
        shown.sort_by_key(|c| std::cmp::Reverse(c.path.len()));
        let pairs = shown.iter().map(|c| match c.name.as_str() {
            "" => c.value.clone(),
            name => format!("{name}={}", c.value),
        });
        let pairs: Vec<String> = pairs.collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Takes in what one field `Set-Cookie` says of a response to a request for `target` (RFC 6265 §5.2 and §5.3).
    pub(super) fn take(
        &mut self,
        field: &str,
        origin: &Origin,
        target: &str,
        now: UnixSeconds,
    ) -> CookieFact {
        let host = origin.host.to_ascii_lowercase();
        let cookie = match read(field, &host, target, origin.https, now) {
            Ok(cookie) => cookie,
            Err((name, why)) => return CookieFact::Refused { name, why },
        };
        let same = |c: &Cookie| {
            c.name == cookie.name && c.domain == cookie.domain && c.path == cookie.path
        };
        let before = self.cookies.iter().position(same);
        if cookie.expires.is_some_and(|at| at <= now) {
            if let Some(before) = before {
                self.cookies.remove(before);
            }
            return CookieFact::Removed { name: cookie.name };
        }
        let fact = CookieFact::Stored {
            name: cookie.name.clone(),
            value: cookie.value.clone(),
            domain: cookie.domain.clone(),
            path: cookie.path.clone(),
            expires: cookie.expires,
        };
        if let Some(before) = before {
            self.cookies[before] = cookie;
            return fact;
        }
        let of_domain = |c: &Cookie| c.domain == cookie.domain;
        if self.cookies.iter().filter(|c| of_domain(c)).count() >= PER_DOMAIN_MAX
            && let Some(oldest) = self.cookies.iter().position(of_domain)
        {
            self.cookies.remove(oldest);
        }
        self.cookies.push(cookie);
        fact
    }
}

/// A cookie as a field says it, or its name and why it is not taken.
fn read(
    field: &str,
    host: &str,
    target: &str,
    https: bool,
    now: UnixSeconds,
) -> Result<Cookie, (String, String)> {
    let mut parts = field.split(';');
    let pair = parts.next().unwrap_or_default();
    // Without a `=` all of it is the value (RFC 6265bis; RFC 6265 had such a field ignored, no browser did).
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
    let refused = |why: &str| Err((name.clone(), why.to_owned()));
    if name.is_empty() && value.is_empty() {
        return refused("it has neither a name nor a value");
    }
    if name.len() + value.len() > PAIR_MAX {
        return refused("name and value are longer than 4096 bytes");
    }
    let (mut domain, mut path) = (None, None);
    let (mut expires, mut max_age) = (None, None);
    let mut secure = false;
    for attribute in parts {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim();
        // Of several the last one counts.
        match key.trim().to_ascii_lowercase().as_str() {
            "expires" => expires = date::parse(value).or(expires),
            "max-age" => max_age = seconds(value).or(max_age),
            "domain" if !value.is_empty() => {
                let value = value.strip_prefix('.').unwrap_or(value);
                domain = Some(value.to_ascii_lowercase());
            }
            "path" => path = Some(value).filter(|p| p.starts_with('/')),
            "secure" => secure = true,
            // HttpOnly is about scripts, SameSite about other sites' pages: there are none here.
            _ => {}
        }
    }
    let host_only = domain.as_deref().is_none_or(|d| d == host && is_alone(d));
    let domain = match domain {
        None => host.to_owned(),
        // RFC 6265 §5.3 step 5; which suffixes are public beyond those without a dot is not known here.
        Some(domain) if is_alone(&domain) && domain != host => {
            return refused(&format!("{domain} is not a domain to set cookies for"));
        }
        Some(domain) if !domain_matches(host, &domain) => {
            return refused(&format!("{host} is not in the domain {domain}"));
        }
        Some(domain) => domain,
    };
    // RFC 6265bis §5.7, as browsers have it since 2017.
    if secure && !https {
        return refused("it is `Secure`, and came over plain HTTP");
    }
    if name.starts_with("__Secure-") && !secure {
        return refused("a name that begins with `__Secure-` wants the attribute `Secure`");
    }
    let whole_host = secure && host_only && path == Some("/");
    if name.starts_with("__Host-") && !whole_host {
        return refused(
            "a name that begins with `__Host-` wants `Secure`, `Path=/` and no `Domain`",
        );
    }
    // Max-Age goes before Expires.
    let expires = match max_age {
        Some(seconds @ 1..) => Some(UnixSeconds(now.0.saturating_add(seconds.unsigned_abs()))),
        Some(_) => Some(UnixSeconds(0)),
        None => expires,
    };
    Ok(Cookie {
        name,
        value,
        domain,
        host_only,
        path: path.unwrap_or_else(|| default_path(target)).to_owned(),
        secure,
        expires,
    })
}

/// RFC 6265 §5.2.2: digits, perhaps with a minus before them.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let limit = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    number.then(|| text.parse().unwrap_or(limit))
}

/// An address, or a name without a dot such as a top-level domain: nothing is below it.
fn is_alone(domain: &str) -> bool {
    !domain.contains('.') || domain.parse::<IpAddr>().is_ok()
}

/// RFC 6265 §5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    if host == domain {
        return true;
    }
    let above = host.strip_suffix(domain);
    above.is_some_and(|a| a.ends_with('.')) && host.parse::<IpAddr>().is_err()
}

/// RFC 6265 §5.1.4.
fn path_matches(path: &str, cookie: &str) -> bool {
    let rest = path.strip_prefix(cookie);
    rest.is_some_and(|r| r.is_empty() || cookie.ends_with('/') || r.starts_with('/'))
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// The folder of what was asked for (RFC 6265 §5.1.4).
fn default_path(target: &str) -> &str {
    let path = path_of(target);
    match path.rfind('/') {
        Some(at @ 1..) if path.starts_with('/') => &path[..at],
        Some(_) | None => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_762_300_800);

    fn origin(url: &str) -> Origin {
        let (scheme, host) = url.split_once("://").unwrap();
        Origin {
            https: scheme == "https",
            host: host.into(),
            port: 443,
        }
    }

    /// What is shown at `at` after `https://your-app.com/a/b` has set these.
    fn after(fields: &[&str], url: &str, target: &str, at: UnixSeconds) -> String {
        let mut jar = Jar::default();
        for field in fields {
            jar.take(field, &origin("https://your-app.com"), "/a/b?c", NOW);
        }
        jar.shown(&origin(url), target, at).unwrap_or_default()
    }

    #[test]
    fn a_cookie_comes_back_to_its_host_and_folder() {
        let set = ["a=1; HttpOnly; SameSite=None"];
        assert_eq!(after(&set, "https://Your-App.com", "/a/x", NOW), "a=1");
        assert_eq!(after(&set, "http://your-app.com", "/a", NOW), "a=1");
        assert_eq!(after(&set, "https://your-app.com", "/ab", NOW), "");
        assert_eq!(after(&set, "https://www.your-app.com", "/a", NOW), "");
        assert_eq!(
            after(&["a=1; Path=x"], "https://your-app.com", "/a", NOW),
            "a=1"
        );
    }

    #[test]
    fn a_domain_covers_what_is_below_it() {
        let set = ["a=1; Domain=.Your-App.com; Path=/"];
        assert_eq!(after(&set, "https://www.your-app.com", "/", NOW), "a=1");
        assert_eq!(after(&set, "https://notyour-app.com", "/", NOW), "");
        for (domain, why) in [
            ("com", "com is not a domain to set cookies for"),
            (
                "www.your-app.com",
                "your-app.com is not in the domain www.your-app.com",
            ),
            ("app.com", "your-app.com is not in the domain app.com"),
        ] {
            let field = format!("a=1; Domain={domain}");
            let took = Jar::default().take(&field, &origin("https://your-app.com"), "/", NOW);
            let CookieFact::Refused { name, why: said } = took else {
                panic!("{took:?}")
            };
            assert_eq!((name.as_str(), said.as_str()), ("a", why));
        }
    }

    #[test]
    fn an_address_has_nothing_below_it() {
        let mut jar = Jar::default();
        let there = origin("http://10.0.2.21");
        jar.take("a=1; Domain=10.0.2.21", &there, "/", NOW);
        assert_eq!(jar.shown(&there, "/", NOW).unwrap(), "a=1");
        let took = jar.take("b=1; Domain=2.21", &there, "/", NOW);
        assert!(matches!(took, CookieFact::Refused { .. }), "{took:?}");
        let other = origin("http://1.10.0.2.21");
        assert_eq!(jar.shown(&other, "/", NOW), None);
    }

    #[test]
    fn a_secure_cookie_keeps_to_tls() {
        let set = ["a=1; Path=/; Secure"];
        assert_eq!(after(&set, "https://your-app.com", "/", NOW), "a=1");
        assert_eq!(after(&set, "http://your-app.com", "/", NOW), "");
        let mut jar = Jar::default();
        for field in [
            "a=1; Secure",
            "__Secure-a=1",
            "__Host-a=1; Secure; Path=/a",
            "",
            "=",
        ] {
            let took = jar.take(field, &origin("http://your-app.com"), "/", NOW);
            assert!(
                matches!(took, CookieFact::Refused { .. }),
                "{field}: {took:?}"
            );
        }
        let set = ["__Host-a=1; Secure; Path=/", "__Secure-b=2; Secure"];
        let all = after(&set, "https://your-app.com", "/a/", NOW);
        assert_eq!(all, "__Secure-b=2; __Host-a=1");
    }

    #[test]
    fn max_age_goes_before_expires_and_the_past_removes() {
        let later = |n| UnixSeconds(NOW.0 + n);
        let at = |fields: &[&str], n| after(fields, "https://your-app.com", "/a/", later(n));
        let set = ["a=1; Max-Age=10; Expires=Wed, 12 Nov 2025 00:00:00 GMT"];
        assert_eq!((at(&set, 9), at(&set, 10)), ("a=1".into(), String::new()));
        let set = ["a=1; Expires=Wed, 12 Nov 2025 00:00:00 GMT"];
        let week = 7 * 86_400;
        assert_eq!(at(&set, week - 1), "a=1");
        assert_eq!(at(&set, week), "");
        let removal = "a=gone; Max-Age=0";
        assert_eq!(at(&["a=1", "b=2", removal], 0), "b=2");
        assert_eq!(
            at(&["a=1; Max-Age=x"], week),
            "a=1",
            "no number: to the end"
        );
        let past = "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(at(&["a=1", past], 0), "");
        // Another path is another cookie.
        assert_eq!(at(&["a=1", "a=; Max-Age=-1; Path=/"], 0), "a=1");
    }

    #[test]
    fn longer_paths_come_first_then_older_cookies() {
        let set = ["a=1; Path=/", "b=2; Path=/", "c=3", "a=4; Path=/", "d"];
        let all = after(&set, "https://your-app.com", "/a/b", NOW);
        assert_eq!(all, "c=3; d; a=4; b=2");
    }

    #[test]
    fn a_site_has_so_much_room() {
        let mut jar = Jar::default();
        let there = origin("https://your-app.com");
        for n in 0..=PER_DOMAIN_MAX {
            jar.take(&format!("c{n}=1"), &there, "/", NOW);
        }
        let all = jar.shown(&there, "/", NOW).unwrap();
        assert_eq!(all.split("; ").count(), PER_DOMAIN_MAX);
        assert!(all.starts_with("c1=1; "), "{all}");
        let huge = format!("a={}", "x".repeat(PAIR_MAX));
        let took = jar.take(&huge, &there, "/", NOW);
        assert!(matches!(took, CookieFact::Refused { .. }), "{took:?}");
    }
}
