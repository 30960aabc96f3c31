//! How the two sides of a connection speak TLS: versions, groups, suites, protocols, and who shows a certificate.

use std::time::Duration;

use super::decode::{Fields, Item};
use super::pki::Pki;
use crate::tls::config::{
    ClientCertificates, ClientTakes, ClientTls, ClockSkew, Group, KeyKind, MutualMode, Resumption,
    Revocation, RsaExtensions, ServerTakes, ServerTls, Suite, Validation, Validator, Version,
};
use crate::tls::policy::{self, Policy, policy};
use crate::units::parse_duration;

mod words;

use words::{alpn, distinct, legacy, old_version, versions};
pub(super) use words::{group, suite, version};

/// Reads what a client's table says about TLS.
pub(super) fn client(table: &mut Fields<'_>, pki: &Pki<'_>) -> Option<ClientTls> {
    let trust = table.or("trust", Vec::new(), |i| i.each(|a| pki.authority_of(a)));
    let versions = table.optional("tls");
    let old = versions.and_then(|i| Some((i, old_version(i)?)));
    let (legacy, spoken) = match old {
        Some((item, highest)) => {
            let legacy = legacy(table, item, highest);
            (legacy.map(Some), Some(Spoken::usual()))
        }
        None => (Some(None), spoken(table, versions, Spoken::usual().suites)),
    };
    let alpn = table.or("alpn", http_1_1(), alpn);
    let resume_item = table.optional("resume");
    let resume = resume_item.map_or(Some(false), Item::boolean);
    let certificate_item = table.optional("certificate");
    let certificate = certificate_item.map_or(Some(None), |i| pki.certificate_of(i).map(Some));
    let validation = validation(table);
    let takes = table.or("takes", ClientTakes::default(), client_takes);
    let spoken = spoken?;
    let excluded = [
        resume_item.filter(|_| resume == Some(true)),
        certificate_item,
    ];
    spoken.excludes(excluded)?;
    let static_rsa = spoken.suites.iter().filter(|s| s.is_static_rsa()).count();
    if (1..spoken.suites.len()).contains(&static_rsa) {
        table.wrong(
            "suites of RSA key exchange stand beside others",
            "expected suites of one kind in a client: another engine speaks RSA key exchange",
            "its suites begin with `TLS_RSA_`".to_owned(),
        );
        return None;
    }
    let Spoken {
        versions,
        groups,
        suites,
        rsa_extensions,
    } = spoken;
    Some(ClientTls {
        versions,
        legacy: legacy?,
        groups,
        suites,
        rsa_extensions,
        alpn: alpn?,
        resume: resume?,
        certificate: certificate?,
        trust: trust?,
        validation: validation?,
        takes: takes?,
    })
}

/// How a client looks at a server's certificate.
fn validation(table: &mut Fields<'_>) -> Option<Validation> {
    let validator = table.or("validator", Validator::default(), |i| {
        i.one_of("validator", &Validator::WORDS)
    });
    let revocation = table.or("revocation", Revocation::default(), |i| {
        i.one_of("source of revocations", &Revocation::WORDS)
    });
    let clock_skew = table.or("clock-skew", ClockSkew::default(), clock_skew);
    Some(Validation {
        validator: validator?,
        revocation: revocation?,
        clock_skew: clock_skew?,
    })
}

/// A signed time in whole seconds, or in days: "-400 days", "90 s".
fn clock_skew(item: Item<'_>) -> Option<ClockSkew> {
    const DAY: u64 = 86_400;
    /// A lab's clock is in this century: what is beyond shows 1970 or no certificate's date.
    const YEARS_MAX: u64 = 100;
    let text = item.text()?;
    let (behind, size) = match text.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let days = size
        .strip_suffix("days")
        .or_else(|| size.strip_suffix("day"));
    let seconds = match days {
        Some(days) => days
            .trim()
            .parse::<u64>()
            .ok()
            .and_then(|d| d.checked_mul(DAY)),
        None => parse_duration(size)
            .ok()
            .filter(|d| d.subsec_nanos() == 0)
            .map(|d| d.as_secs()),
    };
    let seconds = seconds.filter(|s| *s <= YEARS_MAX * 365 * DAY);
    let Some(seconds) = seconds.and_then(|s| i64::try_from(s).ok()) else {
        let label =
            "expected whole seconds, hours or days, at most 100 years, such as \"-400 days\"";
        item.wrong("`clock-skew` is not a signed time", label, None);
        return None;
    };
    Some(ClockSkew(if behind { -seconds } else { seconds }))
}

