//! DNS: what clients ask (`stub`), what resolvers find out (`recursor`) and what servers know (`zone`). Messages are
//! read and written by hickory-proto; nothing here signs or validates them (DNSSEC).

mod cache;
mod exchange;
mod recursor;
mod server;
mod stub;
pub(crate) mod zone;

pub use server::{Server, start};
pub(super) use stub::Stub;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Name;

use crate::wire::dns::PORT;

/// The head of an answer to `query`.
fn respond(query: &Message) -> Message {
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.queries.clone_from(&query.queries);
    answer
}

/// A name as people write it: without the root's dot.
fn plain(name: &Name) -> String {
    let text = name.to_ascii();
    match text.strip_suffix('.').unwrap_or(&text) {
        "" => ".".into(),
        short => short.into(),
    }
}

/// A response code by its name in the IANA registry.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the codes are not ours, and open"
)]
fn code_word(code: ResponseCode) -> &'static str {
    match code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::BADVERS => "BADVERS",
        other => other.to_str(),
    }
}
