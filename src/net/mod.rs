//! The network between the nodes: links that delay and lose, routers that forward, port mappings that rewrite.
//! What is inside a node (its stack, its programs) is not here.

pub mod topology;