/// Whose listener it is: defaults differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// An application's.
    App,
    /// A load balancer's, which speaks HTTP/2 to clients unless it is told not to (AWS "Listeners for your Application
    /// Load Balancers").
    LoadBalancer,
}

/// Reads what a listener's table says about TLS: nothing for an HTTP listener, which has no `certificate`.
pub(super) fn server(
    table: &mut Fields<'_>,
    pki: &Pki<'_>,
    takes: ServerTakes,
    owner: Owner,
) -> Option<Option<ServerTls>> {
    let Some(certificate) = table.optional("certificate") else {
        let keys = [
            "security-policy",
            "certificates",
            "tls",
            "groups",
            "suites",
            "extended-master-secret",
            "encrypt-then-mac",
            "alpn",
            "resumption",
            "mutual-authentication",
        ];
        let label = "expected a `certificate` beside it: this is an HTTP listener";
        refuse(table, &keys, label, |key| {
            format!("a listener without certificate has no `{key}`")
        });
        return Some(None);
    };
    let certificate_item = certificate;
    let certificate = pki.certificate_of(certificate);
    let certificates = table.or("certificates", Vec::new(), |i| {
        distinct(i, |c| pki.certificate_of(c))
    });
    let accepted = accepted(table, owner);
    let protocols = match owner {
        Owner::LoadBalancer => vec!["h2".to_owned(), "http/1.1".to_owned()],
        Owner::App => http_1_1(),
    };
    let alpn = table.or("alpn", protocols, alpn);
    let clients_item = table.optional("mutual-authentication");
    // A load balancer that asks for certificates resumes no session (AWS "Mutual authentication with TLS in
    // Application Load Balancer").
    let never_resumes = owner == Owner::LoadBalancer && clients_item.is_some();
    let resumption_item = table.optional("resumption");
    let resumption = match resumption_item {
        Some(item) => item.one_of("kind of resumption", &Resumption::WORDS),
        None if never_resumes => Some(Resumption::Off),
        None => Some(Resumption::default()),
    };
    if let (Some(item), Some(Resumption::Memory | Resumption::Tickets), true) =
        (resumption_item, resumption, never_resumes)
    {
        item.wrong(
            "no session is resumed beside `mutual-authentication`",
            "expected \"off\", or no such key",
            "a load balancer looks at the client's certificate at each connection".to_owned(),
        );
    }
    let clients = clients_item.map_or(Some(None), |item| {
        client_certificates(item, pki, owner).map(Some)
    });
    let (policy, spoken) = accepted?;
    let certificate = certificate?;
    let excluded = [
        resumption_item.filter(|_| resumption != Some(Resumption::Off)),
        clients_item,
    ];
    spoken.excludes(excluded)?;
    let own = pki.spec.certificates.iter().find(|c| c.name == certificate);
    if spoken.is_static_rsa() && own.is_some_and(|c| c.key != KeyKind::Rsa2048) {
        certificate_item.wrong(
            "RSA key exchange needs a certificate with an RSA key",
            "this one has a key that cannot decrypt",
            format!("give it one: `[certificate.{certificate}]`, `key = \"RSA-2048\"`"),
        );
        return None;
    }
    let Spoken {
        versions,
        groups,
        suites,
        rsa_extensions,
    } = spoken;
    Some(Some(ServerTls {
        policy,
        certificate,
        certificates: certificates?,
        versions,
        groups,
        suites,
        rsa_extensions,
        alpn: alpn?,
        resumption: resumption?,
        clients: clients?,
        takes,
    }))
}

