//! Names for the numbers of TLS: versions, cipher suites, alerts, groups, signature schemes.

use super::{TLS12, TLS13};

/// As in "TLS 1.3"; unknown ones as "0x7f1c".
#[must_use]
pub fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".into(),
        0x0301 => "TLS 1.0".into(),
        0x0302 => "TLS 1.1".into(),
        TLS12 => "TLS 1.2".into(),
        TLS13 => "TLS 1.3".into(),
        other => format!("0x{other:04x}"),
    }
}

/// Cipher suites that are met today, by their names in the IANA "TLS Cipher Suites" registry. In order of numbers.
const SUITES: [(u16, &str); 24] = [
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
    (0x1301, "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
];

/// The name in the IANA "TLS Cipher Suites" registry, for those that are met today; others as "0x1305".
#[must_use]
pub fn suite_name(suite: u16) -> String {
    match SUITES.iter().find(|(number, _)| *number == suite) {
        Some((_, name)) => (*name).into(),
        None => format!("0x{suite:04x}"),
    }
}

/// What OpenSSL calls the suite with this IANA name (`openssl ciphers -stdname`), as load balancers do too: those of
/// TLS 1.3 have the same name, older ones a shorter one.
#[must_use]
pub fn openssl_suite_name(iana: &str) -> String {
    let Some((exchange, cipher)) = iana
        .strip_prefix("TLS_")
        .and_then(|rest| rest.split_once("_WITH_"))
    else {
        return iana.to_owned();
    };
    // "RSA" alone, key exchange and certificate, is not said.
    let exchange = match exchange {
        "RSA" => String::new(),
        other => format!("{}-", other.replace('_', "-")),
    };
    let cipher = cipher
        .replace("AES_128", "AES128")
        .replace("AES_256", "AES256")
        .replace("_CBC", "")
        .replace("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305")
        .replace('_', "-");
    format!("{exchange}{cipher}")
}

/// The number of the suite that the IANA registry calls `name`, for those that are met today.
#[must_use]
pub fn suite_number(name: &str) -> Option<u16> {
    let found = SUITES.iter().find(|(_, n)| *n == name);
    found.map(|(number, _)| *number)
}

/// The names of all suites that are known here.
pub fn suite_names() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|(_, name)| *name)
}

/// Alert descriptions by their names in RFC 8446 §6 and RFC 5246 §7.2, in order of numbers.
const ALERTS: [(u8, &str); 28] = [
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (22, "record_overflow"),
    (40, "handshake_failure"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (109, "missing_extension"),
    (110, "unsupported_extension"),
    (112, "unrecognized_name"),
    (113, "bad_certificate_status_response"),
    (115, "unknown_psk_identity"),
    (116, "certificate_required"),
    (120, "no_application_protocol"),
    (121, "ech_required"),
];

/// The name of an alert; `None` for one that no RFC names.
#[must_use]
pub fn alert_name(description: u8) -> Option<&'static str> {
    let found = ALERTS.iter().find(|(number, _)| *number == description);
    found.map(|(_, name)| *name)
}

/// The number of the alert called `name`.
#[must_use]
pub fn alert_number(name: &str) -> Option<u8> {
    let found = ALERTS.iter().find(|(_, n)| *n == name);
    found.map(|(number, _)| *number)
}

/// The names of all alerts.
pub fn alert_names() -> impl Iterator<Item = &'static str> {
    ALERTS.iter().map(|(_, name)| *name)
}

/// The name of a group (RFC 8446 §4.2.7, RFC 8422 §5.1.1, draft-ietf-tls-ecdhe-mlkem §4), as labs write it; unknown
/// ones as "0x001e".
#[must_use]
pub fn group_name(group: u16) -> String {
    let name = match group {
        0x0017 => "P-256",
        0x0018 => "P-384",
        0x0019 => "P-521",
        0x001d => "X25519",
        0x001e => "X448",
        0x11eb => "SecP256r1MLKEM768",
        0x11ec => "X25519MLKEM768",
        0x11ed => "SecP384r1MLKEM1024",
        other => return format!("0x{other:04x}"),
    };
    name.into()
}

/// The name of a signature scheme (RFC 8446 §4.2.3); unknown ones as "0x0904".
#[must_use]
pub fn scheme_name(scheme: u16) -> String {
    let name = match scheme {
        0x0201 => "rsa_pkcs1_sha1",
        0x0203 => "ecdsa_sha1",
        0x0401 => "rsa_pkcs1_sha256",
        0x0403 => "ecdsa_secp256r1_sha256",
        0x0501 => "rsa_pkcs1_sha384",
        0x0503 => "ecdsa_secp384r1_sha384",
        0x0601 => "rsa_pkcs1_sha512",
        0x0603 => "ecdsa_secp521r1_sha512",
        0x0804 => "rsa_pss_rsae_sha256",
        0x0805 => "rsa_pss_rsae_sha384",
        0x0806 => "rsa_pss_rsae_sha512",
        0x0807 => "ed25519",
        0x0808 => "ed448",
        0x0809 => "rsa_pss_pss_sha256",
        0x080a => "rsa_pss_pss_sha384",
        0x080b => "rsa_pss_pss_sha512",
        other => return format!("0x{other:04x}"),
    };
    name.into()
}
