//! Claims on connections, HTTP and the timeline: phases 1 and 3 of the text.

use super::{Claim, lab, qualified, right, wrong};

pub(super) const CLAIMS: &[Claim] = &[
    right(
        1,
        "Two separate connections: user to ALB, and ALB to container",
        "The load balancer ends one connection and opens its own. It keeps those to targets and shares them between clients.",
        "AWS, How Elastic Load Balancing works",
        &[lab(
            "https-through-alb",
            &[
                "The load balancer opens a second TCP connection of its own",
                "The container never sees a packet from the user's address",
            ],
        )],
    ),
    right(
        2,
        "TCP handshake: SYN, SYN-ACK, ACK to port 443",
        "So it is; the client may send data with its ACK.",
        "RFC 9293 §3.5",
        &[lab(
            "https-through-alb",
            &["The TCP handshake takes one round trip of 20 ms"],
        )],
    ),
    qualified(
        3,
        "The TCP handshake takes about 20 ms",
        "It takes one round trip, whatever that is: here 20 ms in one lab and 10 ms in the other.",
        "RFC 9293 §3.5",
        &[
            lab(
                "https-through-alb",
                &["The TCP handshake takes one round trip of 20 ms"],
            ),
            lab(
                "timeline-as-written",
                &["The round trip is 10 ms and not 20"],
            ),
        ],
    ),
    qualified(
        4,
        "The TLS handshake is layer 5 to 6",
        "TLS has no layer of that model. It runs over a transport and is a secure stream to the application: TCP carries it \
         as data, and HTTP comes out of it.",
        "RFC 8446 §1",
        &[lab(
            "https-through-alb",
            &[
                "TCP is established after 40 ms",
                "The ClientHello leaves at the same moment",
                "The request leaves with the client's Finished",
            ],
        )],
    ),
    qualified(
        35,
        "The TLS handshake takes 40 to 60 ms",
        "TLS 1.2 takes two round trips and TLS 1.3 one, with 1 to 3 ms of computing: at 20 ms that is some 42 and 22 ms.",
        "RFC 5246 §7.3, RFC 8446 §2",
        &[
            lab(
                "tls/tls12-ecdhe",
                &["The TLS handshake takes two round trips and 2.5 ms of computing"],
            ),
            lab(
                "tls/tls13-x25519",
                &["The TLS handshake takes one round trip and 2 ms of computing"],
            ),
            lab(
                "tls/rsa-key-exchange",
                &["The TLS handshake takes two round trips and 2.5 ms of computing"],
            ),
        ],
    ),
    qualified(
        36,
        "On each request the ALB checks the health of the target group",
        "Health is known beforehand, by probes at an interval. A request only meets rules and the choice of a target.",
        "AWS, Health checks for target groups",
        &[
            lab(
                "alb/health-checks",
                &[
                    "ec2-a is healthy after its first probe, long before anybody asks",
                    "In 45 s each target is asked four times",
                    "The request is forwarded once, to a target whose health is known",
                ],
            ),
            lab(
                "alb/picks-healthy-target",
                &[
                    "ec2-b is unhealthy after two",
                    "All four requests go to ec2-a",
                ],
            ),
        ],
    ),
    qualified(
        37,
        "The ALB opens a new TCP connection to EC2 for the request",
        "Only when no kept connection is idle. The first request needs one, as here.",
        "AWS, How Elastic Load Balancing works",
        &[lab(
            "https-through-alb",
            &["The load balancer opens a second TCP connection of its own"],
        )],
    ),
    right(
        38,
        "Port 32768 of the instance is port 8080 of the container",
        "A dynamic port, from the ephemeral range of the instance (32768 to 60999 on Linux).",
        "AWS, ECS port mappings",
        &[lab(
            "https-through-alb",
            &["The load balancer chooses EC2-A, the first in turn"],
        )],
    ),
    right(
        39,
        "The container gets plain HTTP",
        "A target group speaks HTTP unless it is told to speak HTTPS.",
        "AWS, Target groups for Application Load Balancers",
        &[lab(
            "https-through-alb",
            &["The path of the request is readable inside the VPC"],
        )],
    ),
    right(
        41,
        "X-Forwarded-Proto and X-Forwarded-Port name the original protocol and port",
        "They do. X-Amzn-Trace-Id comes too, which the text leaves out.",
        "AWS, HTTP headers and Application Load Balancers",
        &[lab(
            "https-through-alb",
            &[
                "X-Forwarded-Proto says that the original was https",
                "X-Forwarded-Port says which port the user came to",
            ],
        )],
    ),
    qualified(
        43,
        "The HTTP phase takes 10 to 20 ms",
        "It takes one round trip to the user, one or two inside the VPC and the application's time: 27 ms in the main lab, \
         of which 20 are the Internet.",
        "arithmetic",
        &[lab(
            "https-through-alb",
            &[
                "The request leaves with the client's Finished",
                "The user has the response after 89 ms",
            ],
        )],
    ),
    qualified(
        44,
        "DNS resolution at 0 ms",
        "Right as the moment at which it begins. A name that is not in a cache takes at least the round trip to the \
         resolver; a load balancer's record lives for 60 s.",
        "AWS, How Elastic Load Balancing works; RFC 1034 §5.3",
        &[
            lab(
                "https-through-alb",
                &[
                    "The name is asked for at once",
                    "The SYN leaves when the answer is there, after 20 ms",
                ],
            ),
            lab(
                "dns/resolution",
                &[
                    "The first look-up takes 210 ms, and gives one address for each node",
                    "Ten seconds later the resolver knows, and says so in one round trip",
                ],
            ),
        ],
    ),
    wrong(
        45,
        "The timeline adds up to 140 ms",
        "Its rows contradict one another: 20 ms for TCP is a round trip of 20 ms, and 5 ms for a request is one of 10. One \
         choice of delays gives every row, with a round trip of 10 ms, TLS 1.2 and 40 ms of waiting. As things are, the \
         same request takes 89 ms.",
        "arithmetic",
        &[
            lab(
                "timeline-as-written",
                &[
                    "140 ms: the encrypted response is at the user",
                    "The round trip is 10 ms and not 20",
                    "The version is TLS 1.2",
                    "The handshake takes 60 ms: two round trips and 40 ms of computing",
                ],
            ),
            lab(
                "https-through-alb",
                &["The user has the response after 89 ms"],
            ),
        ],
    ),
    qualified(
        46,
        "10 ms to connect from ALB to EC2, 5 ms from ALB to container",
        "Inside a region a round trip takes 0.25 to 3.4 ms: the text's 5 ms one way are 3 to 40 times that.",
        "xkyle.com, Measuring AWS region and AZ latency",
        &[lab(
            "https-through-alb",
            &["The plain request leaves after a round trip inside the VPC"],
        )],
    ),
    right(
        78,
        "The ALB encrypts the response",
        "With the server's write key of the user's connection. What the target sent was plain.",
        "RFC 8446 §5.2",
        &[lab(
            "https-through-alb",
            &[
                "It leaves, encrypted again, after 79 ms",
                "The user gets HTTP 200",
            ],
        )],
    ),
    qualified(
        79,
        "GET /notification/health/check is the user's request",
        "It can be, as here. The probes of a load balancer come from its own nodes, with a user agent of theirs, and nobody \
         forwards them.",
        "AWS, Health checks for target groups",
        &[lab(
            "https-through-alb",
            &["X-Forwarded-For carries the real client address"],
        )],
    ),
];