/// Which certificates of clients a listener asks for.
fn client_certificates(item: Item<'_>, pki: &Pki<'_>, owner: Owner) -> Option<ClientCertificates> {
    let mut table = item.fields()?;
    let mode = table.or("mode", MutualMode::default(), |i| {
        i.one_of("mode", &MutualMode::WORDS)
    });
    if mode == Some(MutualMode::Passthrough) {
        let keys = ["trust", "required", "advertise-ca-names"];
        let label = "expected no such key: the target judges what the client shows";
        refuse(&mut table, &keys, label, |key| {
            format!("`{key}` stands beside the mode passthrough")
        });
        table.finish();
        return Some(ClientCertificates {
            mode: MutualMode::Passthrough,
            trust: Vec::new(),
            required: false,
            advertises: false,
        });
    }
    let trust = table.required("trust", "[\"client-root\"]");
    let trust = trust.and_then(|i| i.some(|a| pki.authority_of(a)));
    let required = match owner {
        Owner::App => table.or("required", true, Item::boolean),
        // Its mode `verify` knows no other (AWS "Mutual authentication with TLS in Application Load Balancer").
        Owner::LoadBalancer => Some(true),
    };
    let advertises = table.or("advertise-ca-names", false, Item::boolean);
    table.finish();
    Some(ClientCertificates {
        mode: mode?,
        trust: trust?,
        required: required?,
        advertises: advertises?,
    })
}

/// What both sides say in the same words.
struct Spoken {
    versions: Vec<Version>,
    groups: Vec<Group>,
    suites: Vec<Suite>,
    rsa_extensions: RsaExtensions,
}

impl Spoken {
    fn usual() -> Self {
        Self {
            versions: vec![Version::Tls12, Version::Tls13],
            groups: Group::usual(),
            suites: Suite::USUAL.to_vec(),
            rsa_extensions: RsaExtensions::default(),
        }
    }

    /// Whether the suites are those of RSA key exchange.
    fn is_static_rsa(&self) -> bool {
        self.suites.iter().all(|s| s.is_static_rsa())
    }

    /// RSA key exchange goes without these keys: its engine has full handshakes, and asks for no client certificate.
    fn excludes<'a>(&self, items: impl IntoIterator<Item = Option<Item<'a>>>) -> Option<()> {
        let mut good = Some(());
        for item in items.into_iter().flatten().filter(|_| self.is_static_rsa()) {
            let message = format!("RSA key exchange goes without `{}`", item.key);
            let label = "expected no such key beside these `suites`";
            item.wrong_key(message, label, None);
            good = None;
        }
        good
    }
}

