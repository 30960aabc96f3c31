//! The front of a load balancer: connections of its clients, from the first byte of a request to the last of a
//! response. What is between (rules, target groups, targets) is not here.

mod body;
mod http1;
mod http2;
mod respond;
mod tunnel;
mod wire;
