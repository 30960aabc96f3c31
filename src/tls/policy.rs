//! The predefined security policies of AWS load balancers: which versions, cipher suites and groups a listener accepts.
//! Data, and nothing that speaks. There are no custom ones (AWS "Security policies for your Application Load
//! Balancer").
//!
//! Versions and suites are those of the AWS page; the groups are those of s2n-tls, the library that the load balancers
//! use (`s2n_security_policies.c`, `s2n_ecc_preferences.c`). The policies of 2021-06 are not in s2n-tls under their
//! names: their groups are taken to be those of 2023-04. The RFC 9151 and CNSA families are left out.

use super::config::{Group, Suite, Version};
use crate::wire::tls::{TLS12, TLS13};

/// What all names begin with.
pub const PREFIX: &str = "ELBSecurityPolicy-";

/// A predefined security policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// As in `ELBSecurityPolicy-TLS13-1-2-2021-06`.
    pub name: String,
    /// The lowest version it accepts, as in 0x0301 for TLS 1.0.
    pub lowest: u16,
    /// Its cipher suites, best first. The first that the client offers too is chosen.
    pub suites: Vec<u16>,
    /// Its groups, best first.
    pub groups: &'static [u16],
}

/// What a policy accepts and the engines here speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Versions, lowest first.
    pub versions: Vec<Version>,
    /// Suites, best first.
    pub suites: Vec<Suite>,
    /// Groups, best first.
    pub groups: Vec<Group>,
}

impl Policy {
    /// The versions it accepts, lowest first, as in 0x0303.
    #[must_use]
    pub fn versions(&self) -> Vec<u16> {
        let highest = if self.suites.iter().any(|s| Suite(*s).is_tls13()) {
            TLS13
        } else {
            TLS12
        };
        (self.lowest..=highest).collect()
    }

    /// The part of it that the engines here speak. What is missing there is never pretended: see
    /// `tls/mismatch.rs`.
    #[must_use]
    pub fn spoken(&self) -> Spoken {
        let versions = self.versions();
        let version =
            |(number, version): (u16, Version)| versions.contains(&number).then_some(version);
        let known = |s: &Suite| Suite::USUAL.contains(s) || s.is_static_rsa();
        let group = |number: &u16| {
            Group::WORDS
                .into_iter()
                .map(|(_, g)| g)
                .find(|g| g.number() == *number)
        };
        Spoken {
            versions: [(TLS12, Version::Tls12), (TLS13, Version::Tls13)]
                .into_iter()
                .filter_map(version)
                .collect(),
            suites: self
                .suites
                .iter()
                .map(|s| Suite(*s))
                .filter(known)
                .collect(),
            groups: self.groups.iter().filter_map(group).collect(),
        }
    }
}

/// The policy called `name`.
#[must_use]
pub fn policy(name: &str) -> Option<Policy> {
    let short = name.strip_prefix(PREFIX)?;
    let row = POLICIES.iter().find(|row| row.name == short)?;
    Some(row.policy())
}

/// The policy of a listener that names none (AWS "Security policies for your Application Load Balancer"): the console's
/// choice; by API and CloudFormation it is ELBSecurityPolicy-2016-08.
pub const DEFAULT: &str = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09";

/// The policy towards targets of a load balancer whose listener has the policy called `front` (AWS "Security policies
/// for your Application Load Balancer", "Back-end security policies"). Without one it is taken for one with TLS 1.3.
#[must_use]
pub fn behind(front: Option<&str>) -> Option<Policy> {
    let short = match front {
        Some(name) if name.contains("FIPS") => "TLS13-1-0-FIPS-2023-04",
        Some(name) if !name.contains("TLS13") => "2016-08",
        Some(_) | None => "TLS13-1-0-2021-06",
    };
    policy(&format!("{PREFIX}{short}"))
}

/// The names of all policies.
pub fn names() -> impl Iterator<Item = String> {
    POLICIES.iter().map(|row| format!("{PREFIX}{}", row.name))
}

/// A policy as the table has it.
struct Row {
    name: &'static str,
    lowest: u16,
    tls13: &'static [u16],
    /// How many kinds of record protection: AES-GCM; CBC with SHA-2 too; CBC with SHA-1 too.
    kinds: [usize; 2],
    groups: &'static [u16],
}

const fn row(
    name: &'static str,
    lowest: u16,
    tls13: &'static [u16],
    kinds: [usize; 2],
    groups: &'static [u16],
) -> Row {
    Row {
        name,
        lowest,
        tls13,
        kinds,
        groups,
    }
}