/// Reads `groups`, `suites` and the extensions of RSA key exchange, which must go together with `tls`.
/// Without `suites` they are the `usual` ones.
fn spoken(
    table: &mut Fields<'_>,
    versions_item: Option<Item<'_>>,
    usual: Vec<Suite>,
) -> Option<Spoken> {
    let groups = table.or("groups", Group::usual(), |i| distinct(i, group));
    let suites_item = table.optional("suites");
    let suites = match suites_item {
        Some(item) => distinct(item, suite),
        None => Some(usual),
    };
    let ems_item = table.optional("extended-master-secret");
    let etm_item = table.optional("encrypt-then-mac");
    let ems = ems_item.map_or(Some(true), Item::boolean);
    let etm = etm_item.map_or(Some(true), Item::boolean);
    let versions = match versions_item {
        Some(item) => versions(item),
        None => Some(Spoken::usual().versions),
    };
    let (mut versions, groups, suites) = (versions?, groups?, suites?);
    let static_rsa = suites.iter().filter(|s| s.is_static_rsa()).count();
    for item in [ems_item, etm_item].into_iter().flatten() {
        if static_rsa == 0 {
            item.wrong_key(
                format!("`{}` is for RSA key exchange", item.key),
                "expected `suites` that begin with `TLS_RSA_` beside it",
                "with all other suites the engine decides by itself".to_owned(),
            );
            return None;
        }
    }
    let rsa_extensions = RsaExtensions {
        extended_master_secret: ems?,
        encrypt_then_mac: etm?,
    };
    let speaks = |v: &Version| {
        suites
            .iter()
            .any(|s| s.is_tls13() == (*v == Version::Tls13))
    };
    match versions_item {
        // What the suites are for is what is spoken.
        None => versions.retain(speaks),
        Some(item) => {
            if let Some(silent) = versions.iter().find(|v| !speaks(v)) {
                let at = suites_item.unwrap_or(item);
                let message = format!("no suite is for {}", silent.text());
                at.wrong(message, "expected suites for each version in `tls`", None);
                return None;
            }
        }
    }
    if versions == [Version::Tls12] && groups == [Group::X25519MlKem768] {
        let message = "TLS 1.2 has no X25519MLKEM768";
        let label = "expected another group beside it, or TLS 1.3";
        let help = "for example `groups = [\"X25519MLKEM768\", \"X25519\"]`".to_owned();
        table.wrong(message, label, help);
        return None;
    }
    Some(Spoken {
        versions,
        groups,
        suites,
        rsa_extensions,
    })
}

/// Reads a listener's `security-policy`, or else what it says for itself. A load balancer's that says neither has AWS's
/// default policy; one that says something has the suites of that, unless it says those too.
fn accepted(table: &mut Fields<'_>, owner: Owner) -> Option<(Option<String>, Spoken)> {
    let keys = [
        "tls",
        "groups",
        "suites",
        "extended-master-secret",
        "encrypt-then-mac",
    ];
    let Some(item) = table.optional("security-policy") else {
        let default = match owner {
            Owner::App => None,
            Owner::LoadBalancer => policy(policy::DEFAULT),
        };
        let says = keys.map(|key| table.optional(key).is_some());
        return match default {
            Some(default) if !says.contains(&true) => Some(by_policy(default)),
            default => {
                let usual = default.map_or_else(|| Spoken::usual().suites, |p| p.spoken().suites);
                let versions = table.optional("tls");
                Some((None, spoken(table, versions, usual)?))
            }
        };
    };
    let label = "expected one of the two: the policy says it all";
    refuse(table, &keys, label, |key| {
        format!("`{key}` stands beside a security policy")
    });
    let word = item.text()?;
    let Some(policy) = policy(word) else {
        let names: Vec<String> = policy::names().collect();
        item.unknown("security policy", names.iter().map(String::as_str));
        return None;
    };
    Some(by_policy(policy))
}

fn by_policy(policy: Policy) -> (Option<String>, Spoken) {
    let policy::Spoken {
        versions,
        groups,
        suites,
    } = policy.spoken();
    let spoken = Spoken {
        versions,
        groups,
        suites,
        rsa_extensions: RsaExtensions::default(),
    };
    (Some(policy.name), spoken)
}

/// Reports each of `keys` that is there, and should not be.
fn refuse(
    table: &mut Fields<'_>,
    keys: &[&'static str],
    label: &str,
    message: impl Fn(&str) -> String,
) {
    for key in keys {
        if let Some(extra) = table.optional(key) {
            extra.wrong_key(message(key), label, None);
        }
    }
}

fn http_1_1() -> Vec<String> {
    vec!["http/1.1".to_owned()]
}

fn client_takes(item: Item<'_>) -> Option<ClientTakes> {
    let mut table = item.fields()?;
    let wait = table.or("client-wait", Duration::ZERO, Item::duration);
    let finish = table.or("client-finish", Duration::ZERO, Item::duration);
    table.finish();
    Some(ClientTakes {
        wait: wait?,
        finish: finish?,
    })
}
