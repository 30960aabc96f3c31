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

/// One a line, by topic; a lab over another one stands behind it.
#[rustfmt::skip]
pub(super) const LABS: &[Shipped] = &embed![
    "https-through-alb",
    "timeline-as-written",
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
    "security-policy/server-order",
    "security-policy/tls10-client",
    "security-policy/tls11-client",
    "security-policy/tls10-client-old-policy",
    "security-policy/tls12-client-on-tls13",
    "security-policy/no-common-group",
    "security-policy/rsa-only-client",
    "security-policy/rsa-only-client-old-policy",
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
    "tcp/accept-queue-overflow",
    "tcp/accept-queue-overflow.fixed",
    "tcp/duplicates-and-reordering",
    "tcp/fast-retransmit",
    "tcp/mss-clamp",
    "tcp/nagle-delayed-ack",
    "tcp/nagle-delayed-ack.fixed",
    "tcp/pmtud-black-hole",
    "tcp/pmtud-black-hole.fixed",
    "tcp/reset-eats-the-response",
    "tcp/reset-eats-the-response.fixed",
    "tcp/retransmission-timeout",
    "tcp/syn-flood",
    "tcp/syn-flood.fixed",
    "tcp/syn-lost",
    "tcp/zero-window",
    "tcp/zero-window.fixed",
    "http/redirect-loop",
    "http/redirect-loop.fixed",
    "http/slowloris",
    "http/slowloris.fixed",
    "http/ten-thousand-requests",
    "http/ten-thousand-requests.fixed",
    "alb/application-cookie",
    "alb/client-gives-up",
    "alb/client-gives-up.fixed",
    "alb/connection-reuse",
    "alb/content-length-too-large",
    "alb/content-length-too-large.fixed",
    "alb/cross-zone",
    "alb/cross-zone.fixed",
    "alb/deploy",
    "alb/deploy.fixed",
    "alb/deploy-docker-stop",
    "alb/deploy-docker-stop.fixed",
    "alb/grpc",
    "alb/grpc-health-check",
    "alb/grpc-stream-idle",
    "alb/grpc-stream-idle.fixed",
    "alb/grpc-to-http1-target",
    "alb/grpc-to-http1-target.fixed",
    "alb/headers",
    "alb/health-check-flapping",
    "alb/health-check-flapping.fixed",
    "alb/health-check-host",
    "alb/health-check-host.fixed",
    "alb/health-check-protocol",
    "alb/health-check-protocol.fixed",
    "alb/health-checks",
    "alb/host-gone",
    "alb/http2-target",
    "alb/https-target",
    "alb/instance-stopped",
    "alb/keep-alive-race",
    "alb/keep-alive-race.fixed",
    "alb/picks-healthy-target",
    "alb/port-closed",
    "alb/port-exhaustion",
    "alb/port-exhaustion.fixed",
    "alb/rules",
    "alb/slow-target",
    "alb/slow-target.fixed",
    "alb/smuggling-defensive",
    "alb/smuggling-monitor",
    "alb/smuggling-strictest",
    "alb/spoofed-forwarded-for",
    "alb/spoofed-forwarded-for.fixed",
    "alb/stickiness",
    "alb/syn-dropped",
    "alb/syn-dropped.fixed",
    "alb/unused-targets",
    "alb/websocket-deregistration",
    "alb/websocket-idle",
    "alb/websocket-idle.fixed",
    "alb/weighted-targets",
    "vpc/acl-without-ephemeral-ports",
    "vpc/acl-without-ephemeral-ports.fixed",
    "vpc/container-path-mtu",
    "vpc/internet-gateway",
    "vpc/internet-gateway.fixed",
    "vpc/jumbo-mismatch",
    "vpc/jumbo-mismatch.fixed",
    "vpc/nat-idle-timeout",
    "vpc/nat-idle-timeout.fixed",
    "vpc/nat-path-mtu",
    "vpc/nat-path-mtu.fixed",
    "vpc/ping",
    "vpc/ping-filtered",
    "vpc/ping-filtered.fixed",
    "vpc/plain-http-inside",
    "vpc/private-address",
    "vpc/rule-removed",
    "vpc/rule-removed-untracked",
    "vpc/security-group",
    "vpc/zone-delay",
    "vpc/zone-delay.fixed",
    "dns/apex-alias",
    "dns/dead-resolver",
    "dns/failover",
    "dns/failover.fixed",
    "dns/negative-answers",
    "dns/resolution",
    "dns/slow-resolver",
    "dns/truncation",
    "dns/truncation.fixed",
    "real-all",
    "real-curl",
    "real-nginx",
    "real-openssl",
    "real-server",
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
