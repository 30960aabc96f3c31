//! Packets to meaning, with state: TCP streams, TLS decryption from the key log, HTTP and DNS, as a list of fields
//! per frame with Wireshark's field names, and as messages for people. The ladder, the filter, the comments in
//! captures and the expectations all read this one dissection. Where packets come from is not known here.

pub mod field;
pub mod filter;
pub mod key_log;
pub mod key_schedule;
pub mod message;
