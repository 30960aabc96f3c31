//! Claims on the handshake and its keys: phase 2 of the text.

use super::{Check, Claim, lab, page, qualified, right, wrong};

pub(super) const CLAIMS: &[Claim] = &[
    qualified(
        5,
        "The ClientHello has versions, cipher suites and a random number",
        "And the server's name, key shares, groups, signature algorithms and more. In TLS 1.3 the versions stand in an \
         extension; the version field says TLS 1.2.",
        "RFC 8446 §4.1.2, §4.2.1",
        &[
            lab(
                "tls/tls13-x25519",
                &[
                    "The versions are offered in an extension; the version field says TLS 1.2",
                    "The browser sends a public key, in clear: its key share",
                ],
            ),
            lab(
                "https-through-alb",
                &["The host name does cross in clear, in the ClientHello"],
            ),
        ],
    ),
    wrong(
        6,
        "The ALB selects TLS 1.3, and the browser sends a pre-master secret encrypted with RSA",
        "No connection has both. TLS 1.3 has no RSA key exchange: the key is agreed on in the hellos, and there is neither \
         ClientKeyExchange nor pre-master secret.",
        "RFC 8446 §1.2",
        &[lab(
            "tls/tls13-x25519",
            &[
                "Both sides agree on TLS 1.3",
                "No pre-master secret is sent, by anybody",
                "They agree on a key with X25519",
            ],
        )],
    ),
    qualified(
        7,
        "ServerHello and certificate come as one, in clear",
        "They are messages of their own. In TLS 1.3 all after the ServerHello is encrypted, the certificate included; in \
         TLS 1.2 it is in clear.",
        "RFC 8446 §2",
        &[
            lab(
                "https-through-alb",
                &["The certificate never crosses the Internet in clear"],
            ),
            lab(
                "tls/tls12-ecdhe",
                &["Anyone on the path reads the certificate"],
            ),
        ],
    ),
    qualified(
        8,
        "Cipher suites: AES-256-GCM and so on; the session key is of 256 bits",
        "Negotiated, and the server's order counts: policies of load balancers put AES-128-GCM first, which every TLS 1.3 \
         side must have.",
        "RFC 8446 §9.1; AWS, Security policies",
        &[
            lab(
                "tls/tls13-x25519",
                &["The suite is the load balancer's first, not the browser's"],
            ),
            lab(
                "security-policy/server-order",
                &["The suite is the policy's first: AES-128"],
            ),
        ],
    ),
    right(
        18,
        "32 bytes of client_random, 32 bytes of server_random",
        "In both versions. A server that could do more marks the last 8 bytes when it is talked down.",
        "RFC 8446 §4.1.3, RFC 5246 §7.4.1.2",
        &[
            lab(
                "tls/tls13-x25519",
                &["Each hello has a random number, in clear"],
            ),
            lab(
                "tls/rsa-key-exchange",
                &[
                    "Both randoms cross in clear, 32 bytes each: in the ClientHello and in the ServerHello",
                ],
            ),
            lab(
                "attacker/downgrade",
                &["The server's random says DOWNGRD and 1"],
            ),
        ],
    ),
    wrong(
        19,
        "The pre-master secret: 48 bytes, random",
        "46 of them. The first two are the version that the client offered, so that a downgrade is noticed.",
        "RFC 5246 §7.4.7.1",
        &[lab(
            "tls/rsa-key-exchange",
            &["The pre-master secret has 48 bytes: 2 of the version, 46 random"],
        )],
    ),
    qualified(
        20,
        "The browser encrypts the pre-master secret with the public key of the certificate",
        "Only in RSA key exchange, of TLS 1.2 and before. An elliptic-curve key, which the text allows too, cannot encrypt.",
        "RFC 5246 §7.4.7.1, RFC 8446 §1.2",
        &[
            lab(
                "tls/rsa-key-exchange",
                &[
                    "The suite names RSA alone: no ephemeral keys",
                    "The ClientKeyExchange carries it, for anyone on the path to record",
                    "Encrypted with a key of 2048 bits it has 256 bytes",
                ],
            ),
            lab(
                "tls/tls13-x25519",
                &["No pre-master secret is sent, by anybody"],
            ),
        ],
    ),
    wrong(
        21,
        "The browser does NOT send a public key",
        "It does, in every full handshake without RSA key exchange: 32 bytes of X25519, or 1216 of X25519MLKEM768.",
        "RFC 8446 §4.2.8, RFC 8422 §5.7",
        &[
            lab(
                "tls/tls13-x25519",
                &["The browser sends a public key, in clear: its key share"],
            ),
            lab(
                "tls/tls13-post-quantum",
                &["The ClientHello has shares for the hybrid and for X25519 alone"],
            ),
            lab(
                "tls/rsa-key-exchange",
                &["The client sends no public key: there is no point of a curve, and no key share"],
            ),
        ],
    ),
    wrong(
        22,
        "session_key = PRF(pre_master_secret, client_random, server_random)",
        "In TLS 1.2 that gives the master secret, and the keys come from a second PRF with the randoms the other way round. \
         TLS 1.3 derives each secret by HKDF over the messages so far.",
        "RFC 5246 §6.3, §8.1, RFC 8446 §7.1",
        &[
            lab(
                "tls/rsa-key-exchange",
                &["The master secret is made of the pre-master secret and the two randoms"],
            ),
            lab(
                "tls/tls12-ecdhe",
                &[
                    "The keys are what the PRF makes of the master secret, and that of the agreed one",
                ],
            ),
            lab(
                "tls/tls13-x25519",
                &["Every key is what HKDF makes of the agreed secret and the messages so far"],
            ),
        ],
    ),
    wrong(
        23,
        "Both sides have the SAME session key, used both ways",
        "Each direction has its own key and IV, in every version; TLS 1.3 has other ones for the handshake than for data.",
        "RFC 5246 §6.3, RFC 8446 §7.3",
        &[
            lab(
                "tls/rsa-key-exchange",
                &["It is not one session key: client and server encrypt with keys of their own"],
            ),
            lab(
                "tls/tls12-ecdhe",
                &["Client and server write under keys of their own"],
            ),
            lab(
                "tls/tls13-x25519",
                &["Client and server write under keys of their own"],
            ),
        ],
    ),
    qualified(
        24,
        "A man in the middle can't compute the session key",
        "One who listens cannot. One who takes part is stopped by the certificate and the Finished, and by nothing else.",
        "RFC 8446 Appendix E.1",
        &[
            lab(
                "attacker/man-in-the-middle",
                &[
                    "The user answers unknown_ca",
                    "Mallory reads nothing of the request",
                ],
            ),
            lab(
                "cert/stolen-name",
                &["The browser refuses: the server does not have the certificate's key"],
            ),
            lab(
                "attacker/man-in-the-middle-trusted",
                &[
                    "The user accepts the certificate",
                    "Mallory reads the request",
                ],
            ),
        ],
    ),
    qualified(
        25,
        "Both randoms prevent replay attacks",
        "They make the keys of each handshake new. A record sent again is refused because of its sequence number; 0-RTT \
         data can be sent again.",
        "RFC 8446 §5.3, §8",
        &[
            lab(
                "attacker/replay",
                &[
                    "Mallory sends the record again",
                    "The load balancer answers bad_record_mac",
                    "A container gets the request once",
                ],
            ),
            lab(
                "attacker/replay-hello",
                &[
                    "Mallory sends it again",
                    "The second is refused with bad_record_mac",
                ],
            ),
        ],
    ),
    wrong(
        26,
        "This is asymmetric encryption, for key exchange only",
        "With ECDHE nothing is encrypted asymmetrically. The asymmetric key of the certificate signs the handshake.",
        "RFC 8446 §4.4.3",
        &[
            lab(
                "tls/tls13-x25519",
                &[
                    "No pre-master secret is sent, by anybody",
                    "The messages are those of RFC 8446, the server's Finished first",
                ],
            ),
            lab(
                "cert/stolen-name",
                &[
                    "The browser refuses: the server does not have the certificate's key",
                    "The server's flight is complete: certificate, signature and Finished",
                ],
            ),
        ],
    ),
    qualified(
        27,
        "First the browser's Finished, then the ALB's",
        "So it is in a full handshake of TLS 1.2, with a ChangeCipherSpec before each. In TLS 1.3, and when a session is \
         resumed, the server's comes first.",
        "RFC 5246 §7.3, RFC 8446 §2",
        &[
            lab(
                "tls/rsa-key-exchange",
                &[
                    "There is no ServerKeyExchange, and the client's Finished is before the server's",
                ],
            ),
            lab(
                "tls/tls12-ecdhe",
                &["The messages are those of RFC 5246, ChangeCipherSpec before each Finished"],
            ),
            lab(
                "tls/tls13-x25519",
                &["The messages are those of RFC 8446, the server's Finished first"],
            ),
            lab(
                "tls/tls12-resumption",
                &["The server's Finished comes first, with its ServerHello"],
            ),
        ],
    ),
    right(
        28,
        "After the handshake no more asymmetric cryptography",
        "None for data. Exceptions are renegotiation in TLS 1.2 and a client certificate asked for later.",
        "RFC 8446 §4.6.2",
        &[lab(
            "tls/tls13-x25519",
            &["Every key is what HKDF makes of the agreed secret and the messages so far"],
        )],
    ),
    qualified(
        29,
        "AES-256 is 100x faster than RSA",
        "More than that: for a kilobyte RSA takes hundreds of times as long to encrypt and thousands to decrypt.",
        "measured on this machine",
        &[page(Check::CostFactor)],
    ),
    wrong(
        30,
        "RSA takes 50 ms a message, AES 0.5 ms",
        "RSA-2048 takes some 0.25 ms with the private key and 0.02 ms with the public one, AES-GCM less than a microsecond \
         for a kilobyte.",
        "measured on this machine",
        &[page(Check::CostFigures)],
    ),
    wrong(
        31,
        "Asymmetric is 10-100x slower",
        "Not the 100x of an earlier page of the text, and too low as well.",
        "measured on this machine",
        &[page(Check::CostSmallFactor)],
    ),
    right(
        32,
        "RSA-2048 encrypts at most about 245 bytes",
        "256 bytes of modulus less 11 of padding with PKCS #1 v1.5; 190 with OAEP and SHA-256.",
        "RFC 8017 §7.2.1, §7.1.1",
        &[page(Check::RsaLimit)],
    ),
    right(
        33,
        "With RSA for everything the browser would need a public key too",
        "So it would: what the server encrypts for the browser needs a key of the browser's.",
        "RFC 8017 §7",
        &[lab(
            "tls/rsa-key-exchange",
            &[
                "The client sends no public key: there is no point of a curve, and no key share",
                "Encrypted with a key of 2048 bits it has 256 bytes",
            ],
        )],
    ),
];
