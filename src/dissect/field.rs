//! Fields of a frame, named and valued as Wireshark does (`tshark -G fields`), so that a filter selects the same
//! frames there and here.

use std::net::IpAddr;

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A protocol, as in `tcp`: present, without a value.
    Present,
    /// A number (also of types that Wireshark prints by name, as `tls.handshake.type`).
    Number(u64),
    /// A flag.
    Flag(bool),
    /// An address.
    Address(IpAddr),
    /// A text.
    Text(String),
    /// Bytes, as of a random.
    Bytes(Vec<u8>),
}

/// One field of a frame. A name may occur several times (`ip.addr`, `tls.handshake.type`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As in `tcp.dstport`.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// The fields of one frame, outer protocols first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<Field>);

impl Fields {
    /// All values of the field `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0
            .iter()
            .filter(move |f| f.name == name)
            .map(|f| &f.value)
    }

    /// Whether the field or protocol `name` is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|f| f.name == name)
    }

    /// Adds a field.
    pub fn push(&mut self, name: &'static str, value: Value) {
        self.0.push(Field { name, value });
    }
}
