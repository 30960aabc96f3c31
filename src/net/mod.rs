//! The network between the nodes: links that delay and lose, routers that forward, port mappings that rewrite.
//! What is inside a node (its stack, its programs) is not here: the fabric hands a node its packets and takes what
//! it sends.

mod change;
mod docker;
mod fabric;
mod flight;
mod flow_log;
mod forward;
mod icmp;
mod internet_gateway;
mod lane;
mod nat;
mod network_acl;
mod security_group;
pub mod topology;

pub use change::{Change, RuleChange};
pub use fabric::{Fabric, Totals};
