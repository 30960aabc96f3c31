//! OpenSSL as the judge of the lab's certificates: its `verify` takes the chain as a browser would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tunlab::rng::Seed;
use tunlab::time::UnixSeconds;
use tunlab::tls::authority::Pki;
use tunlab::tls::config::{AuthoritySpec, CertificateSpec, PkiSpec};

use crate::tools::{have, output_of};

fn pki() -> Pki {
    let validity = (
        UnixSeconds::from_ymd(2020, 1, 1),
        UnixSeconds::from_ymd(2040, 1, 1),
    );
    let authority = |name: &str| {
        let (root, intermediate) = (format!("{name} Root R1"), format!("{name} Intermediate X1"));
        AuthoritySpec::new(name, root, intermediate, validity)
    };
    let names = vec!["your-app.com".into(), "*.your-app.com".into()];
    let validity = (
        UnixSeconds::from_ymd(2024, 1, 1),
        UnixSeconds::from_ymd(2025, 12, 31),
    );
    let spec = PkiSpec {
        authorities: vec![authority("lab"), authority("other")],
        certificates: vec![CertificateSpec::new("your-app", "lab", names, validity)],
    };
    Pki::build(&spec, Seed(1)).unwrap()
}

/// Writes a certificate to `folder` as PEM, which all versions of OpenSSL read.
fn write(folder: &Path, name: &str, der: &[u8]) -> PathBuf {
    let (raw, pem) = (folder.join(format!("{name}.der")), folder.join(name));
    fs::write(&raw, der).unwrap();
    let mut convert = Command::new("openssl");
    convert.args(["x509", "-inform", "DER", "-in"]).arg(&raw);
    convert.arg("-out").arg(&pem);
    output_of(&mut convert);
    pem
}

#[test]
fn openssl_accepts_the_chain_on_its_dates_for_its_names_under_its_root_only() {
    if !have("openssl") {
        return;
    }
    let pki = pki();
    let folder = tempfile::tempdir().unwrap();
    let chain = pki.identity("your-app").unwrap().chain();
    let leaf = write(folder.path(), "leaf.pem", &chain[0]);
    let intermediate = write(folder.path(), "intermediate.pem", &chain[1]);
    let verify = |root: &str, host: &str, date: UnixSeconds| {
        let root = write(folder.path(), "root.pem", pki.root(root).unwrap());
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslserver"])
            .args(["-verify_hostname", host])
            .args(["-attime", &date.0.to_string()])
            .args(["-CAfile".as_ref(), root.as_os_str()])
            .args(["-untrusted".as_ref(), intermediate.as_os_str()])
            .arg(&leaf)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.success() {
            true => String::from("OK"),
            false => said,
        }
    };
    let date = UnixSeconds::from_ymd(2025, 11, 5);
    assert_eq!(verify("lab", "your-app.com", date), "OK");
    assert_eq!(verify("lab", "a.your-app.com", date), "OK");
    let said = verify("lab", "your-app.org", date);
    assert!(said.contains("hostname mismatch"), "{said}");
    let late = verify("lab", "your-app.com", UnixSeconds::from_ymd(2026, 1, 1));
    assert!(late.contains("certificate has expired"), "{late}");
    let early = verify("lab", "your-app.com", UnixSeconds::from_ymd(2023, 12, 31));
    assert!(early.contains("not yet valid"), "{early}");
    let stranger = verify("other", "your-app.com", date);
    assert!(
        stranger.contains("unable to get local issuer certificate"),
        "{stranger}"
    );
}
