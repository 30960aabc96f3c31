//! curl and OpenSSL as judges of what is said about them: each lab with a refused certificate is served by OpenSSL on
//! loopback, with the lab's dates moved to today, and curl must show the text and send the alert of our table.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use tunlab::event::CertificateDefect;
use tunlab::lab::plan::{Action, Check, Plan};
use tunlab::report::refusal::names::{Known, names};
use tunlab::rng::Seed;
use tunlab::role::config::Role;
use tunlab::time::UnixSeconds;
use tunlab::tls::authority::Pki;
use tunlab::tls::config::{CrlSpec, KeyUse, PkiSpec};

use crate::tools::have;

/// A lab's certificate as files, and what is asked of it.
struct Case {
    folder: tempfile::TempDir,
    host: String,
    defect: Option<CertificateDefect>,
    crl: bool,
}

impl Case {
    fn new(lab: &str) -> Self {
        Self::changed(lab, |_, _| {})
    }

    /// The lab with other certificates, made by a change that is told what time it is.
    fn changed(lab: &str, change: impl FnOnce(&mut PkiSpec, UnixSeconds)) -> Self {
        let plan = tunlab::lab::load(lab).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = UnixSeconds(now.as_secs());
        let mut plan = plan.shifted_to(now);
        change(&mut plan.pki, now);
        let pki = Pki::build(&plan.pki, Seed(1)).unwrap();
        let (certificate, trust) = sides(&plan);
        let identity = pki.identity(&certificate).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        // OpenSSL wants the server's own certificate apart from what it sends above it.
        const END: &str = "-----END CERTIFICATE-----\r\n";
        let chain = identity.chain_pem();
        let (leaf, above) = chain.split_at(chain.find(END).unwrap() + END.len());
        write("leaf.pem", leaf);
        write("above.pem", above);
        write("key.pem", &identity.key_pem());
        write("root.pem", &pki.root_pem(&trust).unwrap());
        let crl = pki.crl(&trust).unwrap();
        if let Some(crl) = crl {
            write(
                "crl.pem",
                &pem::encode(&pem::Pem::new("X509 CRL", crl.to_vec())),
            );
        }
        let defect = plan.expectations.iter().find_map(|e| {
            let Check::CertificateRefused { because, .. } = &e.check else {
                return None;
            };
            Some(*because)
        });
        let host = plan.steps.iter().find_map(|step| {
            let Action::Get(urls) = &step.action else {
                return None;
            };
            Some(urls[0].host.clone())
        });
        Self {
            crl: crl.is_some(),
            folder,
            host: host.unwrap(),
            defect,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What curl prints, and what the server says at the end.
    fn curl(&self, version: &str) -> (String, String) {
        let mut server = Server::start(self.folder.path(), version);
        let port = server.port;
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            "--output",
            "/dev/null",
        ]);
        curl.args(["--resolve", &format!("{}:{port}:127.0.0.1", self.host)]);
        curl.arg("--cacert").arg(self.file("root.pem"));
        if self.crl {
            curl.arg("--crlfile").arg(self.file("crl.pem"));
        }
        let output = curl.arg(format!("https://{}:{port}/", self.host)).output();
        let said = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
        (said, server.end())
    }

