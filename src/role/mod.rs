//! The programs on the nodes, as async tasks: browser, resolver, load balancer, application. A role sees sockets,
//! the clock and the trace of its node; it never sees a link.

pub mod config;
