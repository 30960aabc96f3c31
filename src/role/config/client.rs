//! What a client is told to ask, beyond what a browser does for a page.

use std::time::Duration;

/// A server: scheme, host and port (RFC 9110 §4.3.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Whether it is https.
    pub https: bool,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Origin {
    /// As the header `Host` has it: the scheme's own port is left out (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        let default = if self.https { 443 } else { 80 };
        if self.port == default {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Errand {
    /// Whom it concerns: host name or address.
    #[must_use]
    pub const fn host(&self) -> &String {
        match self {
            Self::Ask(ask) => &ask.origin.host,
            Self::Raw(raw) => &raw.origin.host,
            Self::Talk(talk) => &talk.origin.host,
            Self::Ping(ping) => &ping.host,
        }
    }

    /// The same by a program for a command line, once; `None` where there is none that does it.
    #[must_use]
    pub fn as_command(&self) -> Option<Vec<String>> {
        match self {
            Self::Ask(_) => self.as_curl(),
            Self::Ping(ping) => Some(ping.as_command()),
            Self::Raw(_) | Self::Talk(_) => None,
        }
    }

    /// The same by curl, once; `None` for what curl does not do.
    #[must_use]
    pub fn as_curl(&self) -> Option<Vec<String>> {
        let Self::Ask(ask) = self else { return None };
        // No word of a command line can say NUL, as a message of gRPC has it in front.
        if ask.body.as_ref().is_some_and(|body| body.contains(&0)) {
            return None;
        }
        let mut words = vec!["curl".to_owned(), "-sS".to_owned()];
        let mut option = |parts: &[&str]| words.extend(parts.iter().map(|p| (*p).to_owned()));
        if ask.method != "GET" {
            option(&["-X", &ask.method]);
        }
        for (name, value) in &ask.headers {
            option(&["-H", &format!("{name}: {value}")]);
        }
        if let Some(body) = &ask.body {
            option(&["--data-binary", &String::from_utf8_lossy(body)]);
        }
        if let Some(timeout) = ask.timeout {
            option(&["--max-time", &timeout.as_secs_f64().to_string()]);
        }
        if let Some(limit) = ask.follow {
            option(&["-L", "--max-redirs", &limit.to_string()]);
        }
        if ask.http10 {
            option(&["--http1.0"]);
        }
        let scheme = if ask.origin.https { "https" } else { "http" };
        let url = format!("{scheme}://{}{}", ask.origin.authority(), ask.target);
        option(&[&url]);
        Some(words)
    }
}

/// A request, perhaps many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Whom.
    pub origin: Origin,
    /// Path and query.
    pub target: String,
    /// As in "GET".
    pub method: String,
    /// Further headers, in order; they take the place of those that a client sends by itself.
    pub headers: Vec<(String, String)>,
    /// The body, where there is one.
    pub body: Option<Vec<u8>>,
    /// How long a response may take, from the beginning of the request.
    pub timeout: Option<Duration>,
    /// Whether a connection is reset when the time is over, and not closed.
    pub resets: bool,
    /// Whether it speaks HTTP/1.0.
    pub http10: bool,
    /// Whether it waits for 100 (Continue) before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// How often.
    pub repeat: u64,
    /// From one request's beginning to the next one's, at the least.
    pub every: Duration,
    /// How many at once: connections, or streams where the connection speaks HTTP/2.
    pub parallel: usize,
    /// How many redirects are followed before it gives up; `None` when they are not followed at all.
    pub follow: Option<u32>,
    /// HTTP/2: what the server did not answer is asked for again, over another connection.
    pub retry: bool,
    /// Reads so many bytes after each pause of so long.
    pub reads: Option<(usize, Duration)>,
    /// Writes so many bytes of the body, and the next ones after a pause of so long.
    pub writes: Option<(usize, Duration)>,
}

/// Bytes as they are, over TCP or TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// To whom.
    pub origin: Origin,
    /// The pieces, each one write.
    pub pieces: Vec<Vec<u8>>,
    /// The pause before each but the first.
    pub every: Duration,
    /// How often the last piece is sent again.
    pub repeat: u64,
    /// Over how many connections at once.
    pub parallel: usize,
    /// How long it waits for the server after the last piece.
    pub wait: Duration,
}

/// A WebSocket (RFC 6455).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// With whom.
    pub origin: Origin,
    /// Path and query.
    pub target: String,
    /// Further headers of the handshake.
    pub headers: Vec<(String, String)>,
    /// Messages of text, in order.
    pub send: Vec<String>,
    /// From one message to the next.
    pub every: Duration,
    /// From one Ping frame to the next, where it sends any.
    pub ping: Option<Duration>,
    /// When it closes, from the end of the handshake.
    pub lasts: Duration,
}

/// Echo requests (RFC 792), as ping(8) sends them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// Whom: host name or address.
    pub host: String,
    /// How many.
    pub count: u16,
    /// From one to the next.
    pub every: Duration,
    /// How long each answer is waited for.
    pub timeout: Duration,
    /// Bytes of data in each.
    pub size: usize,
    /// Their time to live.
    pub ttl: u8,
    /// Their identifier, where it is not any.
    pub identifier: Option<u16>,
}

impl Ping {
    fn as_command(&self) -> Vec<String> {
        let seconds = |d: Duration| d.as_secs_f64().to_string();
        let mut words = vec!["ping".to_owned()];
        for (option, value) in [
            ("-c", self.count.to_string()),
            ("-i", seconds(self.every)),
            ("-W", seconds(self.timeout)),
            ("-s", self.size.to_string()),
            ("-t", self.ttl.to_string()),
            ("-M", "do".to_owned()),
        ] {
            words.extend([option.to_owned(), value]);
        }
        if let Some(identifier) = self.identifier {
            words.extend(["-e".to_owned(), identifier.to_string()]);
        }
        words.push(self.host.clone());
        words
    }
}

/// What a client does in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// It asks.
    Ask(Ask),
    /// It sends bytes.
    Raw(Raw),
    /// It talks by WebSocket.
    Talk(Talk),
    /// It asks whether a host is there.
    Ping(Ping),
}