/// ECDHE suites with AES-128, then AES-256: each kind for ECDSA and for RSA certificates.
const ECDHE: [[[u16; 2]; 3]; 2] = [
    [[0xc02b, 0xc02f], [0xc023, 0xc027], [0xc009, 0xc013]],
    [[0xc02c, 0xc030], [0xc024, 0xc028], [0xc00a, 0xc014]],
];

/// Suites with RSA key exchange, in the same order.
const RSA: [[u16; 3]; 2] = [[0x009c, 0x003c, 0x002f], [0x009d, 0x003d, 0x0035]];

impl Row {
    /// In the order of AWS: TLS 1.3, ECDHE with AES-128 and AES-256, then RSA key exchange with both.
    fn policy(&self) -> Policy {
        let [ecdhe, rsa] = self.kinds;
        let mut suites = self.tls13.to_vec();
        for size in &ECDHE {
            suites.extend(size[..ecdhe].iter().flatten());
        }
        for size in &RSA {
            suites.extend(&size[..rsa]);
        }
        Policy {
            name: format!("{PREFIX}{}", self.name),
            lowest: self.lowest,
            suites,
            groups: self.groups,
        }
    }
}

const NONE: &[u16] = &[];
const ALL_TLS13: &[u16] = &[0x1301, 0x1302, 0x1303];
/// Without ChaCha20, which is not approved by FIPS.
const AES_TLS13: &[u16] = &[0x1301, 0x1302];

/// P-256 and P-384 (`s2n_ecc_pref_list_20140601`).
const NIST_2: &[u16] = &[0x0017, 0x0018];
/// P-256, P-384 and P-521 (`s2n_ecc_pref_list_20201021`).
const NIST_3: &[u16] = &[0x0017, 0x0018, 0x0019];
/// X25519MLKEM768, SecP256r1MLKEM768, SecP384r1MLKEM1024, and X25519 with the curves of NIST
/// (`s2n_ecc_pref_list_20240603`).
const PQ_ALL: &[u16] = &[0x11ec, 0x11eb, 0x11ed, 0x001d, 0x0017, 0x0018, 0x0019];
/// The same hybrids, and the curves of NIST.
const PQ_NIST: &[u16] = &[0x11ec, 0x11eb, 0x11ed, 0x0017, 0x0018, 0x0019];

