//! Bytes to meaning, without state: IP packets and their flow, rewriting of headers, one message at a time of DNS,
//! TLS and HTTP. Streams, reassembly and decryption are in `dissect`.

pub mod dns;
pub mod grpc;
pub mod hello;
pub mod http;
pub mod http1;
pub mod offload;
pub mod packet;
pub mod quote;
pub mod rewrite;
pub mod tls;
pub mod websocket;
