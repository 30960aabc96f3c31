//! Claims on certificates: their contents, the checks, and where they are kept.

use super::{Claim, lab, qualified, wrong};

pub(super) const CLAIMS: &[Claim] = &[
    wrong(
        9,
        "Valid from 2024-01-01 until 2025-12-31, issued by Let's Encrypt or DigiCert",
        "731 days (2024 was a leap year) were not allowed: 398 at that date, 200 since 2026-03-15, 100 from 2027-03-15, \
         47 from 2029-03-15. Let's Encrypt gives 90.",
        "CA/Browser Forum, TLS Baseline Requirements §6.3.2",
        &[lab(
            "cert/too-long-validity",
            &["The browser refuses the certificate: it is valid for too long"],
        )],
    ),
    wrong(
        10,
        "The chain that is sent has the root CA and the intermediate",
        "A server sends its certificate and the intermediates. The root is what the client has already; sent, it is only \
         bytes.",
        "RFC 8446 §4.4.2",
        &[
            lab(
                "cert/accepted",
                &["4. Certificate chain: the server sends its own and the intermediate"],
            ),
            lab(
                "cert/root-in-chain",
                &[
                    "Three certificates are sent, and the chain is accepted",
                    "The server's first flight takes two segments, one more than without the root",
                    "TLS is established after 62 ms, as without the root",
                ],
            ),
        ],
    ),
    wrong(
        11,
        "The browser checks 4 critical things",
        "It also checks what keys and authorities may be used for, path lengths, name constraints, signature algorithms, \
         revocation, transparency and the length of validity.",
        "RFC 5280 §6.1, Chromium net_error_list.h",
        &[
            lab(
                "cert/accepted",
                &[
                    "1. Domain match: the name your-app.com is in the certificate",
                    "2. Expiry date: valid until 2025-12-31, and it is 2025-11-05",
                    "3. Trusted issuer: the chain ends at a root that the browser has",
                    "4. Certificate chain: the server sends its own and the intermediate",
                ],
            ),
            lab(
                "cert/wrong-purpose",
                &["The browser refuses the certificate: it is not for servers"],
            ),
            lab(
                "cert/name-constraint",
                &["The browser refuses the certificate: its issuer may not issue it"],
            ),
            lab(
                "cert/revoked",
                &["The browser refuses the certificate: it was revoked"],
            ),
            lab(
                "cert/too-long-validity",
                &["The browser refuses the certificate: it is valid for too long"],
            ),
            lab(
                "cert/stolen-name",
                &["The browser refuses: the server does not have the certificate's key"],
            ),
        ],
    ),
    qualified(
        12,
        "Domain match: the certificate says your-app.com",
        "What counts is a DNS name among the subject alternative names. The common name is not looked at.",
        "RFC 9525 §6.3, RFC 9110 §4.3.4",
        &[
            lab(
                "cert/accepted",
                &["1. Domain match: the name your-app.com is in the certificate"],
            ),
            lab(
                "cert/common-name-only",
                &[
                    "The browser refuses the certificate: the common name does not count",
                    "The name is there, readable on the path",
                ],
            ),
        ],
    ),
    wrong(
        13,
        "A certificate for *.your-app.com matches your-app.com",
        "A wildcard stands for one whole label, and never for none. Both names must be in the certificate.",
        "RFC 9525 §6.3",
        &[lab(
            "cert/apex-under-wildcard",
            &[
                "The browser refuses the certificate: a wildcard does not cover the apex",
                "It says so: bad_certificate",
            ],
        )],
    ),
    wrong(
        14,
        "The issuer is Let's Encrypt, and AWS Certificate Manager",
        "Not both: a certificate names one issuer. Those of ACM come from Amazon Trust Services; one of \
         Let's Encrypt would have been imported.",
        "AWS Certificate Manager User Guide",
        &[lab(
            "cert/broken-chain",
            &["The certificate names its issuer, in clear"],
        )],
    ),
    qualified(
        15,
        "The browser has a list of about 100 trusted CAs",
        "The order is right: Debian's copy of Mozilla's list of 2023-03 has 144. They are root certificates, not companies, \
         and no intermediates.",
        "Mozilla CA Certificate Program",
        &[
            lab(
                "cert/untrusted-issuer",
                &["The browser refuses the certificate: it knows no authority above it"],
            ),
            lab(
                "attacker/man-in-the-middle-trusted",
                &["The user accepts the certificate"],
            ),
        ],
    ),
    qualified(
        16,
        "Issued by Let's Encrypt: found in the trust store",
        "The issuer of a certificate is an intermediate, which is in no store. What is found there is the root at the end \
         of the chain.",
        "RFC 5280 §6.1",
        &[
            lab(
                "cert/accepted",
                &["3. Trusted issuer: the chain ends at a root that the browser has"],
            ),
            lab(
                "cert/broken-chain",
                &[
                    "The browser refuses the certificate: its issuer's is missing",
                    "The issuer's certificate, which would name the root, is not there",
                ],
            ),
        ],
    ),
    qualified(
        17,
        "If any check fails, the browser shows a warning",
        "First the handshake ends, with a fatal alert. The warning follows; with HSTS there is no way past it.",
        "RFC 8446 §6.2, RFC 6797 §12.1",
        &[
            lab(
                "cert/expired",
                &[
                    "It says so: certificate_expired",
                    "The handshake ends after the server's first flight",
                    "No HTTP request is ever sent",
                ],
            ),
            lab(
                "attacker/man-in-the-middle",
                &[
                    "The user answers unknown_ca",
                    "Nothing is asked, on no connection",
                ],
            ),
        ],
    ),
    wrong(
        47,
        "The load balancer validates certificates",
        "The client validates the load balancer's. That validates clients' only with mutual TLS, and those of targets never.",
        "AWS, Mutual authentication with TLS; Target groups",
        &[
            lab(
                "https-through-alb",
                &["Certificate: name, dates, issuer and chain are all accepted"],
            ),
            lab(
                "tls/client-certificate",
                &["The server asks, and the client shows and proves"],
            ),
        ],
    ),
    qualified(
        53,
        "Auto-renewal: enabled",
        "A renewal drops nothing: new connections get the new certificate, old ones go on. But it comes by itself only for \
         certificates that ACM issued, that are in use and validated by DNS or answered mail; imported ones are not renewed.",
        "AWS Certificate Manager User Guide, Managed renewal",
        &[lab(
            "cert/certificate-rotation",
            &[
                "The second is made with the new one",
                "Two of them over the first, one before and one after the renewal",
            ],
        )],
    ),
    qualified(
        54,
        "Security policy: TLS 1.2+",
        "Depends on who made the listener: by API or command line it is ELBSecurityPolicy-2016-08, which allows TLS 1.0, 1.1 \
         and RSA key exchange.",
        "AWS, Security policies for your Application Load Balancer",
        &[
            lab(
                "security-policy/tls10-client",
                &[
                    "Client and load balancer have no version in common",
                    "The load balancer says so with protocol_version",
                ],
            ),
            lab(
                "security-policy/rsa-only-client",
                &["Client and load balancer have no suite in common"],
            ),
            lab(
                "security-policy/rsa-only-client-old-policy",
                &["The suite has RSA key exchange, and AES-128"],
            ),
        ],
    ),
];