#[rustfmt::skip]
const POLICIES: &[Row] = &[
    row("2016-08", 0x0301, NONE, [3, 3], NIST_2),
    row("TLS-1-1-2017-01", 0x0302, NONE, [3, 3], NIST_2),
    row("TLS-1-2-2017-01", TLS12, NONE, [2, 2], NIST_2),
    row("TLS-1-2-Ext-2018-06", TLS12, NONE, [3, 3], NIST_2),
    row("FS-2018-06", 0x0301, NONE, [3, 0], NIST_2),
    row("FS-1-1-2019-08", 0x0302, NONE, [3, 0], NIST_2),
    row("FS-1-2-2019-08", TLS12, NONE, [3, 0], NIST_2),
    row("FS-1-2-Res-2019-08", TLS12, NONE, [2, 0], NIST_2),
    row("FS-1-2-Res-2020-10", TLS12, NONE, [1, 0], NIST_3),
    row("TLS13-1-0-2021-06", 0x0301, ALL_TLS13, [3, 3], NIST_3),
    row("TLS13-1-1-2021-06", 0x0302, ALL_TLS13, [3, 3], NIST_3),
    row("TLS13-1-2-Ext2-2021-06", TLS12, ALL_TLS13, [3, 3], NIST_3),
    row("TLS13-1-2-Ext1-2021-06", TLS12, ALL_TLS13, [2, 2], NIST_3),
    row("TLS13-1-2-2021-06", TLS12, ALL_TLS13, [2, 0], NIST_3),
    row("TLS13-1-2-Res-2021-06", TLS12, ALL_TLS13, [1, 0], NIST_3),
    row("TLS13-1-3-2021-06", TLS13, ALL_TLS13, [0, 0], NIST_3),
    row("TLS13-1-0-FIPS-2023-04", 0x0301, AES_TLS13, [3, 3], NIST_3),
    row("TLS13-1-1-FIPS-2023-04", 0x0302, AES_TLS13, [3, 3], NIST_3),
    row("TLS13-1-2-Ext2-FIPS-2023-04", TLS12, AES_TLS13, [3, 3], NIST_3),
    row("TLS13-1-2-Ext1-FIPS-2023-04", TLS12, AES_TLS13, [2, 2], NIST_3),
    row("TLS13-1-2-Ext0-FIPS-2023-04", TLS12, AES_TLS13, [3, 0], NIST_3),
    row("TLS13-1-2-FIPS-2023-04", TLS12, AES_TLS13, [2, 0], NIST_3),
    row("TLS13-1-2-Res-FIPS-2023-04", TLS12, AES_TLS13, [1, 0], NIST_3),
    row("TLS13-1-3-FIPS-2023-04", TLS13, AES_TLS13, [0, 0], NIST_3),
    row("TLS13-1-0-PQ-2025-09", 0x0301, ALL_TLS13, [3, 3], PQ_ALL),
    row("TLS13-1-2-Ext2-PQ-2025-09", TLS12, ALL_TLS13, [3, 3], PQ_ALL),
    row("TLS13-1-2-Ext1-PQ-2025-09", TLS12, ALL_TLS13, [2, 2], PQ_ALL),
    row("TLS13-1-2-PQ-2025-09", TLS12, ALL_TLS13, [2, 0], PQ_ALL),
    row("TLS13-1-2-Res-PQ-2025-09", TLS12, ALL_TLS13, [1, 0], PQ_ALL),
    row("TLS13-1-3-PQ-2025-09", TLS13, ALL_TLS13, [0, 0], PQ_ALL),
    row("TLS13-1-0-FIPS-PQ-2025-09", 0x0301, AES_TLS13, [3, 3], PQ_NIST),
    row("TLS13-1-2-Ext2-FIPS-PQ-2025-09", TLS12, AES_TLS13, [3, 3], PQ_NIST),
    row("TLS13-1-2-Ext1-FIPS-PQ-2025-09", TLS12, AES_TLS13, [2, 2], PQ_NIST),
    row("TLS13-1-2-Ext0-FIPS-PQ-2025-09", TLS12, AES_TLS13, [3, 0], PQ_NIST),
    row("TLS13-1-2-FIPS-PQ-2025-09", TLS12, AES_TLS13, [2, 0], PQ_NIST),
    row("TLS13-1-2-Res-FIPS-PQ-2025-09", TLS12, AES_TLS13, [1, 0], PQ_NIST),
    row("TLS13-1-3-FIPS-PQ-2025-09", TLS13, AES_TLS13, [0, 0], PQ_NIST),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tls::suite_name;

    fn of(short: &str) -> Policy {
        policy(&format!("{PREFIX}{short}")).unwrap()
    }

    #[test]
    fn the_default_of_the_command_line_has_eighteen_suites_down_to_tls_1_0() {
        let old = of("2016-08");
        assert_eq!(old.versions(), [0x0301, 0x0302, 0x0303]);
        assert_eq!(old.suites.len(), 18);
        assert_eq!(
            suite_name(old.suites[0]),
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
        );
        assert_eq!(suite_name(old.suites[17]), "TLS_RSA_WITH_AES_256_CBC_SHA");
        // AWS's tables count these many.
        for (short, suites) in [
            ("TLS-1-2-2017-01", 12),
            ("FS-1-2-Res-2020-10", 4),
            ("TLS13-1-2-2021-06", 11),
            ("TLS13-1-2-Res-2021-06", 7),
            ("TLS13-1-2-Ext1-2021-06", 15),
            ("TLS13-1-0-2021-06", 21),
            ("TLS13-1-3-2021-06", 3),
            ("TLS13-1-2-Res-FIPS-2023-04", 6),
        ] {
            assert_eq!(of(short).suites.len(), suites, "{short}");
        }
        assert_eq!(policy("2016-08"), None);
        assert_eq!(names().count(), POLICIES.len());
    }

    #[test]
    fn the_policy_towards_targets_follows_from_the_listeners() {
        for (front, back) in [
            (
                Some("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"),
                "TLS13-1-0-2021-06",
            ),
            (
                Some("ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04"),
                "TLS13-1-0-FIPS-2023-04",
            ),
            (Some("ELBSecurityPolicy-FS-1-2-2019-08"), "2016-08"),
            (None, "TLS13-1-0-2021-06"),
        ] {
            let found = behind(front).unwrap().name;
            assert_eq!(found, format!("{PREFIX}{back}"));
        }
    }

    #[test]
    fn every_policy_can_be_spoken_in_part_and_every_suite_has_a_name() {
        for name in names() {
            let policy = policy(&name).unwrap();
            assert!(
                policy
                    .suites
                    .iter()
                    .all(|s| !suite_name(*s).starts_with("0x")),
                "{name}"
            );
            let spoken = policy.spoken();
            assert!(
                !spoken.versions.is_empty() && !spoken.groups.is_empty(),
                "{name}"
            );
            for version in &spoken.versions {
                let thirteen = *version == Version::Tls13;
                assert!(
                    spoken.suites.iter().any(|s| s.is_tls13() == thirteen),
                    "{name}"
                );
            }
        }
        let spoken = of("2016-08").spoken();
        assert_eq!(spoken.versions, [Version::Tls12]);
        assert_eq!(spoken.groups, [Group::P256, Group::P384]);
    }
}
