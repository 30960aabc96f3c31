//! The moments by which timelines are compared.

/// A moment in the life of the first request, by which timelines are compared. In order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Milestone {
    /// The name is asked for.
    DnsQuery,
    /// The SYN to the load balancer leaves.
    TcpSyn,
    /// The three-way handshake is complete at the user.
    TcpEstablished,
    /// The ClientHello leaves.
    ClientHello,
    /// TLS is established at the user.
    TlsEstablished,
    /// The request leaves the user.
    RequestSent,
    /// The request is at the load balancer.
    RequestAtAlb,
    /// The SYN to the target leaves.
    TargetSyn,
    /// The request leaves for the target.
    RequestToTarget,
    /// The application has the request.
    RequestAtApp,
    /// The application's response leaves.
    ResponseFromApp,
    /// The response is at the load balancer.
    ResponseAtAlb,
    /// The response leaves, encrypted again.
    ResponseFromAlb,
    /// The response is at the user, whole.
    ResponseAtUser,
}

impl Milestone {
    /// All of them in order, with their words in lab files.
    pub const WORDS: [(&str, Self); 14] = [
        ("dns-query", Self::DnsQuery),
        ("tcp-syn", Self::TcpSyn),
        ("tcp-established", Self::TcpEstablished),
        ("client-hello", Self::ClientHello),
        ("tls-established", Self::TlsEstablished),
        ("request-sent", Self::RequestSent),
        ("request-at-alb", Self::RequestAtAlb),
        ("target-syn", Self::TargetSyn),
        ("request-to-target", Self::RequestToTarget),
        ("request-at-app", Self::RequestAtApp),
        ("response-from-app", Self::ResponseFromApp),
        ("response-at-alb", Self::ResponseAtAlb),
        ("response-from-alb", Self::ResponseFromAlb),
        ("response-at-user", Self::ResponseAtUser),
    ];

    /// Its word in lab files.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}
