//! Claims on what is safe from whom: forward secrecy, the VPC, headers, proof of identity.

use super::{Check, Claim, lab, page, qualified, right, wrong};

pub(super) const CLAIMS: &[Claim] = &[
    qualified(
        40,
        "X-Forwarded-For is the real user's IP",
        "It is the address that connected to the load balancer: perhaps a proxy's. What the client wrote into the header \
         stays in front of it.",
        "AWS, HTTP headers and Application Load Balancers",
        &[lab(
            "https-through-alb",
            &["X-Forwarded-For carries the real client address"],
        )],
    ),
    wrong(
        42,
        "The application takes req.headers['x-forwarded-for'] for the user's IP",
        "Anybody can send that header, and the load balancer appends to it. Only its last entry is the load balancer's.",
        "AWS, HTTP headers and Application Load Balancers",
        &[lab(
            "alb/spoofed-forwarded-for",
            &["What the client invented comes first, what the load balancer saw comes last"],
        )],
    ),
    wrong(
        48,
        "Private VPC: no encryption needed, already isolated",
        "Isolation keeps strangers out; it hides nothing from who is in. The request crosses in clear there, and Nitro's \
         encryption does not cover what passes a load balancer. It can be a decision about a risk, not the absence of one.",
        "AWS, EC2 User Guide, Data protection",
        &[
            lab(
                "https-through-alb",
                &[
                    "The path of the request is readable inside the VPC",
                    "The path of the request is not readable on the Internet",
                ],
            ),
            lab(
                "attacker/eavesdropper",
                &["Inside the VPC the cookie is in clear"],
            ),
        ],
    ),
    qualified(
        49,
        "The VPC is not accessible from the Internet",
        "Public subnets are, and the load balancer stands in them.",
        "AWS, VPC User Guide, Internet gateways",
        &[lab(
            "vpc/private-address",
            &[
                "Nothing of the user ever comes to the host",
                "Through the load balancer the same resource answers",
            ],
        )],
    ),
    qualified(
        50,
        "Only the ALB can reach EC2:32768",
        "Only if the instance's security group admits nothing else; and it must admit the whole range of dynamic ports.",
        "AWS, Security groups for Application Load Balancers",
        &[lab(
            "vpc/security-group",
            &[
                "The load balancer's group is the source that the hosts' rule names",
                "Every SYN of the neighbour is dropped before it reaches the host",
                "The host never sees a packet of the neighbour",
            ],
        )],
    ),
    right(
        51,
        "10.0.x.x is not routable publicly",
        "10.0.0.0/8 is private.",
        "RFC 1918 §3",
        &[lab(
            "vpc/private-address",
            &[
                "The SYN goes no further than the first router",
                "The router tells at once: destination unreachable, no network",
            ],
        )],
    ),
    right(
        52,
        "The ALB handles all of TLS; the application needs no certificate",
        "Unless the targets are to speak HTTPS.",
        "AWS, HTTPS listeners",
        &[lab(
            "https-through-alb",
            &[
                "Certificate: name, dates, issuer and chain are all accepted",
                "The path of the request is readable inside the VPC",
            ],
        )],
    ),
    wrong(
        63,
        "Perfect forward secrecy: each session has a new random key",
        "Forward secrecy means that the long-term key, stolen later, opens no recording. With the text's RSA key exchange it \
         opens them all; an ephemeral key agreement is what prevents it.",
        "RFC 8446 §1.2, Appendix E.1",
        &[
            lab(
                "attacker/stolen-key-rsa",
                &[
                    "On the link nothing could be read",
                    "Mallory reads the request out of the recording",
                    "and the answer",
                ],
            ),
            lab(
                "attacker/stolen-key-ecdhe",
                &[
                    "Mallory, with recording and key, reads nothing: a private key of the exchange is missing",
                ],
            ),
        ],
    ),
    wrong(
        64,
        "Each TLS session has a new random session key",
        "Keys are derived, not drawn. A resumed session of TLS 1.2 has the same master secret; only the randoms are new.",
        "RFC 5246 §7.3, RFC 8446 §2.2",
        &[
            lab(
                "attacker/stolen-ticket-key",
                &["Mallory reads the resumed connection out of the recording"],
            ),
            lab(
                "tls/tls12-resumption",
                &[
                    "The second one resumes the session",
                    "No key is exchanged on the second connection: one ClientKeyExchange in all",
                ],
            ),
            lab(
                "tls/tls13-resumption",
                &[
                    "The second one resumes the session",
                    "With a key agreement of its own all the same",
                ],
            ),
        ],
    ),
    wrong(
        65,
        "Intercepting the handshake is useless: the pre-master secret is RSA encrypted",
        "Until somebody has the private key, by theft, by court or by an oracle such as Bleichenbacher's; then the recording \
         is read.",
        "RFC 5246 §7.4.7.1",
        &[
            lab(
                "tls/rsa-key-exchange",
                &["The ClientKeyExchange carries it, for anyone on the path to record"],
            ),
            lab(
                "attacker/stolen-key-rsa",
                &[
                    "On the link nothing could be read",
                    "Mallory reads the request out of the recording",
                    "and the answer",
                ],
            ),
        ],
    ),
    wrong(
        66,
        "Old sessions can't be decrypted, their keys are destroyed",
        "With RSA key exchange they can be computed again, from the recording and the private key.",
        "RFC 5246 Appendix F.1.1.2",
        &[
            lab(
                "attacker/stolen-key-rsa",
                &[
                    "On the link nothing could be read",
                    "Mallory reads the request out of the recording",
                    "and the answer",
                ],
            ),
            lab(
                "attacker/stolen-key-ecdhe",
                &[
                    "Mallory, with recording and key, reads nothing: a private key of the exchange is missing",
                ],
            ),
        ],
    ),
    qualified(
        67,
        "Breaking RSA-2048 takes billions of years",
        "By computing as we know it, about 2^112 steps. A large quantum computer would not need them, and a thief does not.",
        "NIST SP 800-57 Part 1 Rev. 5, Table 2",
        &[
            page(Check::RsaLevel),
            lab(
                "attacker/stolen-key-rsa",
                &["Mallory reads the request out of the recording"],
            ),
        ],
    ),
    qualified(
        68,
        "The session key is derived by a one-way hash, SHA-256",
        "By constructions over HMAC, the PRF or HKDF, with SHA-256 or SHA-384 as the suite says.",
        "RFC 5246 §5, RFC 5869",
        &[
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
        69,
        "All three layers must be broken simultaneously",
        "Any one is enough: the private key, where it is used for key exchange, or the cipher, or the derivation and its \
         random numbers.",
        "RFC 8446 Appendix E",
        &[lab(
            "attacker/stolen-key-rsa",
            &[
                "On the link nothing could be read",
                "Mallory reads the request out of the recording",
                "and the answer",
            ],
        )],
    ),
    wrong(
        70,
        "Asymmetric: each side proves identity",
        "Only the server does. A client does with mutual TLS alone.",
        "RFC 8446 §4.3.2, §4.4.2.4",
        &[
            lab(
                "tls/tls13-x25519",
                &["The messages are those of RFC 8446, the server's Finished first"],
            ),
            lab(
                "tls/client-certificate",
                &["The server asks, and the client shows and proves"],
            ),
        ],
    ),
    wrong(
        71,
        "Symmetric: same security level as asymmetric",
        "RSA-2048 stands at about 112 bits, P-256 and X25519 at 128, AES-256 at 256.",
        "NIST SP 800-57 Part 1 Rev. 5, Table 2",
        &[page(Check::RsaLevel)],
    ),
    qualified(
        72,
        "Symmetric needs a pre-shared key, solved by RSA",
        "Solved by agreeing on one. RSA is the old way; X25519 needs no secret to be sent.",
        "RFC 8446 §1.2, §7.4",
        &[lab(
            "tls/tls13-x25519",
            &[
                "They agree on a key with X25519",
                "No pre-master secret is sent, by anybody",
            ],
        )],
    ),
    wrong(
        76,
        "Once past security, no need for constant re-checking inside",
        "A picture of where TLS ends, and bad advice: whoever is inside reads and sends what he likes.",
        "NIST SP 800-207 §2.1",
        &[lab(
            "attacker/eavesdropper",
            &["Inside the VPC the cookie is in clear"],
        )],
    ),
    qualified(
        77,
        "Security groups: a reason why plain HTTP is safe",
        "They filter who may connect. They hide nothing from who carries or mirrors the packets.",
        "AWS, VPC User Guide, Security groups",
        &[lab(
            "attacker/eavesdropper",
            &["Inside the VPC the cookie is in clear"],
        )],
    ),
    qualified(
        80,
        "Only the ALB can decrypt the pre-master secret",
        "Anyone with the private key can. A key of ACM does not leave AWS; one that was imported has been elsewhere.",
        "RFC 5246 §7.4.7.1; AWS Certificate Manager User Guide",
        &[
            lab(
                "tls/rsa-key-exchange",
                &["The ClientKeyExchange carries it, for anyone on the path to record"],
            ),
            lab(
                "attacker/stolen-key-rsa",
                &[
                    "On the link nothing could be read",
                    "Mallory reads the request out of the recording",
                    "and the answer",
                ],
            ),
        ],
    ),
];
