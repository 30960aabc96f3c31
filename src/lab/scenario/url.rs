//! What is asked for.

use std::net::Ipv4Addr;

use crate::lab::decode::Item;
use crate::lab::pki::is_host_name;
use crate::lab::plan::Url;

/// A URL, or a list of them that one connection can carry.
pub(super) fn urls(item: Item<'_>) -> Option<Vec<Url>> {
    if item.as_text().is_some() {
        return url(item).map(|url| vec![url]);
    }
    let mut first: Option<Url> = None;
    item.some(|item| {
        let url = url(item)?;
        let first = first.get_or_insert_with(|| url.clone());
        if !url.shares_origin(first) {
            item.wrong(
                format!("`{url}` needs a connection of its own"),
                "expected the scheme, host and port of the first",
                "another step fetches it over another connection".to_owned(),
            );
            return None;
        }
        Some(url)
    })
}

/// A URL.
pub(super) fn url(item: Item<'_>) -> Option<Url> {
    let text = item.text()?;
    match parse_url(text) {
        Ok(url) => Some(url),
        Err(label) => {
            item.wrong(format!("`{}` is not a URL", item.key), label, None);
            None
        }
    }
}

/// The http and https URIs of RFC 9110 §4.2, without user information, fragment and IPv6 literals.
fn parse_url(text: &str) -> Result<Url, &'static str> {
    let (https, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("http://") {
        (false, rest)
    } else {
        return Err("expected `https://` or `http://` at the start");
    };
    if !text.chars().all(|c| c.is_ascii_graphic()) || text.contains(['#', '@', '\\', '"', '<', '>'])
    {
        return Err("expected a host, perhaps a port, a path and a query, percent-encoded");
    }
    if text.len() > 8_000 {
        return Err("expected at most 8000 characters");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(0)),
        None => (authority, if https { 443 } else { 80 }),
    };
    if port == 0 {
        return Err("expected a port of 1 to 65535 behind the `:`");
    }
    if !is_host_name(host) && host.parse::<Ipv4Addr>().is_err() {
        return Err("expected a host name or an IPv4 address behind the `//`");
    }
    let target = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("/{target}")
    };
    Ok(Url {
        https,
        host: host.to_ascii_lowercase(),
        port,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = |text| parse_url(text).map(|u| (u.https, u.host, u.port, u.target));
        let parts = |https, host: &str, port, target: &str| {
            Ok((https, host.to_owned(), port, target.to_owned()))
        };
        assert_eq!(
            url("https://Your-App.com/notification/health/check"),
            parts(true, "your-app.com", 443, "/notification/health/check")
        );
        assert_eq!(url("http://a:8080?x=1"), parts(false, "a", 8080, "/?x=1"));
        assert_eq!(
            url("http://198.51.100.10"),
            parts(false, "198.51.100.10", 80, "/")
        );
        for bad in [
            "ftp://a",
            "https://",
            "https://a:0",
            "https://a:x",
            "https://u@a",
            "https://a/#b",
            "https://a/b c",
            "https://[::1]/",
        ] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }
}
