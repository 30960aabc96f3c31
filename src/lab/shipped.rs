//! The labs and bases that are part of the program.

/// A lab that is part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// Its path below `labs/`, without `.toml`.
    pub name: &'static str,
    /// The file.
    pub source: &'static str,
}

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        [$(Shipped { name: $name, source: include_str!(concat!("../../labs/", $name, ".toml")) }),*]
    };
}

/// One a line, so that labs come and go without touching each other.
#[rustfmt::skip]
pub(super) const LABS: &[Shipped] = &embed![
    "https-through-alb",
    "timeline-as-written",
    "http/slowloris",
    "http/slowloris.fixed",
    "http/redirect-loop",
    "http/redirect-loop.fixed",
    "tls/tls13-x25519",
    "tls/tls13-post-quantum",
    "tls/tls13-post-quantum-loss",
    "tls/tls13-hello-retry",
    "tls/tls13-resumption",
    "tls/tls12-ecdhe",
    "tls/tls12-resumption",
    "tls/rsa-key-exchange",
    "tls/rsa-key-exchange-cbc",
    "tls/alpn-h2",
    "tls/alpn-mismatch",
    "tls/client-certificate",
    "tls/client-certificate-passthrough",
    "tls/client-certificate-missing",
    "tls/client-certificate-missing-tls12",
    "tls/client-certificate-expired",
    "tls/client-certificate-expired-tls12",
    "alb/rules",
    "alb/health-checks",
    "alb/picks-healthy-target",
    "tcp/pmtud-black-hole",
    "tcp/pmtud-black-hole.fixed",
    "tcp/mss-clamp",
    "tcp/fast-retransmit",
    "tcp/retransmission-timeout",
    "tcp/syn-lost",
    "tcp/duplicates-and-reordering",
    "alb/stickiness",
    "alb/application-cookie",
    "alb/weighted-targets",
    "alb/cross-zone",
    "alb/cross-zone.fixed",
    "alb/deploy",
    "alb/deploy.fixed",
    "alb/deploy-docker-stop",
    "alb/deploy-docker-stop.fixed",
    "alb/websocket-deregistration",
    "alb/health-check-flapping",
    "alb/health-check-flapping.fixed",
    "alb/health-check-host",
    "alb/health-check-host.fixed",
    "cert/accepted",
    "cert/expired",
    "cert/not-yet-valid",
    "cert/wrong-name",
    "cert/apex-under-wildcard",
    "cert/common-name-only",
    "cert/untrusted-issuer",
    "cert/broken-chain",
    "cert/self-signed",
    "cert/expired-root",
    "cert/too-long-validity",
    "cert/wrong-purpose",
    "cert/name-constraint",
    "cert/revoked",
    "cert/bad-signature",
    "cert/stolen-name",
    "cert/clock-skew",
    "cert/root-in-chain",
    "cert/certificate-rotation",
    "cert/sni-many-certificates",
    "attacker/eavesdropper",
    "attacker/eavesdropper-tls12",
    "attacker/man-in-the-middle",
    "attacker/man-in-the-middle-trusted",
    "attacker/man-in-the-middle-relay",
    "attacker/tampering",
    "attacker/replay",
    "attacker/downgrade",
    "attacker/truncation",
    "attacker/replay-hello",
    "attacker/reset-injection",
    "attacker/stolen-key-ecdhe",
    "attacker/stolen-ticket-key",
    "attacker/stolen-ticket-key-tls13",
    "attacker/stolen-key-rsa",
    "security-policy/server-order",
    "security-policy/tls10-client",
    "security-policy/tls11-client",
    "security-policy/tls10-client-old-policy",
    "security-policy/tls12-client-on-tls13",
    "security-policy/no-common-group",
    "security-policy/rsa-only-client",
    "security-policy/rsa-only-client-old-policy",
    "vpc/security-group",
    "vpc/private-address",
    "vpc/plain-http-inside",
    "vpc/rule-removed",
    "vpc/rule-removed-untracked",
    "vpc/acl-without-ephemeral-ports",
    "vpc/acl-without-ephemeral-ports.fixed",
    "alb/headers",
    "alb/spoofed-forwarded-for",
    "alb/spoofed-forwarded-for.fixed",
    "alb/smuggling-monitor",
    "alb/smuggling-defensive",
    "alb/smuggling-strictest",
    "alb/websocket-idle",
    "alb/websocket-idle.fixed",
    "http/ten-thousand-requests",
    "http/ten-thousand-requests.fixed",
    "vpc/nat-idle-timeout",
    "vpc/nat-idle-timeout.fixed",
    "vpc/jumbo-mismatch",
    "vpc/jumbo-mismatch.fixed",
    "vpc/internet-gateway",
    "vpc/internet-gateway.fixed",
    "vpc/nat-path-mtu",
    "vpc/nat-path-mtu.fixed",
    "vpc/ping",
    "vpc/ping-filtered",
    "vpc/ping-filtered.fixed",
    "vpc/zone-delay",
    "vpc/zone-delay.fixed",
    "alb/host-gone",
    "alb/instance-stopped",
    "alb/unused-targets",
    "alb/syn-dropped",
    "alb/syn-dropped.fixed",
    "dns/resolution",
    "tcp/zero-window",
    "tcp/zero-window.fixed",
    "tcp/reset-eats-the-response",
    "tcp/reset-eats-the-response.fixed",
    "tcp/nagle-delayed-ack",
    "tcp/nagle-delayed-ack.fixed",
    "tcp/accept-queue-overflow",
    "tcp/accept-queue-overflow.fixed",
    "tcp/syn-flood",
    "tcp/syn-flood.fixed",
    "dns/failover",
    "dns/failover.fixed",
    "dns/slow-resolver",
    "dns/apex-alias",
    "dns/truncation",
    "dns/truncation.fixed",
    "dns/dead-resolver",
    "dns/negative-answers",
    "real-all",
    "real-curl",
    "real-nginx",
    "real-openssl",
    "real-server",
    "alb/connection-reuse",
    "alb/keep-alive-race",
    "alb/keep-alive-race.fixed",
    "alb/port-closed",
    "alb/slow-target",
    "alb/slow-target.fixed",
    "alb/content-length-too-large",
    "alb/content-length-too-large.fixed",
    "alb/port-exhaustion",
    "alb/port-exhaustion.fixed",
    "alb/client-gives-up",
    "alb/client-gives-up.fixed",
    "alb/https-target",
    "alb/http2-target",
    "alb/grpc",
    "alb/grpc-to-http1-target",
    "alb/grpc-to-http1-target.fixed",
    "alb/grpc-stream-idle",
    "alb/grpc-stream-idle.fixed",
    "alb/grpc-health-check",
    "alb/health-check-protocol",
    "alb/health-check-protocol.fixed",
];

/// Named as in `base = "three-tier"`, with `base/` before.
pub(super) const BASES: &[Shipped] = &embed!["base/three-tier", "base/dns"];

/// The base called `name`.
pub(super) fn base(name: &str) -> Option<&'static str> {
    let path = |b: &Shipped| b.name.strip_prefix("base/") == Some(name);
    BASES.iter().find(|b| path(b)).map(|b| b.source)
}

/// The lab called `name`.
pub(super) fn lab(name: &str) -> Option<&'static str> {
    LABS.iter().find(|l| l.name == name).map(|l| l.source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn walk(folder: &Path, below: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else if let Some(name) = name.strip_suffix(".toml") {
                found.insert(name.to_owned());
            }
        }
    }

    #[test]
    fn every_file_in_labs_is_embedded() {
        let mut found = BTreeSet::new();
        walk(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("labs"),
            "",
            &mut found,
        );
        let embedded = LABS.iter().chain(BASES).map(|s| s.name.to_owned());
        assert_eq!(found, embedded.collect());
        assert!(LABS.iter().all(|s| !s.name.starts_with("base/")));
    }
}
