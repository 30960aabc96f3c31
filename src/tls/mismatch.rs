//! Why a client and a server cannot agree: what the one offers, what the other accepts, and what would have worked.

use super::config::ServerTls;
use super::policy;
use crate::event::Mismatch;
use crate::wire::tls::{ClientHello, TLS12, TLS13, group_name, suite_name, version_name};

/// What a server accepts, engines aside: by its security policy where it has one.
struct Accepts {
    versions: Vec<u16>,
    suites: Vec<u16>,
    groups: Vec<u16>,
}

impl Accepts {
    fn of(tls: &ServerTls) -> Self {
        match tls.policy.as_deref().and_then(policy::policy) {
            Some(policy) => Self {
                versions: policy.versions(),
                groups: policy.groups.to_vec(),
                suites: policy.suites,
            },
            None => Self {
                versions: tls.versions.iter().map(|v| v.number()).collect(),
                suites: tls.suites.iter().map(|s| s.0).collect(),
                groups: tls.groups.iter().map(|g| g.number()).collect(),
            },
        }
    }
}

/// What keeps a client with this ClientHello from agreeing with a server; `None` when nothing does, or something that is
/// not in the hello. The server's certificate is for an RSA key, or else for an elliptic curve.
pub(super) fn mismatch(hello: &ClientHello, tls: &ServerTls, rsa_key: bool) -> Option<Mismatch> {
    let accepts = Accepts::of(tls);
    let offered = hello.versions();
    // Without the extension a client takes every version up to the one it names (RFC 5246 §E.1).
    let all_below = hello.supported_versions.is_empty();
    let takes = |v: &u16| {
        if all_below {
            *v <= hello.legacy_version
        } else {
            offered.contains(v)
        }
    };
    let common: Vec<u16> = accepts.versions.iter().copied().filter(takes).collect();
    let speaks = |v: &u16| [TLS12, TLS13].contains(v);
    if !common.iter().any(speaks) {
        return Some(Mismatch {
            what: "version",
            offered: offered.into_iter().map(version_name).collect(),
            accepted: accepts.versions.iter().copied().map(version_name).collect(),
            unspoken: common.into_iter().map(version_name).collect(),
        });
    }
    let fits = |s: &u16| {
        let thirteen = s >> 8 == 0x13;
        let version = if thirteen { TLS13 } else { TLS12 };
        let name = suite_name(*s);
        let key = thirteen || name.contains("ECDSA") != rsa_key;
        common.contains(&version) && key
    };
    let usable: Vec<u16> = accepts.suites.iter().copied().filter(fits).collect();
    let both: Vec<u16> = usable
        .iter()
        .copied()
        .filter(|s| hello.suites.contains(s))
        .collect();
    let spoken = |s: &&u16| tls.suites.iter().any(|known| known.0 == **s);
    if both.iter().filter(spoken).count() == 0 {
        return Some(Mismatch {
            what: "suite",
            offered: hello.suites.iter().copied().map(suite_name).collect(),
            accepted: usable.into_iter().map(suite_name).collect(),
            unspoken: both.into_iter().map(suite_name).collect(),
        });
    }
    // RSA key exchange needs no group. RFC 8422 §4: without the extension any curve is the server's to choose.
    let without_group = both.iter().any(|s| suite_name(*s).starts_with("TLS_RSA"));
    if without_group || hello.groups.is_empty() {
        return None;
    }
    let both = |g: &&u16| hello.groups.contains(g);
    let common: Vec<u16> = accepts.groups.iter().filter(both).copied().collect();
    let spoken = |g: &u16| tls.groups.iter().any(|known| known.number() == *g);
    (!common.iter().any(spoken)).then(|| Mismatch {
        what: "group",
        offered: hello.groups.iter().copied().map(group_name).collect(),
        accepted: accepts.groups.iter().copied().map(group_name).collect(),
        unspoken: common.into_iter().map(group_name).collect(),
    })
}
