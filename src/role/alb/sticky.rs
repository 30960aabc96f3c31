//! Stickiness: cookies by which a client stays with its target, or its target group (AWS "Sticky sessions for your
//! Application Load Balancer").

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::role::Node;
use crate::time::UnixSeconds;
use crate::tls::server::TicketKey;

/// For how long a browser is told to keep a cookie, whatever the stickiness: 7 days.
const KEPT: u64 = 7 * 86_400;

/// Bytes of what a cookie says before it is sealed. With the seal that is 96, and 128 characters of Base64, the length
/// of AWS's own.
const CONTENT: usize = 52;
/// Of these: when it ends, and the length of what follows.
const HEAD: usize = 9;

/// The load balancer's cookies. All of its nodes have the same key, so that each reads what another wrote.
pub(super) struct Cookies {
    node: Node,
    key: TicketKey,
}

impl Cookies {
    /// Those of the load balancer called `name`.
    pub(super) fn new(node: &Node, name: &str) -> Self {
        let mut key = [0; 32];
        node.chance
            .shared(format_args!("load-balancer/{name}/cookies"), &mut key);
        Self {
            node: node.clone(),
            key: TicketKey::new(key),
        }
    }

    /// A value that says `content`, of 43 bytes at most, for as long as `lasts` seconds.
    pub(super) fn write(&self, content: &[u8], lasts: u64) -> Option<String> {
        let mut plain = [0; CONTENT];
        plain[..8].copy_from_slice(&(self.node.clock.date().0 + lasts).to_be_bytes());
        plain[8] = u8::try_from(content.len()).ok()?;
        plain
            .get_mut(HEAD..HEAD + content.len())?
            .copy_from_slice(content);
        let mut nonce = [0; 12];
        self.node.chance.fill("cookie", &mut nonce);
        Some(base64(&self.key.seal(&plain, nonce)?))
    }

    /// What a value says: nothing when it is not ours, was changed, or has ended.
    pub(super) fn read(&self, value: &str) -> Option<Vec<u8>> {
        let plain = self.key.open(&from_base64(value)?)?;
        let (ends, rest) = plain.split_first_chunk::<8>()?;
        let (length, content) = rest.split_first()?;
        if u64::from_be_bytes(*ends) <= self.node.clock.date().0 {
            return None;
        }
        content.get(..usize::from(*length)).map(<[u8]>::to_vec)
    }

    /// `name=value` with the attributes that AWS gives its cookies.
    pub(super) fn set(&self, name: &str, value: &str, attributes: &str) -> String {
        let expires = UnixSeconds(self.node.clock.date().0 + KEPT).to_http_date();
        format!("{name}={value}; Expires={expires}; Path=/{attributes}")
    }

    /// A cookie and its twin for requests from other sites' pages.
    pub(super) fn pair(&self, name: &str, content: &[u8], lasts: u64) -> Vec<String> {
        let Some(value) = self.write(content, lasts) else {
            return Vec::new();
        };
        vec![
            self.set(name, &value, ""),
            self.set(&format!("{name}CORS"), &value, "; SameSite=None; Secure"),
        ]
    }
}

/// The values of the cookie called `name` in `Cookie` fields (RFC 6265 §4.2.1).
pub(super) fn sent<'a>(fields: impl Iterator<Item = &'a [u8]>, name: &str) -> Vec<&'a str> {
    let pairs = fields
        .filter_map(|f| str::from_utf8(f).ok())
        .flat_map(|f| f.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(n, _)| *n == name).map(|(_, v)| v).collect()
}

/// Whether a `Set-Cookie` field sets the cookie called `name`.
pub(super) fn sets(field: &[u8], name: &str) -> bool {
    let rest = field.strip_prefix(name.as_bytes());
    rest.is_some_and(|r| r.trim_ascii_start().starts_with(b"="))
}

/// An address as cookies have it: 16 bytes and a port.
pub(super) fn address_bytes(address: SocketAddr) -> Vec<u8> {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    [&ip.octets()[..], &address.port().to_be_bytes()].concat()
}

/// The address that a cookie says.
pub(super) fn address_of(content: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = content.split_first_chunk::<16>()?;
    let port = u16::from_be_bytes(port.try_into().ok()?);
    let ip = Ipv6Addr::from(*ip);
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    Some(SocketAddr::new(ip, port))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648 §4) of whole groups of three bytes, which need no padding.
fn base64(bytes: &[u8]) -> String {
    let groups = bytes.chunks_exact(3);
    let digits = groups.flat_map(|g| {
        let bits = u32::from(g[0]) << 16 | u32::from(g[1]) << 8 | u32::from(g[2]);
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize]))
    });
    digits.collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |c: &u8| ALPHABET.iter().position(|a| a == c);
    let groups = text.as_bytes().chunks(4).map(|group| {
        let digits: Vec<usize> = group.iter().map(digit).collect::<Option<_>>()?;
        let [a, b, c, d] = digits[..] else {
            return None;
        };
        let bits = (a << 18 | b << 12 | c << 6 | d) as u32;
        let [_, bytes @ ..] = bits.to_be_bytes();
        Some(bytes)
    });
    Some(groups.collect::<Option<Vec<_>>>()?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_comes_back() {
        assert_eq!(base64(b"tunlab"), "dHVubGFi");
        let all: Vec<u8> = (0..=255).cycle().take(258).collect();
        assert_eq!(from_base64(&base64(&all)).unwrap(), all);
        assert_eq!(from_base64("dHV"), None);
        assert_eq!(from_base64("dH%3"), None, "URL-encoded values are refused");
    }

    #[test]
    fn an_address_of_either_family_comes_back() {
        for text in ["10.0.2.21:32768", "[2001:db8::1]:80"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(address_of(&address_bytes(address)), Some(address));
        }
        assert_eq!(address_of(b"web"), None);
    }

    #[test]
    fn cookies_are_found_in_their_fields() {
        let fields = [&b"a=1; AWSALB=x; b=2"[..], b"AWSALB=y"];
        assert_eq!(sent(fields.into_iter(), "AWSALB"), ["x", "y"]);
        assert_eq!(sent(fields.into_iter(), "AWSALBCORS"), Vec::<&str>::new());
        assert!(sets(b"SESSION=1; Path=/", "SESSION"));
        assert!(!sets(b"SESSIONS=1", "SESSION"));
    }
}
