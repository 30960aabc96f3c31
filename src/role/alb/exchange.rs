//! What goes between the front of a load balancer and its targets: a request, and what comes of it.

use crate::role::http::{Body, Duplex};
use crate::wire::http1::{RequestHead, ResponseHead};

/// A request on its way to a target. Names of fields are written as they stand.
pub(super) struct ToTarget {
    /// With `Upgrade` and `Connection` only when the client asks for another protocol.
    pub(super) head: RequestHead,
    /// Its body; trailers come last.
    pub(super) body: Body,
    /// Whether its connection may be used for another request afterwards.
    pub(super) reuse: bool,
}

/// What comes of it.
pub(super) enum FromTarget {
    /// A response; trailers come last in its body.
    Response(ResponseHead, Body),
    /// A 101: the connection is no longer HTTP, and this is it.
    Upgraded(ResponseHead, Box<dyn Duplex>),
}