    /// The number of OpenSSL's verification error; `None` when it verifies.
    fn number(&self) -> Option<i32> {
        let mut verify = Command::new("openssl");
        verify.args([
            "verify",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            &self.host,
        ]);
        verify.arg("-CAfile").arg(self.file("root.pem"));
        if self.crl {
            verify
                .arg("-crl_check")
                .arg("-CRLfile")
                .arg(self.file("crl.pem"));
        }
        if is_chained(self.folder.path()) {
            verify.arg("-untrusted").arg(self.file("above.pem"));
        }
        let output = verify.arg(self.file("leaf.pem")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let number = said.lines().find_map(|l| l.strip_prefix("error "))?;
        Some(number.split(' ').next().unwrap().parse().unwrap())
    }
}

/// The certificate of the load balancer, and the authority that the browser trusts.
fn sides(plan: &Plan) -> (String, String) {
    let (mut certificate, mut trust) = (None, None);
    for (_, role) in &plan.roles {
        if let Role::Alb(alb) = role {
            certificate = alb.listeners[0].tls.as_ref().map(|t| t.certificate.clone());
        }
        if let Role::Browser(browser) = role {
            trust = browser.tls.trust.first().cloned();
        }
    }
    (certificate.unwrap(), trust.unwrap())
}

/// Whether anything is sent above the leaf.
fn is_chained(folder: &Path) -> bool {
    fs::metadata(folder.join("above.pem")).unwrap().len() > 0
}

/// `openssl s_server` on loopback, for one connection.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path, version: &str) -> Self {
        let mut command = Command::new("openssl");
        // Any free port: it says which.
        command.args(["s_server", "-accept", "127.0.0.1:0"]);
        command.args(["-naccept", "1", "-www", version]);
        command.arg("-cert").arg(folder.join("leaf.pem"));
        command.arg("-key").arg(folder.join("key.pem"));
        if is_chained(folder) {
            command.arg("-cert_chain").arg(folder.join("above.pem"));
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            line.strip_prefix("ACCEPT ")?
                .rsplit(':')
                .next()?
                .parse()
                .ok()
        });
        let mut server = Self {
            child,
            port: port.unwrap_or_default(),
        };
        assert!(port.is_some(), "{}", server.end());
        server
    }

    fn end(&mut self) -> String {
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        self.child.wait().unwrap();
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone after its one connection, or not wanted any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Defects that no lab has, in labs that are changed for it.
fn further() -> [Case; 3] {
    const DAY: u64 = 86_400;
    let case = |defect, lab, change: fn(&mut PkiSpec, UnixSeconds)| Case {
        defect: Some(defect),
        ..Case::changed(lab, change)
    };
    [
        case(
            CertificateDefect::ExpiredIntermediate,
            "cert/accepted",
            |pki, now| pki.authorities[0].intermediate_validity.1 = UnixSeconds(now.0 - DAY),
        ),
        case(CertificateDefect::KeyUsage, "cert/accepted", |pki, _| {
            pki.certificates[0].key_usage = Some(vec![KeyUse::KeyCertSign]);
        }),
        case(
            CertificateDefect::RevocationUnknown,
            "cert/revoked",
            |pki, now| {
                pki.certificates[0].revoked = None;
                pki.authorities[0].crl = Some(CrlSpec {
                    this_update: UnixSeconds(now.0 - 8 * DAY),
                    next_update: UnixSeconds(now.0 - DAY),
                });
            },
        ),
    ]
}

const LABS: [&str; 15] = [
    "cert/accepted",
    "cert/root-in-chain",
    "cert/expired",
    "cert/not-yet-valid",
    "cert/wrong-name",
    "cert/apex-under-wildcard",
    "cert/untrusted-issuer",
    "cert/broken-chain",
    "cert/self-signed",
    "cert/expired-root",
    "cert/too-long-validity",
    "cert/wrong-purpose",
    "cert/name-constraint",
    "cert/revoked",
    "cert/bad-signature",
];

#[test]
fn curl_and_openssl_say_what_the_table_says() {
    if !have("openssl") || !have("curl") {
        return;
    }
    let mut wrong = Vec::new();
    let labs = LABS.iter().map(|lab| Case::new(lab));
    for case in labs.chain(further()) {
        let lab = case.defect.map_or("no defect", CertificateDefect::word);
        let shown = case.defect.and_then(|defect| names(defect).curl);
        for version in ["-tls1_2", "-tls1_3"] {
            if case.defect == Some(CertificateDefect::KeyUsage) && version == "-tls1_2" {
                // OpenSSL's own server uses no such key there, and finds no suite.
                continue;
            }
            let (said, server) = case.curl(version);
            let right = match shown {
                None => said.is_empty(),
                Some(shown) => {
                    assert_eq!(shown.known, Known::Measured, "{lab}");
                    let alert = shown.alert.map(|a| format!("SSL alert number {a}\n"));
                    said.contains(shown.name)
                        && match alert {
                            Some(alert) => server.contains(&alert),
                            None => !server.contains("SSL alert number"),
                        }
                }
            };
            if !right {
                wrong.push(format!("{lab} {version}: {shown:?}\n  {said}\n  {server}"));
            }
        }
        // curl compares names itself; OpenSSL's own comparison has a number.
        let number = match case.defect {
            Some(CertificateDefect::WrongName) => Some(62),
            Some(_) | None => shown.and_then(|s| s.number),
        };
        if case.number() != number {
            wrong.push(format!("{lab}: {:?} and not {number:?}", case.number()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The oldest of the checks still lives there: without another name, OpenSSL looks at the common name.
#[test]
fn openssl_still_looks_at_the_common_name() {
    if !have("openssl") {
        return;
    }
    let case = Case::new("cert/common-name-only");
    assert_eq!(case.defect, Some(CertificateDefect::WrongName));
    assert_eq!(case.number(), None);
}
